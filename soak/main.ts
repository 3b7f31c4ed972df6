/**
 * `npm run soak`: the table on stderr, and with --json the report on stdout. Ends with 1 when anything was lost, forked,
 * leaked or wrong.
 *   --minutes N   how long callers and faults go on; 10 by default
 *   --seed N      the same chances again
 *   --json        the report as one JSON document on stdout
 */
import { parseArgs } from 'node:util';
import { isClean, table } from './report.ts';
import { runSoak } from './run.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string' },
    json: { type: 'boolean' },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
if (!(minutes > 0 && minutes <= 10_000) || !Number.isInteger(seed)) {
  process.stderr.write('soak: error: --minutes and --seed take a number\n');
  process.exit(2);
}
const started = performance.now();
const report = await runSoak({
  seconds: minutes * 60,
  seed,
  progress: (text) =>
    process.stderr.write(`soak: ${Math.round((performance.now() - started) / 1000)} s: ${text}\n`),
});
process.stderr.write(`\n${table(report)}`);
if (values.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
process.exitCode = isClean(report) ? 0 : 1;
