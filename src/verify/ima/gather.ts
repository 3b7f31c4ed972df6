/** The IMA list among the evidence: which value it must lead to, from where, and what the checks will want to know of it. */
import { fromHex } from '../../core/bytes.ts';
import type { ImaBytes } from '../../evidence/bundle.ts';
import type { BankValues } from '../../evidence/eventlog/ima/aggregate.ts';
import { IMA_PCR } from '../../evidence/eventlog/ima/replay.ts';
import type { AppraisalPolicy } from '../../evidence/schema/appraisal.ts';
import { type QuotedRegister, quotedReplay } from '../appraisal/quoted.ts';
import { replayLogs } from '../appraisal/replay.ts';
import type { Evidence, Unlisted } from '../evidence.ts';
import type { Part } from '../outcome.ts';
import type { Trust } from '../trust.ts';
import { type Attachments, gatherIma, type ImaEvidence } from './facts.ts';
import type { ImaJudgement } from './judge.ts';
import { askPaths, askPolicy, type ImaQuestion, type PolicyQuestion } from './question.ts';

/** What is there beside the bundle, and what else is asked of the list. */
export interface ImaGiven {
  readonly attachments?: Attachments;
  readonly questions?: readonly ImaQuestion[];
  /** More policies than those of the trust file, every finding of which is kept. */
  readonly policies?: readonly AppraisalPolicy[];
}

/** The list and the answers. These mean something only where it leads to the quoted value. */
export interface ImaFacts {
  readonly list: ImaEvidence;
  judgement(policy: AppraisalPolicy): ImaJudgement | undefined;
  /** The digests, in spelling of policies, that stand under a path that a measurement of the daemon names. */
  digests(path: string): ReadonlySet<string>;
}

/** Findings that are kept for the sentence of a check. */
const KEEP = 16;
const BOOT_REGISTERS = 10;

/** Evidence with its IMA list read. */
export async function listed(
  e: Unlisted,
  list: ImaBytes | undefined,
  trust: Trust,
  given: ImaGiven,
): Promise<Evidence> {
  const quoted = quotedReplay(e);
  const aggregates = quoted.ok ? aggregatesOf(e, quoted.value) : [];
  const asked = new Map<AppraisalPolicy, PolicyQuestion>();
  const ask = (policy: AppraisalPolicy, keep: number, all: boolean) => {
    if (policy.ima !== undefined) asked.set(policy, askPolicy(policy.ima, { aggregates, keep, all }));
  };
  for (const { policy } of trust.policies) ask(policy, KEEP, false);
  for (const policy of given.policies ?? []) ask(policy, Number.POSITIVE_INFINITY, true);
  const paths = askPaths(measuredFiles(e).map((f) => f.path));
  const found = await gatherIma({
    list,
    target: targetOf(quoted),
    start: startOf(e),
    ...(given.attachments === undefined ? {} : { attachments: given.attachments }),
    questions: [paths, ...asked.values(), ...(given.questions ?? [])],
  });
  return {
    ...e,
    ima: { list: found, judgement: (p) => asked.get(p)?.judgement, digests: (path) => paths.digests(path) },
  };
}

/** A file that the daemon says it loaded. */
export interface MeasuredFile {
  readonly path: string;
  readonly sha256: string;
}

/** The files that the measurement entries of the run name. */
export function measuredFiles({ measurements }: Pick<Evidence, 'measurements'>): MeasuredFile[] {
  return measurements.flatMap(({ statement }) => {
    if (!statement.ok || statement.value.kind !== 'measurement') return [];
    const { name, sha256 } = (statement.value.predicate.event ?? {}) as { name?: unknown; sha256?: unknown };
    return typeof name === 'string' && name.startsWith('/') && typeof sha256 === 'string'
      ? [{ path: name, sha256 }]
      : [];
  });
}

type Quoted = Part<ReadonlyMap<number, QuotedRegister>>;

function targetOf(quoted: Quoted): { value: string } | { quoted: boolean; why: string } {
  if (!quoted.ok) return { quoted: true, why: quoted.why };
  const register = quoted.value.get(IMA_PCR);
  return register === undefined
    ? { quoted: false, why: `PCR ${IMA_PCR} is not quoted` }
    : { value: register.value };
}

/** What firmware and services measured into the register comes before the kernel's list. */
const startOf = (e: Unlisted): string => replayOf(e).get(IMA_PCR)?.value ?? '00'.repeat(32);

function replayOf({ logs: { firmware, userspace } }: Unlisted) {
  return replayLogs({
    ...(firmware.ok ? { firmware: firmware.value } : {}),
    ...(userspace.ok ? { userspace: userspace.value } : {}),
  });
}

/**
 * The kernel hashed the registers of the firmware when it began the list. Services may have extended them since, so both
 * count: what was quoted, and, where the logs explain that, what the firmware's log alone leads to.
 */
function aggregatesOf(e: Unlisted, quoted: ReadonlyMap<number, QuotedRegister>): BankValues[] {
  const { firmware } = e.logs;
  const booted = firmware.ok ? replayLogs({ firmware: firmware.value }) : undefined;
  const now = new Map<number, Uint8Array>();
  const then = new Map<number, Uint8Array>();
  for (let pcr = 0; pcr < BOOT_REGISTERS; pcr++) {
    const register = quoted.get(pcr);
    if (register === undefined) continue;
    now.set(pcr, fromHex(register.value));
    const before = register.explained ? booted?.get(pcr)?.value : undefined;
    then.set(pcr, fromHex(before ?? register.value));
  }
  return [{ sha256: now }, { sha256: then }];
}
