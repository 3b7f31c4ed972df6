/** The verifier's replay against logs of real machines and the register values that were recorded for them. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseTcgLog } from '../../src/evidence/eventlog/tcg.ts';
import { resetValue } from '../../src/verify/appraisal/register.ts';
import { replayLogs } from '../../src/verify/appraisal/replay.ts';

const DIR = new URL('../vectors/tcg/', import.meta.url);
interface Expected {
  computed_pcrs: { sha256?: Record<string, string> };
  events_missing_a_bank: number;
}
const expected = JSON.parse(readFileSync(new URL('expected.json', DIR), 'utf8')) as Record<string, Expected>;
const real = Object.entries(expected).filter(([, e]) => Object.keys(e.computed_pcrs.sha256 ?? {}).length > 0);

describe('registers', () => {
  it.each([
    [0, 0, '0'.repeat(64)],
    [0, 3, `${'0'.repeat(62)}03`],
    [0, 4, `${'0'.repeat(62)}04`],
    [1, 3, '0'.repeat(64)],
    [16, 0, '0'.repeat(64)],
    [17, 0, 'f'.repeat(64)],
    [22, 4, 'f'.repeat(64)],
    [23, 0, '0'.repeat(64)],
  ])('PCR %i started from locality %i begins as it should', (pcr, locality, value) => {
    expect(Buffer.from(resetValue(pcr, locality)).toString('hex')).toBe(value);
  });
});

describe('firmware logs of real machines', () => {
  it('are many', () => expect(real.length).toBeGreaterThan(10));
  it.each(real)('%s leads to the recorded SHA-256 values', (name, { computed_pcrs }) => {
    const registers = replayLogs({ firmware: parseTcgLog(new Uint8Array(readFileSync(new URL(name, DIR)))) });
    const values: Record<string, string | undefined> = {};
    for (const { pcr, events, value } of registers.values()) if (events.length > 0) values[pcr] = value;
    expect(values).toEqual(computed_pcrs.sha256);
  });
  it('without a SHA-256 bank says nothing about registers that it extends', () => {
    const log = parseTcgLog(new Uint8Array(readFileSync(new URL('debian-10.bin', DIR))));
    const registers = replayLogs({ firmware: log });
    expect(registers.get(0)?.value).toBeUndefined();
    expect(registers.get(15)?.value).toBe('0'.repeat(64));
  });
});
