/** What a policy that speaks of IMA makes of a machine: the findings on its list, or why there are none. */
import { IMA_PCR } from '../../evidence/eventlog/ima/replay.ts';
import type { AppraisalPolicy } from '../../evidence/schema/appraisal.ts';
import type { Finding, Machine } from '../appraisal/appraise.ts';

/** The findings; at least one. */
export function judgeList(policy: AppraisalPolicy, { ima }: Pick<Machine, 'ima'>): Finding[] {
  const say = (verdict: Finding['verdict'], sentence: string): Finding => ({
    section: 'ima',
    verdict,
    sentence,
    pcr: IMA_PCR,
  });
  const { list } = ima;
  switch (list.state) {
    case 'none':
      return [say('missing', 'no IMA list is given; attestctl bundle --ima puts it in')];
    case 'detached':
      return [say('missing', `the file ${list.sha256} with the IMA list is not beside the bundle`)];
    case 'unread':
    case 'unproven':
      return [say('missing', `the IMA list cannot be judged: ${list.why}`)];
    case 'stray':
      return [say('missing', 'the IMA list does not lead to the quoted register')];
    default: {
      const judgement = ima.judgement(policy);
      if (judgement === undefined) return [say('missing', 'the IMA list was not held against this policy')];
      const { count, findings } = judgement;
      const told = findings.map((f) => say(f.verdict, f.sentence));
      const kept = (verdict: Finding['verdict']) => findings.filter((f) => f.verdict === verdict).length;
      for (const verdict of ['refused', 'missing', 'allowed', 'ignored'] as const) {
        const more = count[verdict] - kept(verdict);
        if (more > 0) told.push({ ...say(verdict, `${more} ${RATHER[verdict]}`), count: more });
      }
      // A list of nothing shows nothing.
      return told.length === 0 ? [say('missing', 'nothing of the IMA list is attested')] : told;
    }
  }
}

const RATHER = {
  refused: 'more entries of the IMA list are not in the policy',
  missing: 'more entries of the IMA list cannot be judged',
  allowed: 'entries of the IMA list',
  ignored: 'entries of the IMA list',
} as const;
