/**
 * `npm run soak`: the table on stderr, and with --json the report on stdout. Ends with 1 when anything was lost, forked,
 * leaked or wrong, or nothing was tried; with 2 when it is told what it does not understand.
 *   --minutes N   how long callers and faults go on; 10 by default
 *   --seed N      the same chances again
 *   --json        the report as one JSON document on stdout
 */
import { readOptions, type SoakOptions } from './options.ts';
import { isClean, table } from './report.ts';
import { runSoak } from './run.ts';

function options(): SoakOptions {
  try {
    return readOptions(process.argv.slice(2), Date.now());
  } catch (e) {
    process.stderr.write(
      `soak: error: ${(e as Error).message.split('. ')[0]}\nsoak: hint: npm run soak -- [--minutes N] [--seed N] [--json]\n`,
    );
    process.exit(2);
  }
}
const { minutes, seed, json } = options();
const started = performance.now();
const report = await runSoak({
  seconds: minutes * 60,
  seed,
  progress: (text) =>
    process.stderr.write(`soak: ${Math.round((performance.now() - started) / 1000)} s: ${text}\n`),
});
process.stderr.write(`\n${table(report)}`);
if (json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
process.exitCode = isClean(report) ? 0 : 1;
