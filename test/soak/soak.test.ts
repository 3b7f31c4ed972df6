/**
 * The soak of `npm run soak` in short: callers of every kind, a TPM that fails in every way, kills and restarts; and then
 * nothing that was promised is missing. The long form is for nights: its chances are those of its seed.
 */
import { expect, it } from 'vitest';
import { isClean, table } from '../../soak/report.ts';
import { runSoak } from '../../soak/run.ts';

it('a host under load keeps every promise while its TPM fails and its daemon is killed', async () => {
  const said: string[] = [];
  const report = await runSoak({ seconds: 20, seed: 20, progress: (text) => said.push(text) });
  expect(isClean(report), table(report)).toBe(true);
  const faults = Object.values(report.faults).reduce((a, b) => a + b, 0);
  expect(faults + report.resets, table(report)).toBeGreaterThan(2);
  expect(report.kills + report.stops, table(report)).toBeGreaterThan(0);
  for (const what of ['acknowledged', 'flows', 'quotes', 'bundles'] as const)
    expect(report[what], table(report)).toBeGreaterThan(0);
  expect(said.length).toBeGreaterThan(3);
}, 400_000);
