import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../src/core/bytes.ts';
import { isAttestdError } from '../../src/core/errors.ts';
import type { HashName } from '../../src/evidence/eventlog/hashes.ts';
import { parseTcgLog, replayTcgLog } from '../../src/evidence/eventlog/tcg.ts';

const DIR = new URL('../vectors/tcg/', import.meta.url);
const read = (name: string) => new Uint8Array(readFileSync(new URL(name, DIR)));
interface Expected {
  computed_pcrs: Record<HashName, Record<string, string>>;
  events: number;
  events_missing_a_bank: number;
}
const expected = JSON.parse(readFileSync(new URL('expected.json', DIR), 'utf8')) as Record<string, Expected>;

describe('firmware logs of real machines', () => {
  const broken = ['binary_bios_measurements-bogus'];
  const names = Object.keys(expected).filter((name) => !broken.includes(name));

  it.each(names)('%s replays to the recorded values in every bank', (name) => {
    const log = parseTcgLog(read(name));
    for (const [bank, values] of Object.entries(expected[name]?.computed_pcrs ?? {})) {
      if (Object.keys(values).length === 0) continue;
      const lacking = log.events.some((e) => e.type !== 3 && e.digests.size < log.banks.length);
      if (lacking && !allHave(log.events, bank as HashName)) {
        expect(() => replayTcgLog(log, bank as HashName)).toThrow(/has no/);
        continue;
      }
      const got = replayTcgLog(log, bank as HashName);
      expect(Object.fromEntries([...got].map(([pcr, value]) => [pcr, toHex(value)]))).toEqual(values);
    }
  });

  it('refuses one that is not a log, naming the byte', () => {
    expect(() => parseTcgLog(read('binary_bios_measurements-bogus'))).toThrow(/at byte 32/);
  });

  it('refuses or cleanly ends every proper prefix', () => {
    const bytes = read('event-sd-boot-fedora37.bin');
    const whole = parseTcgLog(bytes).events.length;
    for (let n = 0; n < bytes.length; n++) {
      try {
        expect(parseTcgLog(bytes.subarray(0, n)).events.length).toBeLessThan(whole);
      } catch (e) {
        expect(isAttestdError(e, 'MALFORMED')).toBe(true);
      }
    }
  });

  it('takes any bytes without any other fault', () => {
    const seed = read('event.bin');
    fc.assert(
      fc.property(
        fc.nat(seed.length - 1),
        fc.nat(255),
        fc.uint8Array({ maxLength: 64 }),
        (at, value, tail) => {
          const bytes = new Uint8Array([...seed, ...tail]);
          bytes[at] = value;
          try {
            parseTcgLog(bytes);
          } catch (e) {
            expect(isAttestdError(e)).toBe(true);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

function allHave(events: readonly { type: number; digests: ReadonlyMap<number, unknown> }[], bank: HashName) {
  const algorithm = { sha1: 4, sha256: 11, sha384: 12, sha512: 13 }[bank];
  return events.every((e) => e.type === 3 || e.digests.has(algorithm));
}
