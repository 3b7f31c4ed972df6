/** What `npm run soak` takes and refuses, and what it does not call clean. */
import { describe, expect, it } from 'vitest';
import { readOptions } from '../../soak/options.ts';
import { isClean, type SoakReport, table } from '../../soak/report.ts';

describe('the options of the soak', () => {
  it.each([
    [[], { minutes: 10, seed: 7, json: false }],
    [['--minutes', '240', '--seed', '3', '--json'], { minutes: 240, seed: 3, json: true }],
    [['--minutes=0.5'], { minutes: 0.5, seed: 7, json: false }],
  ])('%j', (words, options) => {
    expect(readOptions(words, 7)).toEqual(options);
  });

  it.each([
    [['--minutes', '0']],
    [['--minutes', 'x']],
    [['--minutes', '']],
    [['--minutes=-1']],
    [['--minutes', '1e9']],
    [['--seed', '1.5']],
    [['--seed', '']],
    [['--seed']],
    [['--hours', '3']],
    [['240']],
  ])('%j are refused', (words) => {
    expect(() => readOptions(words, 7)).toThrow();
  });
});

describe('a soak', () => {
  const faults = { late: 1 } as unknown as SoakReport['faults'];
  const nothing = { lost: [], forks: [], wrong: [], leaked: [], findings: [], crashes: [], refused: {} };
  const counts = {
    entries: 9,
    seals: 1,
    flows: 1,
    quotes: 1,
    bundles: 1,
    watchdog: 0,
    peak: 1e6,
    seconds: 9,
  };
  const well: SoakReport = {
    schema: 'attestd.dev/soak/v1',
    seed: 1,
    faults,
    resets: 0,
    kills: 0,
    stops: 0,
    acknowledged: 5,
    ...counts,
    ...nothing,
  };
  it.each([
    ['all is well', {}, true],
    ['a record is lost', { lost: ['x'] }, false],
    ['the log forked', { forks: ['x'] }, false],
    ['a handle is left', { leaked: ['x'] }, false],
    ['nobody was answered', { acknowledged: 0 }, false],
    ['no trouble was made', { faults: { late: 0 } }, false],
  ])('in which %s is clean: %s', (_, change, clean) => {
    const report = { ...well, ...change } as SoakReport;
    expect(isClean(report)).toBe(clean);
    for (const row of [
      'faults of the TPM injected',
      'records acknowledged',
      'records lost',
      'forks',
      'handles leaked',
      'peak memory',
    ])
      expect(table(report)).toContain(row);
  });
});
