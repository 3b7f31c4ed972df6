/**
 * `self-measured`: the daemon's own measurements lead from a register of zeros, or from what the boot logs left in it,
 * to the quoted value. Older runs have none, and that is no fault; a run whose boot entry says that it measures itself
 * has them, and a bundle that leaves them out hides something. What it cannot show is that a daemon told the truth
 * about itself: the sentence says `self-reported`.
 */
import { equal, toHex, ZERO32 } from '../../core/bytes.ts';
import { replayLogs } from '../appraisal/replay.ts';
import type { Evidence } from '../evidence.ts';
import { type MeasuredChain, measuredChain, ownRegister, strangerIn } from '../measured.ts';
import { because, blocked, type CheckDefinition, fail, pass, unknown } from '../outcome.ts';
import { proven } from './pcr.ts';

/** Whether what is in front of the first measurement is explained: by nothing, or by the logs of the boot. */
export function isFromStart(e: Evidence, { register, begins }: MeasuredChain): boolean {
  if (equal(begins, ZERO32)) return true;
  const { firmware, userspace } = e.logs;
  const logs = replayLogs({
    ...(firmware.ok ? { firmware: firmware.value } : {}),
    ...(userspace.ok ? { userspace: userspace.value } : {}),
  });
  return logs.get(register)?.value === toHex(begins);
}

export const selfMeasured: CheckDefinition = {
  id: 'self-measured',
  level: 3,
  requiredBy: (trust) => trust.selfMeasured,
  run: (e) => {
    if (!e.boot.ok) return blocked(e.boot);
    if (!e.bootFacts.ok) return blocked(e.bootFacts);
    const unread = e.measurements.find((m) => !m.statement.ok);
    if (unread !== undefined) return blocked({ why: `${unread.role} cannot be read` });
    const stranger = strangerIn(e, e.boot.value);
    if (stranger !== undefined) return blocked({ why: stranger });
    const register = ownRegister(e);
    const chain = measuredChain(e);
    if (!chain.ok && chain.absent) {
      if (register === undefined)
        return unknown('The run is not self-measured: its boot entry names no register.');
      return because(
        'omitted',
        fail(
          `The boot entry says that the run measures itself into PCR ${register}, and no measurement is given.`,
        ),
      );
    }
    if (!chain.ok) return because('chain', fail(`The measurements contradict each other: ${chain.why}.`));
    const values = proven(e);
    if (!values.ok) return blocked(values);
    const { items, gaps, ends, resettable } = chain.value;
    const pcr = chain.value.register;
    const quoted = values.value.get(pcr);
    if (quoted === undefined)
      return unknown(`PCR ${pcr}, into which the daemon measures itself, is not quoted.`);
    if (quoted !== toHex(ends))
      return because(
        'value',
        fail(
          `The measurements lead to another value of PCR ${pcr} than the quoted one.`,
          toHex(ends),
          quoted,
        ),
      );
    const own = items.filter((i) => i.own);
    const ready = own.find((i) => i.event.type === 'ready');
    const before =
      e.record.ok && e.record.value.index > e.boot.value.index ? e.record.value.index : undefined;
    if (own[0]?.event.type !== 'start' || ready === undefined || ready.index > (before ?? ready.index))
      return because('unfinished', fail('The record was taken before the daemon had measured itself.'));
    const what = `${items.length} measurements, self-reported, lead to the quoted value of PCR ${pcr}`;
    const weak = resettable ? ' This register is resettable by any process.' : '';
    if (gaps.length > 0)
      return unknown(
        `${what} only past ${gaps.length === 1 ? 'a gap' : `${gaps.length} gaps`}: somebody else extended it at ${gaps
          .map((g) => `entry ${g.index}`)
          .slice(0, 3)
          .join(', ')}.${weak}`,
      );
    if (!isFromStart(e, chain.value))
      return unknown(`${what}, but nothing given explains the value that it had before them.${weak}`);
    return pass(`${what}.${weak}`);
  },
};
