/** Nitro Enclaves (AWS, Verifying the root of trust): ES384 by the document's own certificate, and no debug mode. */
import type { NitroDocument } from '../../evidence/tee/nitro.ts';
import { ecdsaDer } from '../../evidence/x509/signature.ts';
import { fail, pass } from '../outcome.ts';
import type { TeeJudge } from './question.ts';

export const judgeNitro: TeeJudge<{ readonly document: NitroDocument }> = {
  key: ({ document }, { leaf }) => {
    const usage = leaf.keyUsage ?? [];
    if (leaf.basicConstraints?.ca === true || !usage.includes('digitalSignature')) {
      return fail(
        'The certificate is not for signing documents.',
        'digitalSignature, no CA',
        usage.join(' '),
      );
    }
    const names = leaf.subjectAttributes.some((a) => a.value.startsWith(`${document.moduleId}.`));
    return names
      ? pass(`The certificate is of the enclave ${document.moduleId}.`)
      : fail('The certificate is of another enclave than the document.', document.moduleId);
  },
  signature: async ({ document }, { leaf, verify }) => {
    if (leaf.key.kind !== 'ec' || leaf.key.curve !== 'P-384')
      return fail('The key of the enclave is not P-384.');
    const key = { spki: leaf.spki, facts: leaf.key };
    return (await verify(
      key,
      { kind: 'ecdsa', hash: 'SHA-384' },
      document.signed,
      ecdsaDer(document.signature),
    ))
      ? pass('The Nitro hypervisor signed this document.')
      : fail('The signature of the hypervisor is not over this document.');
  },
  versions: () => pass('A Nitro document states no versions: its registers are all that there is to judge.'),
  policy: ({ document }) => {
    const zero = [0, 1, 2].filter((i) => document.pcrs.get(i)?.every((b) => b === 0) ?? true);
    return zero.length === 0
      ? pass('The enclave runs in production mode.')
      : fail(`PCR ${zero.join(', ')} is zero: the enclave runs in debug mode, and its owner may read it.`);
  },
};
