/**
 * Firmware logs as machines write them that are not among the real ones: made by this project after the TCG PC Client
 * Platform Firmware Profile 1.06, the sources of Linux, shim, GRUB and systemd, and Intel's TXT guide.
 */
import { agileLog, type Bank, type LogEvent, shaOneLog } from './tcglog.ts';

export interface MadeLog {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly events: readonly LogEvent[];
  /** Banks that a replay can be computed of. */
  readonly banks: readonly string[];
  /** Where PCR 0 starts from. */
  readonly locality?: number;
  /** Names of defects. */
  readonly defects?: readonly string[];
}

const text = (s: string): Uint8Array => new Uint8Array(Buffer.from(s, 'latin1'));
const wide = (s: string): Uint8Array => new Uint8Array(Buffer.from(`${s}\0`, 'utf16le'));
const zeros = (n: number): Uint8Array => new Uint8Array(n);

export const separators: readonly LogEvent[] = [0, 1, 2, 3, 4, 5, 6, 7].map((pcr) => ({
  pcr,
  type: 4,
  data: zeros(4),
}));

export function localityOf(n: number): LogEvent {
  return { pcr: 0, type: 3, data: Buffer.concat([text('StartupLocality\0'), Buffer.of(n)]) };
}

/** UEFI_VARIABLE_DATA. */
export function variable(guid: string, name: string, value: Uint8Array): Uint8Array {
  const head = Buffer.alloc(32);
  head.set(guidBytes(guid));
  head.writeBigUInt64LE(BigInt(name.length), 16);
  head.writeBigUInt64LE(BigInt(value.length), 24);
  return new Uint8Array(Buffer.concat([head, Buffer.from(name, 'utf16le'), value]));
}

function guidBytes(guid: string): Buffer {
  const b = Buffer.from(guid.replaceAll('-', ''), 'hex');
  return Buffer.concat([
    b.subarray(0, 4).reverse(),
    b.subarray(4, 6).reverse(),
    b.subarray(6, 8).reverse(),
    b.subarray(8),
  ]);
}

export function tagged(tag: number, data: Uint8Array): Uint8Array {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(tag);
  head.writeUInt32LE(data.length, 4);
  return new Uint8Array(Buffer.concat([head, data]));
}

/** TCG_DEVICE_SECURITY_EVENT_DATA up to its device path, of a measurement block of SHA-256 (PFP 1.06 §10.2.7). */
export function spdm(): Uint8Array {
  const head = Buffer.alloc(28);
  head.write('SPDM Device Sec\0', 'latin1');
  head.writeUInt16LE(1, 16);
  head.writeUInt16LE(28 + 4 + 3 + 32, 18);
  head.writeUInt32LE(2, 20);
  head.writeUInt32LE(1, 24);
  const block = Buffer.concat([Buffer.of(1, 1, 35, 0), Buffer.of(1, 32, 0), Buffer.alloc(32, 7)]);
  return new Uint8Array(Buffer.concat([head, block]));
}

/** UEFI_GPT_DATA of two partitions whose entries have this many bytes. */
export function gpt(size: number): Uint8Array {
  const head = Buffer.alloc(92 + 8);
  head.write('EFI PART', 'latin1');
  head.set(guidBytes('07081ba2-7cc9-4663-8ecf-4692ccb7e3ec'), 56);
  head.writeUInt32LE(128, 80);
  head.writeUInt32LE(size, 84);
  head.writeUInt32LE(2, 92);
  const entry = Buffer.alloc(size);
  entry.write('root', 56, 'utf16le');
  return new Uint8Array(Buffer.concat([head, entry, entry]));
}

const GLOBAL = '8be4df61-93ca-11d2-aa0d-00e098032b8c';
const SHIM = '605dab50-e046-4300-abb6-3dd810dd8b23';

/** One of every kind that boot loaders and kernels write. */
export const LOADERS: readonly LogEvent[] = [
  { pcr: 0, type: 8, data: wide('1.2') },
  { pcr: 0, type: 0x13, data: text('ACPI DATA'), measured: text('tables') },
  {
    pcr: 0,
    type: 0x8000000a,
    data: Buffer.concat([Buffer.of(4), text('POST'), zeros(16)]),
    measured: text('fv'),
  },
  { pcr: 1, type: 0xc, data: text('\x01\x02\x03\x04'), measured: text('setup') },
  {
    pcr: 1,
    type: 0x8000000c,
    data: variable(GLOBAL, 'BootOrder', Buffer.of(1, 0, 0, 0)),
    measured: Buffer.of(1, 0, 0, 0),
  },
  { pcr: 2, type: 0x800000e1, data: spdm() },
  { pcr: 2, type: 0x800000e2, data: spdm() },
  { pcr: 7, type: 0x80000001, data: variable(GLOBAL, 'SecureBoot', Buffer.of(1)) },
  { pcr: 7, type: 0x800000e3, data: variable(GLOBAL, 'devdb', zeros(0)) },
  ...separators,
  { pcr: 4, type: 0x80000003, data: Buffer.concat([zeros(24), zeros(8)]), measured: text('shim') },
  { pcr: 4, type: 0x12, data: zeros(0) },
  { pcr: 5, type: 0x80000006, data: gpt(128) },
  { pcr: 5, type: 0x8000000d, data: gpt(256) },
  {
    pcr: 7,
    type: 0x800000e0,
    data: Buffer.concat([variable(SHIM, 'SbatLevel', text('sbat,1\n')), zeros(1)]),
    measured: variable(SHIM, 'SbatLevel', text('sbat,1\n')),
  },
  { pcr: 8, type: 0xd, data: text('grub_cmd: linux /vmlinuz ro\0'), measured: text('linux /vmlinuz ro') },
  {
    pcr: 8,
    type: 0xd,
    data: text('kernel_cmdline: /vmlinuz ro quiet\0'),
    measured: text('/vmlinuz ro quiet'),
  },
  { pcr: 9, type: 0xd, data: text('(hd0,gpt2)/initrd.img\0'), measured: text('an initrd') },
  { pcr: 9, type: 6, data: tagged(0x8f3b22ec, text('Linux initrd\0')), measured: text('the initrd') },
  {
    pcr: 9,
    type: 6,
    data: tagged(0x8f3b22ed, text('LOADED_IMAGE::LoadOptions\0')),
    measured: wide('ro quiet'),
  },
  { pcr: 11, type: 0xd, data: wide('.linux'), measured: text('.linux\0') },
  { pcr: 12, type: 0xd, data: wide('root=/dev/vda1') },
  { pcr: 14, type: 0xd, data: text('MokList\0'), measured: text('keys') },
  { pcr: 0, type: 1, data: Uint8Array.of(0, 0, 0xf0, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0) },
  { pcr: 0, type: 8, data: guidBytes(GLOBAL) },
  { pcr: 1, type: 0xb, data: text(' \0\0\0') },
  { pcr: 5, type: 0x80000007, data: text('Exit Boot Services Invocation') },
];

const NOTICE: LogEvent = { pcr: 0, type: 3, data: Buffer.concat([text('SP800-155 Event3'), zeros(40)]) };
const five: Bank[] = ['sha1', 'sha256', 'sha384', 'sha512', 'sm3_256'];
const HCRTM: LogEvent = { pcr: 0, type: 0x80000010, data: text('HCRTM'), measured: text('a CRTM') };
const then = (bytes: Uint8Array, ...more: Uint8Array[]): Uint8Array =>
  new Uint8Array(Buffer.concat([bytes, ...more]));
const agile = (
  name: string,
  events: readonly LogEvent[],
  more: Partial<MadeLog> = {},
  banks: readonly Bank[] = ['sha256'],
): MadeLog => ({
  name,
  events,
  banks: banks.filter((b) => typeof b === 'string'),
  bytes: agileLog(banks, events),
  ...more,
});
const tail = agileLog(['sha256'], [...separators, ...LOADERS.slice(-3)]);
const drtm: LogEvent[] = [
  ...separators,
  { pcr: 17, type: 0x402, data: zeros(0), measured: text('SINIT') },
  { pcr: 17, type: 0x404, data: zeros(0), measured: text('MLE') },
  { pcr: 18, type: 0x410, data: zeros(0), measured: text('key') },
];

export const MADE_LOGS: readonly MadeLog[] = [
  { name: 'SHA-1 alone', events: LOADERS, banks: ['sha1'], bytes: shaOneLog(LOADERS) },
  {
    name: 'SHA-1 alone, locality 3, zeros behind it',
    events: [localityOf(3), ...LOADERS],
    banks: ['sha1'],
    locality: 3,
    bytes: then(shaOneLog([localityOf(3), ...LOADERS]), zeros(4096)),
    defects: ['padding'],
  },
  agile('five banks', LOADERS, {}, five),
  agile('SHA-3', LOADERS, {}, ['sha3_256', 'sha3_384', 'sha3_512']),
  agile('a bank of an unknown algorithm', LOADERS, {}, [{ algorithm: 0x7fff, size: 24 }, 'sha256']),
  agile('vendor information in the header', separators, {
    bytes: agileLog(['sha256'], separators, text('vendor')),
  }),
  agile('locality 0', [localityOf(0), ...LOADERS], { locality: 0 }),
  agile('locality 4', [localityOf(4), ...LOADERS], { locality: 4 }),
  agile('an H-CRTM with its locality', [localityOf(4), HCRTM, ...LOADERS], { locality: 4 }),
  agile('an H-CRTM alone', [HCRTM, ...LOADERS], { locality: 4, defects: ['locality-inferred'] }),
  agile('an H-CRTM behind the firmware volume', [...LOADERS.slice(0, 3), HCRTM, ...LOADERS.slice(3)]),
  agile(
    'notices between',
    LOADERS.flatMap((e) => [NOTICE, e]),
  ),
  agile('0xFF behind it', LOADERS, {
    bytes: then(agileLog(['sha256'], LOADERS), new Uint8Array(777).fill(0xff)),
    defects: ['padding'],
  }),
  agile('rubbish behind zeros', LOADERS, {
    bytes: then(agileLog(['sha256'], LOADERS), zeros(64), text('left over from before')),
    defects: ['trailing'],
  }),
  agile('rubbish behind 0xFF', LOADERS, {
    bytes: then(agileLog(['sha256'], LOADERS), new Uint8Array(64).fill(0xff), text('left over')),
    defects: ['trailing'],
  }),
  agile('the table of final events behind it', [...separators, ...LOADERS.slice(-3), ...LOADERS.slice(-2)], {
    bytes: then(tail, agileLog(['sha256'], LOADERS.slice(-2)).subarray(agileLog(['sha256'], []).length)),
  }),
  agile('a dynamic launch (TXT)', drtm),
  agile('registers 17 and 20 without a dynamic launch', [
    ...separators,
    { pcr: 17, type: 5, data: text('x') },
    { pcr: 20, type: 0x404, data: zeros(0), measured: text('y') },
  ]),
  agile('a register that no TPM has', [...separators, { pcr: 24, type: 5, data: text('x') }], {
    defects: ['register-unknown'],
  }),
  agile('an event of 300 KB', [
    ...separators,
    { pcr: 1, type: 0x80000009, data: new Uint8Array(300_000).fill(9) },
  ]),
];
