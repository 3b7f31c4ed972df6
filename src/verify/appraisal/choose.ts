/**
 * The policies of a trust file held against the evidence. Each group of the file wants one of its policies to accept the
 * machine; where none does, the report speaks of the one that comes nearest, so that a person sees what is different.
 */
import { envelopeSigned } from '../../evidence/appraisal.ts';
import type { AppraisalPolicy } from '../../evidence/schema/appraisal.ts';
import type { Evidence } from '../evidence.ts';
import { chainHolds, measuredChain } from '../measured.ts';
import { got, type Part } from '../outcome.ts';
import type { Trust, TrustedPolicy } from '../trust.ts';
import { appraise, type Finding, type Machine } from './appraise.ts';
import { quotedReplay } from './quoted.ts';

/** One policy's decisions. */
export interface Appraisal {
  readonly policy: AppraisalPolicy;
  readonly findings: readonly Finding[];
}

/** The machine that this evidence shows. */
export function machineOf(e: Evidence): Part<Machine> {
  const registers = quotedReplay(e);
  if (!registers.ok) return registers;
  return got({ registers: registers.value, logged: e.logs.firmware.ok, own: ownRegisters(e), ima: e.ima });
}

/** The register that the daemon extends itself, where its measurements lead to the quoted value. */
function ownRegisters(e: Evidence): ReadonlySet<number> {
  const chain = measuredChain(e);
  return new Set(chain.ok && chainHolds(e, chain.value) ? [chain.value.register] : []);
}

/** Policies whose owner did not sign them. */
export async function unsigned(trust: Trust): Promise<TrustedPolicy[]> {
  const out: TrustedPolicy[] = [];
  for (const p of trust.policies) if (!(await envelopeSigned(p.envelope, p.key))) out.push(p);
  return out;
}

/** For every group of the trust file, the decisions of the policy that accepts the machine or comes nearest to it. */
export function choose(machine: Machine, trust: Trust): Appraisal[] {
  return trust.appraisals.map((group) => {
    const tried = trust.policies
      .filter(({ policy }) => group.includes(policy.name))
      .map(({ policy }) => ({ policy, findings: appraise(policy, machine) }));
    return tried.reduce((best, next) => (distance(next) < distance(best) ? next : best));
  });
}

const distance = ({ findings }: Appraisal): number =>
  findings.filter((f) => f.verdict === 'refused' || f.verdict === 'missing').length;
