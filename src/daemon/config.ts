/**
 * The configuration: one TOML file, checked against the schema below before anything else happens. An unknown key
 * is an error that names it; a missing one has the default written here, and systemd/attestd.toml shows every key
 * with its default (a test holds the two together).
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parse as parseToml } from 'smol-toml';
import { type Static, type TSchema, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { AttestdError } from '../core/errors.ts';
import { OWN_PCR } from '../evidence/measured.ts';
import { MAX_REQUEST } from '../evidence/schema/request.ts';

const closed = <T extends Record<string, TSchema>>(properties: T) =>
  Type.Object(properties, { additionalProperties: false });
const integer = (minimum: number, maximum: number) => Type.Optional(Type.Integer({ minimum, maximum }));
const name = Type.String({ pattern: '^[a-z0-9.-]{1,63}$' });
const path = Type.String({ pattern: '^/[^\\0]{1,4094}$' });
const socket = closed({
  path: Type.Optional(Type.String({ pattern: '^/[^\\0]{1,106}$' })),
  mode: Type.Optional(Type.String({ pattern: '^0[0-7]{3}$' })),
  group: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9_.-]{0,32}$' })),
});

/** The file as it may be written. */
export const ConfigFile = closed({
  fleet: name,
  host: name,
  state_dir: Type.Optional(path),
  socket: Type.Optional(socket),
  admin_socket: Type.Optional(socket),
  tpm: Type.Optional(
    closed({
      tcti: Type.Optional(Type.String({ minLength: 1, maxLength: 512 })),
      assurance: Type.Optional(Type.Enum(['tpm', 'software'])),
      deadline_ms: integer(100, 600_000),
      sessions: Type.Optional(Type.Enum(['salted', 'password'])),
      pcrs: Type.Optional(
        Type.Array(Type.Integer({ minimum: 0, maximum: 23 }), { minItems: 1, uniqueItems: true }),
      ),
      counter: Type.Optional(Type.Enum(['nv', 'none'])),
      counter_index: integer(0x0180_0000, 0x01bf_ffff),
      firmware_log: Type.Optional(path),
      userspace_log: Type.Optional(path),
    }),
  ),
  ima: Type.Optional(closed({ list: Type.Optional(Type.String({ pattern: '^(?:/[^\\0]{1,4094})?$' })) })),
  seal: Type.Optional(
    closed({
      min_gap_ms: integer(10, 60_000),
      max_age_ms: integer(10, 600_000),
      idle_ms: integer(1000, 86_400_000),
      published_ms: integer(100, 86_400_000),
      ed25519_line: Type.Optional(Type.Boolean()),
    }),
  ),
  anchor: Type.Optional(closed({ interval_s: integer(1, 86_400) })),
  limits: Type.Optional(
    closed({
      body_bytes: integer(1024, MAX_REQUEST),
      connections: integer(1, 65_536),
      connections_per_caller: integer(1, 65_536),
      in_flight: integer(1, 65_536),
      in_flight_per_caller: integer(1, 65_536),
      bytes: integer(65_536, 1_073_741_824),
      bytes_per_caller: integer(65_536, 1_073_741_824),
      records_per_second: integer(1, 10_000_000),
      burst: integer(1, 10_000_000),
      quotes_per_minute: integer(1, 6000),
      signatures_per_minute: integer(1, 60_000),
      measurements_per_minute: integer(1, 60_000),
      request_ms: integer(100, 600_000),
      stalled_ms: integer(100, 3_600_000),
    }),
  ),
  policy: Type.Optional(
    closed({
      directory: Type.Optional(Type.String({ pattern: '^(?:/[^\\0]{1,4094})?$' })),
      keys: Type.Optional(Type.Array(path, { maxItems: 16 })),
      max_unsealed_ms: integer(100, 600_000),
      max_window_s: integer(1, 31_622_400),
      grants_per_second: integer(1, 1_000_000),
      open_attempts_per_caller: integer(1, 65_536),
      live_grants_per_caller: integer(1, 65_536),
      break_glass: Type.Optional(Type.Boolean()),
    }),
  ),
  tee: Type.Optional(
    closed({
      report: Type.Optional(Type.Enum(['auto', 'none'])),
      path: Type.Optional(path),
      nsm: Type.Optional(path),
    }),
  ),
  observer: Type.Optional(
    closed({
      socket: Type.Optional(Type.String({ pattern: '^(?:/[^\\0]{1,106})?$' })),
      names: Type.Optional(Type.Boolean()),
    }),
  ),
  measure: Type.Optional(
    closed({
      register: Type.Optional(Type.Union([Type.Literal(13), Type.Literal(23)])),
      uids: Type.Optional(
        Type.Array(Type.Integer({ minimum: 0, maximum: 0xffff_fffe }), { maxItems: 256, uniqueItems: true }),
      ),
    }),
  ),
  record_key: Type.Optional(
    closed({
      policy_key: Type.Optional(Type.String({ pattern: '^(?:/[^\\0]{1,4094})?$' })),
      approvals: Type.Optional(path),
    }),
  ),
  timestamps: Type.Optional(closed({ drop_dir: Type.Optional(path) })),
  metrics: Type.Optional(
    closed({
      textfile: Type.Optional(Type.String({ pattern: '^(?:/[^\\0]{1,4094}\\.prom)?$' })),
      interval_s: integer(1, 3600),
    }),
  ),
  log: Type.Optional(closed({ level: Type.Optional(Type.Enum(['debug', 'info', 'warn', 'error'])) })),
});

/** What a key is when the file does not say. */
export const DEFAULTS = {
  state_dir: '/var/lib/attestd',
  socket: { path: '/run/attestd/attestd.sock', mode: '0660', group: '' },
  admin_socket: { path: '/run/attestd/admin.sock', mode: '0600', group: '' },
  tpm: {
    tcti: 'device:/dev/tpmrm0',
    assurance: 'tpm',
    deadline_ms: 20_000,
    sessions: 'salted',
    pcrs: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14],
    counter: 'nv',
    counter_index: 0x0180_0200,
    firmware_log: '/sys/kernel/security/tpm0/binary_bios_measurements',
    userspace_log: '/run/log/systemd/tpm2-measure.log',
  },
  ima: { list: '/sys/kernel/security/ima/binary_runtime_measurements' },
  seal: { min_gap_ms: 10, max_age_ms: 1000, idle_ms: 600_000, published_ms: 10_000, ed25519_line: false },
  anchor: { interval_s: 900 },
  limits: {
    body_bytes: MAX_REQUEST,
    connections: 1024,
    connections_per_caller: 256,
    in_flight: 8192,
    in_flight_per_caller: 4096,
    bytes: 16_777_216,
    bytes_per_caller: 8_388_608,
    records_per_second: 100_000,
    burst: 200_000,
    quotes_per_minute: 12,
    signatures_per_minute: 240,
    measurements_per_minute: 60,
    request_ms: 10_000,
    stalled_ms: 30_000,
  },
  policy: {
    directory: '',
    keys: [],
    max_unsealed_ms: 10_000,
    max_window_s: 86_400,
    grants_per_second: 10_000,
    open_attempts_per_caller: 4096,
    live_grants_per_caller: 4096,
    break_glass: false,
  },
  tee: { report: 'auto', path: '/sys/kernel/config/tsm/report', nsm: '/dev/nsm' },
  observer: { socket: '/run/attestd/observe.sock', names: true },
  measure: { register: OWN_PCR, uids: [] },
  record_key: { policy_key: '', approvals: '/etc/attestd/approvals' },
  timestamps: { drop_dir: '/var/lib/attestd-forward/timestamps' },
  metrics: { textfile: '', interval_s: 15 },
  log: { level: 'info' },
} as const;

type Filled<T> = { readonly [K in keyof T]-?: Exclude<T[K], undefined> };
type File = Static<typeof ConfigFile>;
type Section =
  | 'socket'
  | 'admin_socket'
  | 'tpm'
  | 'ima'
  | 'seal'
  | 'anchor'
  | 'limits'
  | 'policy'
  | 'tee'
  | 'observer'
  | 'measure'
  | 'record_key'
  | 'timestamps'
  | 'metrics'
  | 'log';

/** The configuration with every key filled in. */
export type Config = { readonly fleet: string; readonly host: string; readonly state_dir: string } & {
  readonly [S in Section]: Filled<Exclude<File[S], undefined>>;
};

const check = Compile(ConfigFile);

/** Checks a parsed file and fills in the defaults. @throws CONFIG_INVALID naming the key */
export function completeConfig(file: unknown): Config {
  if (!check.Check(file)) {
    const e = check.Errors(file).find((x) => x.keyword !== 'boolean' || x.instancePath !== '');
    const extra = e?.keyword === 'boolean';
    const field = e?.keyword === 'required' ? missing(e) : (e?.instancePath ?? '');
    const key = field.slice(1).replaceAll('/', '.');
    const why = extra
      ? 'is not known'
      : e?.keyword === 'required'
        ? 'is missing'
        : (e?.message ?? 'is wrong');
    throw new AttestdError('CONFIG_INVALID', `the key ${key || '(top level)'} ${why}`, { field });
  }
  return {
    fleet: file.fleet,
    host: file.host,
    state_dir: file.state_dir ?? DEFAULTS.state_dir,
    socket: { ...DEFAULTS.socket, ...file.socket },
    admin_socket: { ...DEFAULTS.admin_socket, ...file.admin_socket },
    tpm: { ...DEFAULTS.tpm, pcrs: [...DEFAULTS.tpm.pcrs], ...file.tpm },
    ima: { ...DEFAULTS.ima, ...file.ima },
    seal: { ...DEFAULTS.seal, ...file.seal },
    anchor: { ...DEFAULTS.anchor, ...file.anchor },
    limits: { ...DEFAULTS.limits, ...file.limits },
    policy: { ...DEFAULTS.policy, keys: [...DEFAULTS.policy.keys], ...file.policy },
    tee: { ...DEFAULTS.tee, ...file.tee },
    observer: { ...DEFAULTS.observer, ...file.observer },
    measure: { ...DEFAULTS.measure, uids: [...DEFAULTS.measure.uids], ...file.measure },
    record_key: { ...DEFAULTS.record_key, ...file.record_key },
    timestamps: { ...DEFAULTS.timestamps, ...file.timestamps },
    metrics: { ...DEFAULTS.metrics, ...file.metrics },
    log: { ...DEFAULTS.log, ...file.log },
  };
}

function missing(e: { instancePath: string; params: unknown }): string {
  const names = (e.params as { requiredProperties?: string[] }).requiredProperties ?? [];
  return `${e.instancePath}/${names[0] ?? ''}`;
}

/** Reads and checks the file at `file`. @throws CONFIG_INVALID */
export function loadConfig(file: string): Config {
  return readConfig(file).config;
}

/** The same, with SHA-256 in hex of the bytes that were read. @throws CONFIG_INVALID */
export function readConfig(file: string): { readonly config: Config; readonly sha256: string } {
  let parsed: unknown;
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
    parsed = parseToml(bytes.toString('utf8'));
  } catch (e) {
    throw new AttestdError('CONFIG_INVALID', `${file}: ${(e as Error).message}`, { cause: e });
  }
  return { config: completeConfig(parsed), sha256: createHash('sha256').update(bytes).digest('hex') };
}
