import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../src/core/bytes.ts';
import { isAttestdError } from '../../src/core/errors.ts';
import { parseCcel } from '../../src/evidence/eventlog/ccel.ts';
import { describeEvent } from '../../src/evidence/eventlog/describe.ts';
import type { HashName } from '../../src/evidence/eventlog/hashes.ts';
import {
  parseTcgLog,
  readTcgLog,
  replayTcgBank,
  replayTcgLog,
  type TcgLog,
} from '../../src/evidence/eventlog/tcg.ts';
import { LOADERS, MADE_LOGS, type MadeLog, separators } from './kit/madelogs.ts';
import { agileLog, type LogEvent, openssl, shaOneLog } from './kit/tcglog.ts';

const DIR = new URL('../vectors/tcg/', import.meta.url);
const read = (name: string) => new Uint8Array(readFileSync(new URL(name, DIR)));
const runs = Number(process.env.FUZZ_RUNS ?? '500');

type Values = Record<string, string>;
interface Expected {
  computed_pcrs: Record<HashName, Values>;
  events: number;
  event_types: Record<string, number>;
  events_missing_a_bank: number;
  origin_states?: {
    pcrs?: Partial<Record<HashName, Values>>;
    rtmr?: Values;
    events_pcr0?: number;
    events_pcr0_8?: number;
  };
}
const expected = JSON.parse(readFileSync(new URL('expected.json', DIR), 'utf8')) as Record<string, Expected>;
const hex = (values: ReadonlyMap<number, Uint8Array>) =>
  Object.fromEntries([...values].map(([pcr, value]) => [String(pcr), toHex(value)]));

describe('firmware logs of real machines', () => {
  const broken = ['binary_bios_measurements-bogus', 'CCEL.bin'];
  const names = Object.keys(expected).filter((name) => !broken.includes(name));

  it.each(names)('%s replays to the recorded values in every bank', (name) => {
    const wanted = expected[name] as Expected;
    const log = parseTcgLog(read(name));
    for (const [bank, values] of Object.entries(wanted.computed_pcrs) as [HashName, Values][]) {
      const { values: got, lacking } = replayTcgBank(log, bank);
      expect(hex(got)).toEqual(values);
      if (lacking.length > 0) expect(() => replayTcgLog(log, bank)).toThrow(/has no/);
      else expect(hex(replayTcgLog(log, bank))).toEqual(values);
    }
    // The record with which Windows ends its log is none of the firmware's.
    expect(log.events.filter((e) => e.pcr !== 0xffffffff).length).toBe(
      name === 'specid-vendordata.bin' ? 1 : wanted.events,
    );
  });

  // Registers that the operating system, or the machine before the log began, extended too.
  const others: Readonly<Record<string, readonly string[]>> = {
    'linux_tpm12.eventlog.bin': ['10'],
    sb_cert_eventlog: ['10'],
  };
  it.each(names.filter((name) => Object.keys(expected[name]?.origin_states?.pcrs ?? {}).length > 0))(
    '%s replays to what its origin states of the machine',
    (name) => {
      const log = parseTcgLog(read(name));
      let compared = 0;
      for (const [bank, values] of Object.entries(expected[name]?.origin_states?.pcrs ?? {}) as [
        HashName,
        Values,
      ][]) {
        const got = hex(replayTcgBank(log, bank).values);
        for (const [pcr, value] of Object.entries(got)) {
          if (others[name]?.includes(pcr) === true || values[pcr] === undefined) continue;
          expect(`${bank}:${pcr}:${value}`).toBe(`${bank}:${pcr}:${values[pcr]?.replace(/^0x/, '')}`);
          compared++;
        }
      }
      expect(compared).toBeGreaterThan(0);
    },
  );

  it('replays a confidential machine to the registers that its origin states', () => {
    const name = 'cos-113-intel-tdx-dupe-separator-unpadded.bin';
    const got = hex(replayTcgLog(parseTcgLog(read(name)), 'sha384'));
    const stated = expected[name]?.origin_states?.rtmr ?? {};
    expect(Object.keys(stated)).toEqual(['0', '1', '2']);
    for (const [rtmr, value] of Object.entries(stated)) expect(got[String(Number(rtmr) + 1)]).toBe(value);
  });

  it('has as many events of each register as the origin states', () => {
    const { events } = parseTcgLog(read('binary_measurements_pc_client.bin'));
    const stated = expected['binary_measurements_pc_client.bin']?.origin_states;
    const extending = events.filter((e) => e.type !== 3);
    expect(events.filter((e) => e.pcr === 0).length).toBe(stated?.events_pcr0);
    expect(extending.filter((e) => e.pcr <= 8).length + 1).toBeGreaterThanOrEqual(
      stated?.events_pcr0_8 ?? 99,
    );
  });

  it('counts events by the names that the origin uses', () => {
    for (const name of names) {
      const counted: Record<string, number> = {};
      for (const event of parseTcgLog(read(name)).events) {
        if (event.pcr === 0xffffffff) continue;
        const type = describeEvent(event).type.replace(/^0x0*/, '0x');
        counted[type] = (counted[type] ?? 0) + 1;
      }
      expect(counted).toEqual(expected[name]?.event_types);
    }
  });

  it('reads where a confidential machine keeps its log', () => {
    expect(parseCcel(read('CCEL.bin'))).toEqual({
      type: 'tdx',
      subtype: 0,
      logLength: 65536n,
      logAddress: 0x7d649000n,
    });
    for (let i = 0; i < 56; i++) {
      const bytes = read('CCEL.bin');
      bytes[i] = (bytes[i] as number) ^ 1;
      expect(() => parseCcel(bytes)).toThrow(/CCEL table/);
    }
  });
});

describe('firmware logs of machines that are not at hand', () => {
  it.each(MADE_LOGS)('$name', ({ bytes, events, banks, locality, defects = [] }) => {
    const log = parseTcgLog(bytes);
    expect(log.startupLocality).toBe(locality);
    expect(log.defects.map((d) => d.kind)).toEqual(defects);
    const header = log.format === 'sha1' ? 0 : 1;
    expect(log.events.slice(header).map((e) => [e.pcr, e.type, toHex(e.data)])).toEqual(
      events.map((e) => [e.pcr, e.type, toHex(new Uint8Array(e.data))]),
    );
    expect(banks.length).toBeGreaterThan(0);
    for (const bank of banks) {
      expect([bank, hex(replayTcgLog(log, bank as HashName))]).toEqual([
        bank,
        replayed(events, bank, locality),
      ]);
    }
  });

  /** The registers as a TPM would have them. */
  function replayed(events: MadeLog['events'], bank: string, locality: number | undefined): Values {
    const hash = (...parts: Uint8Array[]) =>
      parts.reduce((h, p) => h.update(p), createHash(openssl(bank))).digest();
    const size = hash().length;
    const values: Record<string, Buffer> = {};
    let late = false;
    if (locality !== undefined) values['0'] = Buffer.alloc(size).fill(locality, size - 1);
    for (const { pcr, type, data, measured } of events) {
      if (type === 3) continue;
      if (type === 0x402) late = true;
      const start = Buffer.alloc(size, pcr >= 17 && pcr <= 22 && !late ? 0xff : 0);
      values[pcr] = hash(values[pcr] ?? start, hash(measured ?? data));
    }
    return Object.fromEntries(Object.entries(values).map(([pcr, v]) => [pcr, v.toString('hex')]));
  }

  it('does not search the rest of a log at each of its events', () => {
    const bytes = new Uint8Array(16 * 1024 * 1024);
    const events = agileLog(['sha256'], separators);
    bytes.set(events);
    // A search for the end of the zeros at each event of zeros takes a quarter of an hour.
    bytes[bytes.length - 1] = 1;
    const { log, fault } = readTcgLog(bytes);
    expect(fault).toBeUndefined();
    expect(log).toMatchObject({ padding: 0, trailing: bytes.length - events.length });
  });

  it.each<[string, number, string]>([
    ['EV_EFI_SPDM_FIRMWARE_BLOB', 0x800000e1, 'SPDM Device Sec, PCI device'],
    ['EV_EFI_SPDM_DEVICE_POLICY', 0x800000e3, 'devdb'],
    ['EV_EFI_VARIABLE_BOOT2', 0x8000000c, 'BootOrder: Boot0001, Boot0000'],
    ['EV_POST_CODE2', 0x13, 'ACPI DATA'],
    ['EV_COMPACT_HASH', 0xc, '4 bytes'],
    ['EV_OMIT_BOOT_DEVICE_EVENTS', 0x12, '0 bytes'],
    ['EV_EFI_GPT_EVENT', 0x80000006, 'disk 07081ba2-7cc9-4663-8ecf-4692ccb7e3ec, 2 partitions'],
    ['EV_EFI_GPT_EVENT2', 0x8000000d, 'disk 07081ba2-7cc9-4663-8ecf-4692ccb7e3ec, 2 partitions'],
    ['EV_POST_CODE', 1, '4096 bytes at 0xfff00000'],
    ['EV_S_CRTM_VERSION', 8, '8be4df61-93ca-11d2-aa0d-00e098032b8c'],
    ['EV_TABLE_OF_DEVICES', 0xb, '4 bytes'],
  ])('names %s', (name, type, wanted) => {
    const event = parseTcgLog(agileLog(['sha256'], LOADERS)).events.findLast((e) => e.type === type);
    expect(describeEvent(event as NonNullable<typeof event>)).toMatchObject({ type: name, name: wanted });
  });
});

describe('what is wrong with a firmware log', () => {
  const defects = (log: TcgLog) => log.defects.map((d) => d.kind);

  it.each<[string, string[]]>([
    ['binary_bios_measurements-empty', ['empty']],
    ['trustee_CCEL_data_ovmf', ['padding', 'separator-twice', 'separator-missing']],
    ['cos-113-intel-tdx-dupe-separator-unpadded.bin', ['separator-twice', 'separator-missing']],
    ['specid-vendordata.bin', ['vendor-info-uncounted']],
    ['event-uefivar.bin', ['digest-missing', 'separator-missing']],
    ['sb_cert_eventlog', ['separator-missing']],
    ['ibmtss_ideapad1.bin', ['register-unknown']],
    ['event.bin', ['separator-missing']],
  ])('%s: %j', (name, kinds) => {
    expect(defects(parseTcgLog(read(name)))).toEqual(kinds);
  });

  it('is nothing in the logs of the other machines', () => {
    const odd = /empty|bogus|CCEL|dupe|vendordata|uefivar|sb_cert|ideapad|event\.bin/;
    const sound = Object.keys(expected).filter((name) => !odd.test(name));
    expect(sound.length).toBeGreaterThan(15);
    for (const name of sound) expect([name, defects(parseTcgLog(read(name)))]).toEqual([name, []]);
  });

  it('refuses one that is not a log, naming the byte', () => {
    expect(() => parseTcgLog(read('binary_bios_measurements-bogus'))).toThrow(/at byte 32/);
    expect(() => parseTcgLog(read('CCEL.bin'))).toThrow(/at byte 32/);
  });

  const locality = (n: number): LogEvent => ({
    pcr: 0,
    type: 3,
    data: Buffer.concat([Buffer.from('StartupLocality\0'), Buffer.of(n)]),
  });

  it.each<[string, LogEvent[], number | undefined, string[]]>([
    ['a locality of 3', [locality(3), ...separators], 3, []],
    ['a locality that no TPM has', [locality(9), ...separators], 9, ['locality-unknown']],
    [
      'a locality after the register was extended',
      [...separators, locality(3)],
      undefined,
      ['locality-late'],
    ],
    ['two localities', [locality(3), locality(4), ...separators], 3, ['locality-late']],
    [
      'an H-CRTM without a locality',
      [{ pcr: 0, type: 0x80000010, data: Buffer.from('HCRTM') }, ...separators],
      4,
      ['locality-inferred'],
    ],
    ['a second separator', [...separators, ...separators.slice(3, 4)], undefined, ['separator-twice']],
    [
      'a register of no TPM',
      [...separators, { pcr: 0xffffffff, type: 3, data: new Uint8Array(3) }],
      undefined,
      ['register-unknown'],
    ],
  ])('tells %s', (_what, events, start, kinds) => {
    const log = parseTcgLog(agileLog(['sha256'], events));
    expect(log.startupLocality).toBe(start);
    expect(defects(log)).toEqual(kinds);
    const first = Buffer.alloc(32);
    first[31] = start ?? 0;
    let value = first;
    for (const e of events) {
      if (e.pcr !== 0 || e.type === 3) continue;
      value = createHash('sha256')
        .update(value)
        .update(createHash('sha256').update(e.data).digest())
        .digest();
    }
    expect(hex(replayTcgLog(log, 'sha256'))['0']).toBe(value.toString('hex'));
  });

  it('starts registers 17 to 22 from ones', () => {
    const log = parseTcgLog(agileLog(['sha256'], [{ pcr: 17, type: 5, data: Buffer.from('x') }]));
    const wanted = createHash('sha256')
      .update(Buffer.alloc(32, 0xff))
      .update(createHash('sha256').update('x').digest())
      .digest('hex');
    expect(hex(replayTcgLog(log, 'sha256'))['17']).toBe(wanted);
  });

  it('keeps an event of a type that nobody knows in its place', () => {
    const events = [{ pcr: 1, type: 0x40e, data: Buffer.from('v') }, ...separators];
    for (const log of [agileLog(['sha1', 'sha256'], events), shaOneLog(events)]) {
      const parsed = parseTcgLog(log);
      const unknown = parsed.events.find((e) => e.type === 0x40e);
      expect(unknown?.data).toEqual(new Uint8Array(Buffer.from('v')));
      const one = createHash('sha1')
        .update(Buffer.alloc(20))
        .update(createHash('sha1').update('v').digest())
        .digest();
      const two = createHash('sha1')
        .update(one)
        .update(createHash('sha1').update(Buffer.alloc(4)).digest())
        .digest('hex');
      expect(hex(replayTcgLog(parsed, 'sha1'))['1']).toBe(two);
    }
  });

  it('refuses two digests of one algorithm in one event', () => {
    const bytes = Buffer.from(agileLog(['sha1', 'sha256'], separators));
    const at = bytes.length - separators.length * (4 + 4 + 4 + 2 + 20 + 2 + 32 + 4 + 4);
    const one = Buffer.concat([
      bytes.subarray(0, at),
      Buffer.from('0000000004000000', 'hex'),
      Buffer.from('02000000', 'hex'),
      Buffer.from('0400', 'hex'),
      Buffer.alloc(20),
      Buffer.from('0400', 'hex'),
      Buffer.alloc(20),
      Buffer.alloc(4),
    ]);
    expect(() => parseTcgLog(one)).toThrow(/two digests of one algorithm/);
  });

  it('is told of one that was cut off, beside the events before', () => {
    const bytes = read('event-sd-boot-fedora37.bin');
    const whole = parseTcgLog(bytes).events;
    let cut = 0;
    for (let n = 0; n < bytes.length; n++) {
      const { log, fault } = readTcgLog(bytes.subarray(0, n));
      const last = log.events.at(-1);
      expect(log.events.length).toBeLessThan(whole.length);
      expect(last?.data.join()).toBe(last === undefined ? undefined : whole[last.sequence]?.data.join());
      if (fault === undefined) continue;
      cut++;
      expect(fault.code).toBe('MALFORMED');
      expect(fault.message).toMatch(/wanted|an event of|digests/);
    }
    // All but those that end with an event, or with the zeros of the next one's register.
    expect(cut).toBeGreaterThan(bytes.length - 4 * whole.length);
    expect(() => parseTcgLog(bytes.subarray(0, -1))).toThrow(/wanted/);
  });

  it('takes any bytes without any other fault', () => {
    const seeds = ['event.bin', 'event-sd-boot-fedora37.bin', 'glinux-alex.bin'].map(read);
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.array(fc.tuple(fc.nat(20_000), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        fc.uint8Array({ maxLength: 64 }),
        (seed, changes, tail) => {
          const bytes = new Uint8Array([...seed, ...tail]);
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          const { log, fault } = readTcgLog(bytes);
          if (fault !== undefined) expect(isAttestdError(fault, 'MALFORMED')).toBe(true);
          for (const event of log.events) expect(describeEvent(event).name).toBeTypeOf('string');
        },
      ),
      { numRuns: Math.ceil(runs / 5) },
    );
  });

  it('is found in any events made up', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            pcr: fc.nat(24),
            type: fc.oneof(fc.nat(0x13), fc.integer({ min: 0x80000000, max: 0x800000e4 })),
            data: fc.uint8Array({ maxLength: 120 }),
          }),
          { maxLength: 8 },
        ),
        (events) => {
          const log = parseTcgLog(agileLog(['sha256', 'sha384'], events));
          expect(log.events.length).toBe(events.length + 1);
          for (const event of log.events) expect(describeEvent(event).type).toMatch(/^(EV_|0x)/);
        },
      ),
      { numRuns: runs },
    );
  });
});
