/** `attestctl policy check`: what a trust file demands, in sentences, and what is odd about it. */
import { ERRORS } from '../../core/errors.ts';
import { demandsOf, findingsOf } from '../../verify/demands.ts';
import { parseTrust } from '../../verify/trust.ts';
import type { Input } from '../command.ts';
import { readInput } from '../files.ts';

export async function run({ args, io }: Input): Promise<number> {
  const trust = parseTrust(await readInput(args[0] as string, io));
  const demands = demandsOf(trust);
  const findings = findingsOf(trust, Date.now());
  const bad = findings.some((f) => f.severity === 'error');
  if (io.json) {
    io.out(`${JSON.stringify({ schema: 'attestd.dev/policy-check/v1', sound: !bad, demands, findings })}\n`);
  } else {
    io.out('Evidence is verified under this file when all of this holds:\n');
    for (const d of demands) io.out(`  ${d}\n`);
    for (const f of findings) {
      io.out(`${io.style(f.severity === 'error' ? 'red' : 'yellow', f.severity)}: ${f.sentence}\n`);
    }
    if (findings.length === 0) io.out('Nothing is odd about it.\n');
  }
  return bad ? ERRORS.REJECTED.exit : 0;
}
