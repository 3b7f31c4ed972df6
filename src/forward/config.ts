/**
 * The configuration of attestd-forward: one TOML file, every key checked, an unknown one refused by name;
 * systemd/attestd-forward.toml shows every key with its default.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse as parseToml } from 'smol-toml';
import { type Static, Type } from 'typebox';
import { Check, Errors } from 'typebox/value';
import { AttestdError } from '../core/errors.ts';
import { readCertificates, readCrls } from '../evidence/certfile.ts';
import { parseCertificate } from '../evidence/x509/certificate.ts';
import { type Crl, parseCrl } from '../evidence/x509/crl.ts';
import { COSIGNATURE, type NoteKey, parseVkey } from '../log/keys.ts';
import type { TimestampAuthority } from '../verify/timestamp.ts';
import type { WitnessConfig } from './witness.ts';

const path = Type.String({ pattern: '^/[^\\0]{1,4094}$' });
const integer = (minimum: number, maximum: number) => Type.Optional(Type.Integer({ minimum, maximum }));
const Tsa = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z0-9-]{1,32}$' }),
    url: Type.String({ pattern: '^https?://[^\\s]{1,2000}$' }),
    root: path,
    certificates: Type.Optional(path),
    crls: Type.Optional(path),
    authorization: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' })),
    policy: Type.Optional(Type.String({ pattern: '^[0-2](?:\\.\\d{1,18}){1,30}$' })),
    timeout_ms: integer(100, 300_000),
  },
  { additionalProperties: false },
);
const Witness = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z0-9-]{1,32}$' }),
    url: Type.String({ pattern: '^https?://[^\\s]{1,2000}[^\\s/]$' }),
    vkey: Type.String({ maxLength: 512 }),
    timeout_ms: integer(100, 300_000),
  },
  { additionalProperties: false },
);
const File = Type.Object(
  {
    socket: Type.Optional(path),
    drop_dir: Type.Optional(path),
    interval_s: integer(1, 86_400),
    every: integer(1, 1_000_000),
    keep: integer(1, 100_000),
    queue: integer(1, 4096),
    tsa: Type.Optional(Type.Array(Tsa, { minItems: 1, maxItems: 4 })),
    witness: Type.Optional(Type.Array(Witness, { minItems: 1, maxItems: 16 })),
  },
  { additionalProperties: false },
);

/** A timestamp authority that is asked. */
export interface TsaConfig {
  readonly name: string;
  readonly url: string;
  readonly authority: TimestampAuthority;
  readonly crls: readonly Crl[];
  readonly policy?: string;
  /** Content of the Authorization header (RFC 9110 §11.6.2). */
  readonly authorization?: string;
  readonly timeoutMs: number;
}

export interface ForwardConfig {
  /** The daemon's socket of the callers. */
  readonly socket: string;
  /** Where tokens are put for the daemon. */
  readonly dropDir: string;
  /** A published checkpoint is stamped at most so often. */
  readonly intervalMs: number;
  /** And of the checkpoints that the daemon seals, only one of so many: the next is at least so many seals later. */
  readonly every: number;
  /** Checkpoints whose tokens stay in the drop directory. */
  readonly keep: number;
  /** Checkpoints that wait for one authority; over it the oldest goes, for a newer token covers it. */
  readonly queue: number;
  readonly tsa: readonly TsaConfig[];
  readonly witnesses: readonly WitnessConfig[];
}

/** What a key is when the file does not say. */
export const DEFAULTS = {
  socket: '/run/attestd/attestd.sock',
  drop_dir: '/var/lib/attestd-forward/timestamps',
  interval_s: 600,
  every: 1,
  keep: 1000,
  queue: 64,
  timeout_ms: 20_000,
} as const;

const invalid = (why: string, cause?: unknown) =>
  new AttestdError('CONFIG_INVALID', why, cause === undefined ? {} : { cause });

/**
 * Reads the file, and the certificates and credentials that it names.
 * @param credentials the directory that systemd puts credentials into (systemd.exec(5), CREDENTIALS_DIRECTORY)
 * @throws CONFIG_INVALID
 */
export function loadForwardConfig(file: string, credentials?: string): ForwardConfig {
  let parsed: unknown;
  try {
    parsed = parseToml(readFileSync(file, 'utf8'));
  } catch (e) {
    throw invalid(`${file}: ${(e as Error).message}`, e);
  }
  if (!Check(File, parsed)) {
    const [first] = Errors(File, parsed);
    throw invalid(`${file}: ${first?.instancePath || 'top level'} ${first?.message ?? 'is wrong'}`);
  }
  const { tsa = [], witness = [] } = parsed;
  if (tsa.length + witness.length === 0)
    throw invalid(`${file}: neither an authority nor a witness is named`);
  for (const [what, list] of [
    ['authorities', tsa],
    ['witnesses', witness],
  ] as const) {
    if (new Set(list.map((t) => t.name)).size < list.length)
      throw invalid(`${file}: two ${what} have one name`);
  }
  return {
    socket: parsed.socket ?? DEFAULTS.socket,
    dropDir: parsed.drop_dir ?? DEFAULTS.drop_dir,
    intervalMs: (parsed.interval_s ?? DEFAULTS.interval_s) * 1000,
    every: parsed.every ?? DEFAULTS.every,
    keep: parsed.keep ?? DEFAULTS.keep,
    queue: parsed.queue ?? DEFAULTS.queue,
    tsa: tsa.map((t) => readTsa(t, credentials)),
    witnesses: witness.map(readWitness),
  };
}

/** A header's content: one line, without what would end it. */
const HEADER = /^[\x21-\x7e](?:[\x20-\x7e]{0,4094}[\x21-\x7e])?$/;

/** A secret comes by systemd's credentials alone: never from the configuration, never from the environment. */
function readCredential(name: string, directory: string | undefined): string {
  if (directory === undefined) {
    throw invalid(
      `the credential ${name} comes from systemd (LoadCredentialEncrypted=), and there is none here`,
    );
  }
  let text: string;
  try {
    text = readFileSync(join(directory, name), 'utf8').trimEnd();
  } catch (e) {
    throw invalid(`the credential ${name}: ${(e as Error).message}`, e);
  }
  if (!HEADER.test(text)) throw invalid(`the credential ${name} is no content of an Authorization header`);
  return text;
}

function readTsa(t: Static<typeof Tsa>, directory: string | undefined): TsaConfig {
  const read = <T>(where: string, reader: (bytes: Uint8Array) => T[]): T[] => {
    try {
      return reader(new Uint8Array(readFileSync(where)));
    } catch (e) {
      throw invalid(`${where}: ${(e as Error).message}`, e);
    }
  };
  const certificates = (where: string) => read(where, (b) => readCertificates(b).map(parseCertificate));
  const [root, ...more] = certificates(t.root);
  if (root === undefined) throw invalid(`${t.root}: no certificate in it`);
  const others = t.certificates === undefined ? [] : certificates(t.certificates);
  return {
    name: t.name,
    url: t.url,
    authority: { name: t.name, root, certificates: [...more, ...others] },
    crls: t.crls === undefined ? [] : read(t.crls, (b) => readCrls(b).map(parseCrl)),
    ...(t.policy === undefined ? {} : { policy: t.policy }),
    ...(t.authorization === undefined ? {} : { authorization: readCredential(t.authorization, directory) }),
    timeoutMs: t.timeout_ms ?? DEFAULTS.timeout_ms,
  };
}

function readWitness(w: Static<typeof Witness>): WitnessConfig {
  let key: NoteKey;
  try {
    key = parseVkey(w.vkey);
  } catch (e) {
    throw invalid(`witness ${w.name}: ${(e as Error).message}`, e);
  }
  if (key.type !== COSIGNATURE)
    throw invalid(`witness ${w.name}: the vkey is not of cosignature/v1 (type 0x04)`);
  return { name: w.name, url: w.url, key, timeoutMs: w.timeout_ms ?? DEFAULTS.timeout_ms };
}
