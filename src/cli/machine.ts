/**
 * Machines out of files that a person names, for learning from them and comparing them. Nothing here says that a bundle
 * is true: that is for `attestctl verify`. But a bundle whose own parts contradict each other is refused.
 */
import { AttestdError } from '../core/errors.ts';
import { BOOT_AGGREGATE } from '../evidence/eventlog/ima/aggregate.ts';
import type { ImaEntry } from '../evidence/eventlog/ima/entry.ts';
import { type ImaKey, signedBy } from '../evidence/eventlog/ima/signature.ts';
import { parseTcgLog } from '../evidence/eventlog/tcg.ts';
import type { AppraisalPolicy } from '../evidence/schema/appraisal.ts';
import { readStatement } from '../evidence/statement.ts';
import { verifySignature } from '../evidence/x509/signature.ts';
import type { Machine } from '../verify/appraisal/appraise.ts';
import { machineOf } from '../verify/appraisal/choose.ts';
import type { GoldenMachine } from '../verify/appraisal/learn.ts';
import type { QuotedRegister } from '../verify/appraisal/quoted.ts';
import { replayLogs } from '../verify/appraisal/replay.ts';
import { imaList } from '../verify/checks/ima.ts';
import { firmwareLog, logReplay } from '../verify/checks/logs.ts';
import { gather } from '../verify/gather.ts';
import { askAll } from '../verify/ima/question.ts';
import { attempt } from '../verify/outcome.ts';
import { readBundle } from '../verify/read.ts';
import { NO_TRUST } from '../verify/trust.ts';
import { attachmentsBeside } from './attachment.ts';

/** Which IMA list of a machine is read, and for what. */
export interface ListUse {
  /** Every finding on the list by these policies is kept. */
  readonly policies?: readonly AppraisalPolicy[];
  /** Everything in the list is kept, but for what is signed by one of these keys. */
  readonly learn?: { readonly keys: readonly ImaKey[] };
}

/**
 * The machine that a bundle shows.
 * @param name the file, beside which attachments are looked for
 * @throws MALFORMED, REJECTED where logs, boot entry and quote contradict each other
 */
export async function machineOfBundle(
  bytes: Uint8Array,
  name: string,
  use: ListUse = {},
): Promise<GoldenMachine> {
  const raw = readBundle(bytes);
  const files = use.learn === undefined ? undefined : askAll(isKnown(use.learn.keys));
  const e = await gather(
    attempt(() => raw),
    NO_TRUST,
    { verify: verifySignature, readStatement },
    {
      attachments: attachmentsBeside(name),
      ...(use.policies === undefined ? {} : { policies: use.policies }),
      ...(files === undefined ? {} : { questions: [files] }),
    },
  );
  const machine = machineOf(e);
  if (!machine.ok) throw new AttestdError('REJECTED', `${name}: ${machine.why}`);
  for (const check of [firmwareLog, logReplay, imaList]) {
    const outcome = await check.run(e, NO_TRUST, {});
    if (outcome.status === 'fail') throw new AttestdError('REJECTED', `${name}: ${outcome.sentence}`);
  }
  return { ...machine.value, ...(files === undefined ? {} : { files }) };
}

/** What need not be learnt: the boot aggregate, which has a rule of its own, and what one of the keys signed. */
function isKnown(keys: readonly ImaKey[]): (entry: ImaEntry) => boolean {
  return ({ index, path, digest, signature }) =>
    (index === 0 && path === BOOT_AGGREGATE && digest?.algorithm === 'sha256') ||
    (digest !== undefined && signature !== undefined && signedBy(keys, signature, digest));
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
  return {
    registers,
    logged: true,
    own: new Set(),
    ima: { list: { state: 'none' }, judgement: () => undefined },
  };
}
