/**
 * A firmware log for a forged machine: a crypto-agile log with a SHA-256 bank, event by event, and the PCR values to
 * which it leads, computed here a second time so that the verifier's replay is held against something else.
 */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { concat, toBase64, toHex, utf8 } from '../../src/core/bytes.ts';
import { type JsonObject, parseJson } from '../../src/core/json.ts';
import { printPolicy, sealPolicy } from '../../src/evidence/appraisal.ts';
import { parseTcgLog } from '../../src/evidence/eventlog/tcg.ts';
import type { AppraisalPolicy } from '../../src/evidence/schema/appraisal.ts';
import type { Machine } from '../../src/verify/appraisal/appraise.ts';
import type { QuotedRegister } from '../../src/verify/appraisal/quoted.ts';
import { replayLogs } from '../../src/verify/appraisal/replay.ts';
import { type Hooks, PCRS } from './hooks.ts';

export interface BootEvent {
  readonly pcr: number;
  readonly type: number;
  /** What the log says; hashed where no digest is given. */
  readonly data: Uint8Array;
  readonly digest?: Uint8Array;
}

export const EV = {
  noAction: 3,
  separator: 4,
  action: 5,
  tag: 6,
  crtm: 8,
  ipl: 13,
  driverConfig: 0x80000001,
  application: 0x80000003,
  authority: 0x800000e0,
} as const;

export const hash = (b: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(b).digest());
const le32 = (n: number) => Uint8Array.of(n, n >>> 8, n >>> 16, n >>> 24);
const le16 = (n: number) => Uint8Array.of(n, n >>> 8);
const digestOf = (e: BootEvent) => e.digest ?? hash(e.data);

/** The log's bytes. */
export function printLog(events: readonly BootEvent[]): Uint8Array {
  const spec = concat(
    utf8('Spec ID Event03\0'),
    le32(0),
    Uint8Array.of(0, 2, 0, 2),
    le32(1),
    le16(0x0b),
    le16(32),
    Uint8Array.of(0),
  );
  const header = concat(le32(0), le32(EV.noAction), new Uint8Array(20), le32(spec.length), spec);
  const body = events.map((e) =>
    concat(le32(e.pcr), le32(e.type), le32(1), le16(0x0b), digestOf(e), le32(e.data.length), e.data),
  );
  return concat(header, ...body);
}

/** PCR values after the events, in hex, for every register that a forged machine quotes. */
export function valuesAfter(events: readonly BootEvent[], locality = 0): Record<string, string> {
  const values = new Map<number, Uint8Array>(PCRS.map((i) => [i, new Uint8Array(32)]));
  values.get(0)?.set([locality], 31);
  for (const e of events) {
    const old = values.get(e.pcr);
    if (old !== undefined && e.type !== EV.noAction) values.set(e.pcr, hash(concat(old, digestOf(e))));
  }
  return Object.fromEntries([...values].map(([i, v]) => [String(i), toHex(v)]));
}

/** UEFI_VARIABLE_DATA (UEFI PFP §10.4.2.6). */
export function variable(name: string, value: Uint8Array): Uint8Array {
  const text = concat(...[...name].map((c) => le16(c.charCodeAt(0))));
  const u64 = (n: number) => concat(le32(n), le32(0));
  return concat(new Uint8Array(16).fill(0x5b), u64(name.length), u64(value.length), text, value);
}

const separator = (pcr: number): BootEvent => ({ pcr, type: EV.separator, data: new Uint8Array(4) });
const grub = (prefix: string, text: string): BootEvent => ({
  pcr: 8,
  type: EV.ipl,
  data: utf8(`${prefix}${text}\0`),
  digest: hash(utf8(text)),
});
const file = (path: string, content: string): BootEvent => ({
  pcr: 9,
  type: EV.ipl,
  data: utf8(`${path}\0`),
  digest: hash(utf8(content)),
});
const app = (content: string): BootEvent => ({
  pcr: 4,
  type: EV.application,
  data: utf8('a device path'),
  digest: hash(utf8(content)),
});
export const COMMAND_LINE = '/vmlinuz-6.1.0-30 root=/dev/vda1 ro quiet';

/** A boot through shim and GRUB with Secure Boot on. */
export const BOOT: readonly BootEvent[] = [
  { pcr: 0, type: EV.crtm, data: utf8('firmware 1.0') },
  { pcr: 7, type: EV.driverConfig, data: variable('SecureBoot', Uint8Array.of(1)) },
  { pcr: 7, type: EV.driverConfig, data: variable('PK', utf8('platform key')) },
  { pcr: 7, type: EV.driverConfig, data: variable('KEK', utf8('exchange key')) },
  { pcr: 7, type: EV.driverConfig, data: variable('db', utf8('allowed')) },
  { pcr: 7, type: EV.driverConfig, data: variable('dbx', utf8('forbidden')) },
  ...[0, 1, 2, 3, 4, 5, 6, 7].map(separator),
  { pcr: 7, type: EV.authority, data: variable('db', utf8('the certificate that signed shim')) },
  app('shim'),
  app('grub'),
  grub('grub_cmd: ', `linux ${COMMAND_LINE}`),
  file('/vmlinuz-6.1.0-30', 'kernel'),
  app('kernel as signed'),
  grub('grub_cmd: ', 'initrd /initrd.img-6.1.0-30'),
  file('/initrd.img-6.1.0-30', 'initrd'),
  grub('kernel_cmdline: ', COMMAND_LINE),
  { pcr: 5, type: EV.action, data: utf8('Exit Boot Services Returned with Success') },
];

/** A forged machine that booted like this, whose bundle carries the log. */
export function bootedWith(events: readonly BootEvent[], hooks: Hooks = {}): Hooks {
  const log = printLog(events);
  const values = valuesAfter(events);
  return {
    ...hooks,
    values: (_, w) => (hooks.values ?? ((v) => v))(values, w),
    boot: (b, w) =>
      (hooks.boot ?? ((x) => x))({ ...b, firmwareLog: { sha256: toHex(hash(log)), size: log.length } }, w),
    raw: (r, w) => (hooks.raw ?? ((x) => x))({ ...r, logs: { firmware: log } }, w),
  };
}

/** A machine whose evidence has no IMA list. */
export const NO_LIST: Machine['ima'] = { list: { state: 'none' }, judgement: () => undefined };

/** The machine that a log of a boot leads to. */
export function machineOfBoot(events: readonly BootEvent[]): Machine {
  const values = valuesAfter(events);
  const registers = new Map<number, QuotedRegister>();
  for (const [pcr, replay] of replayLogs({ firmware: parseTcgLog(printLog(events)) })) {
    const value = values[String(pcr)];
    if (value !== undefined) registers.set(pcr, { pcr, value, replay, explained: replay.value === value });
  }
  return { registers, logged: true, own: new Set([13]), ima: NO_LIST };
}

/** A policy as its owner signs it, ready for a trust file. */
export function trusted(policy: AppraisalPolicy, forge: Partial<{ key: KeyObject }> = {}): JsonObject {
  const { privateKey, publicKey } = OWNER;
  const spki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
  const signed = sealPolicy(
    printPolicy(policy),
    spki,
    (m) => new Uint8Array(sign(null, m, forge.key ?? privateKey)),
  );
  return { key: toBase64(spki), envelope: parseJson(signed) };
}

/** The owner of policies in tests. */
export const OWNER = generateKeyPairSync('ed25519');
