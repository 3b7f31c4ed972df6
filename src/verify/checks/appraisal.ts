/**
 * Appraisal by the policies of the trust file: `appraisal-signature`, and one check for each part of a machine, so that a
 * changed command line fails another check than a changed kernel. Without policies these checks say nothing and are left
 * out of the report.
 */
import type { Finding, Section } from '../appraisal/appraise.ts';
import { choose, machineOf, unsigned } from '../appraisal/choose.ts';
import type { Evidence } from '../evidence.ts';
import { blocked, type CheckDefinition, fail, type Outcome, pass, unknown } from '../outcome.ts';
import type { Trust } from '../trust.ts';

const appliesTo = (trust: Trust): boolean => trust.policies.length > 0;

export const appraisalSignature: CheckDefinition = {
  id: 'appraisal-signature',
  level: 3,
  appliesTo,
  run: async (_, trust) => {
    const [first] = await unsigned(trust);
    return first === undefined
      ? pass('The policies of the trust file are signed by the keys named beside them.')
      : fail(`The policy "${first.policy.name}" is not signed by the key named beside it.`);
  },
};

const section = (id: string, name: Section, what: string): CheckDefinition => ({
  id,
  level: 3,
  appliesTo,
  run: (e, trust) => judge(e, trust, name, what),
});

export const appraisals: readonly CheckDefinition[] = [
  section('appraisal-pcrs', 'pcrs', 'Every quoted register is accounted for'),
  section('appraisal-firmware', 'firmware', 'The firmware and its configuration are known'),
  section('appraisal-boot', 'boot', 'Boot loader, kernel and initrd are known'),
  section('appraisal-secure-boot', 'secure-boot', 'Secure Boot, its keys and authorities are as wanted'),
  section('appraisal-command-line', 'command-line', 'The boot loader ran allowed commands'),
  section('appraisal-userspace', 'userspace', 'What userspace measured is known'),
  {
    ...section('appraisal-ima', 'ima', 'Every file that IMA measured is known'),
    appliesTo: (trust) => trust.policies.some(({ policy }) => policy.ima !== undefined),
  },
];

/** How many refusals a sentence lists. */
const SHOWN = 3;

function judge(e: Evidence, trust: Trust, name: Section, what: string): Outcome {
  const machine = machineOf(e);
  if (!machine.ok) return blocked(machine);
  const chosen = choose(machine.value, trust);
  const found = chosen.flatMap(({ policy, findings }) =>
    findings.filter((f) => f.section === name).map((f) => ({ policy: policy.name, ...f })),
  );
  const by = (verdict: Finding['verdict']) => found.filter((f) => f.verdict === verdict);
  const list = (of: readonly { policy: string; sentence: string }[]): string => {
    const more = of.length > SHOWN ? ` and ${of.length - SHOWN} more` : '';
    return `${of
      .slice(0, SHOWN)
      .map((f) => f.sentence)
      .join('; ')}${more}`;
  };
  const refused = by('refused');
  if (refused.length > 0) return fail(`By the policy "${refused[0]?.policy}": ${list(refused)}.`);
  const missing = by('missing');
  if (missing.length > 0) return unknown(`By the policy "${missing[0]?.policy}": ${list(missing)}.`);
  const total = (of: readonly Finding[]): number => of.reduce((n, f) => n + (f.count ?? 1), 0);
  const ignored = total(by('ignored'));
  const rest = ignored === 0 ? '' : ` ${ignored} ignored by name.`;
  return pass(
    `${what}: ${total(by('allowed'))} allowed by ${chosen.map((c) => `"${c.policy.name}"`).join(', ')}.${rest}`,
  );
}
