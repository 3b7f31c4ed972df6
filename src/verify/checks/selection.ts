/**
 * `seal-selection`: the quote is over the SHA-256 bank and exactly the PCRs that the boot entry of its run announced,
 * so a run cannot stop quoting a register that it dislikes.
 */
import { ALG_SHA256 } from '../../evidence/tpm/algorithm.ts';
import { blocked, type CheckDefinition, fail, pass, together } from '../outcome.ts';

export const sealSelection: CheckDefinition = {
  id: 'seal-selection',
  level: 3,
  run: (e) => {
    const parts = together({ attest: e.attest, boot: e.bootFacts });
    if (!parts.ok) return blocked(parts);
    const { attest, boot } = parts.value;
    if (attest.attested.kind !== 'quote') return blocked({ why: 'the seal is not a quote' });
    const [only, ...more] = attest.attested.selections;
    if (only === undefined || more.length > 0 || only.hash !== ALG_SHA256) {
      return fail('The quote is not over the SHA-256 bank alone.');
    }
    const quoted = only.pcrs.join(' ');
    const announced = [...boot.selection].sort((a, b) => a - b).join(' ');
    return quoted === announced && quoted !== ''
      ? pass(`The quote covers the PCRs ${quoted} of the SHA-256 bank.`)
      : fail('The quote covers other PCRs than the boot entry announced.', announced, quoted);
  },
};
