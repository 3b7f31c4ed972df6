/**
 * `witness`: cosignatures in the bundle are over its log, by the witnesses of the trust file, and as many as it asks for.
 * A line of a known witness that does not verify condemns the bundle (C2SP signed-note); one of a stranger proves nothing.
 */
import type { Evidence } from '../evidence.ts';
import { because, blocked, type CheckDefinition, fail, type Outcome, pass, unknown } from '../outcome.ts';
import type { Trust } from '../trust.ts';

const required = (trust: Trust): number => trust.witnesses?.required ?? 0;

export const witness: CheckDefinition = {
  id: 'witness',
  level: 1,
  concerns: (e, trust) => e.witnessed.given || required(trust) > 0,
  requiredBy: (trust) => required(trust) > 0,
  run: (e, trust) => {
    if (!e.format.ok) return blocked(e.format);
    if (!e.checkpoint.ok) return blocked(e.checkpoint);
    const { bad, good, strange, latest } = e.witnessed;
    if (bad !== undefined) return because(bad.fault, fail(`A cosignature does not hold: ${bad.why}.`));
    const wanted = Math.max(1, required(trust));
    if (good.length < wanted || latest === undefined) {
      const others = strange === 0 ? '' : `, and ${strange} of others`;
      return unknown(
        `The trust file asks for cosignatures of ${wanted} of its witnesses, the bundle has ${good.length}${others}.`,
      );
    }
    const who = good.length === 1 ? 'A witness' : `Each of ${good.length} witnesses`;
    return pass(
      `${who} saw this log and that it only grew, ${wanted} of them by ${new Date(latest).toISOString()}.`,
    );
  },
};

/**
 * What a check of continuity says: where the counter shows nothing, witnesses do, for they sign no log that is not the
 * continuation of what they signed before. What contradicts itself stays so.
 */
export function orWitnessed(e: Evidence, outcome: Outcome): Outcome {
  const { latest, good } = e.witnessed;
  if (outcome.status !== 'unknown' || latest === undefined) return outcome;
  return pass(
    `No counter shows it, but ${good.length === 1 ? 'a witness' : `${good.length} witnesses`} saw the log continue.`,
  );
}
