/**
 * Machines out of files that a person names, for learning from them and comparing them. Nothing here says that a bundle
 * is true: that is for `attestctl verify`. But a bundle whose own parts contradict each other is refused.
 */
import { AttestdError } from '../core/errors.ts';
import { parseTcgLog } from '../evidence/eventlog/tcg.ts';
import { readStatement } from '../evidence/statement.ts';
import { verifySignature } from '../evidence/x509/signature.ts';
import type { Machine } from '../verify/appraisal/appraise.ts';
import { machineOf } from '../verify/appraisal/choose.ts';
import type { QuotedRegister } from '../verify/appraisal/quoted.ts';
import { replayLogs } from '../verify/appraisal/replay.ts';
import { firmwareLog, logReplay } from '../verify/checks/logs.ts';
import { gather } from '../verify/gather.ts';
import { attempt } from '../verify/outcome.ts';
import { NO_TRUST } from '../verify/trust.ts';
import { readBundle } from '../verify/verify.ts';

/** The machine that a bundle shows. @throws MALFORMED, REJECTED where log, boot entry and quote contradict each other */
export async function machineOfBundle(bytes: Uint8Array, name: string): Promise<Machine> {
  const raw = readBundle(bytes);
  const e = await gather(
    attempt(() => raw),
    NO_TRUST,
    { verify: verifySignature, readStatement },
  );
  const machine = machineOf(e);
  if (!machine.ok) throw new AttestdError('REJECTED', `${name}: ${machine.why}`);
  for (const check of [firmwareLog, logReplay]) {
    const outcome = await check.run(e, NO_TRUST, {});
    if (outcome.status === 'fail') throw new AttestdError('REJECTED', `${name}: ${outcome.sentence}`);
  }
  return machine.value;
}

/** The machine to which a firmware log leads; only registers that it extends. @throws MALFORMED, TOO_LARGE */
export function machineOfLog(bytes: Uint8Array): Machine {
  const registers = new Map<number, QuotedRegister>();
  for (const [pcr, replay] of replayLogs({ firmware: parseTcgLog(bytes) })) {
    if (replay.events.length > 0 && replay.value !== undefined) {
      registers.set(pcr, { pcr, value: replay.value, replay, explained: true });
    }
  }
  if (registers.size === 0) throw new AttestdError('MALFORMED', 'the firmware log has no SHA-256 event');
  return { registers, logged: true, own: new Set() };
}
