/**
 * `assurance`: hardware is called hardware and software is called software, by the root, by the certificates and by
 * genesis alike. What a software root vouches for is never more than simulated.
 */
import { POLICY_SOFTWARE_TPM } from '../../evidence/akprofile.ts';
import { because, blocked, type CheckDefinition, fail, pass, together } from '../outcome.ts';

export const assurance: CheckDefinition = {
  id: 'assurance',
  level: 1,
  run: (e) => {
    const parts = together({ path: e.path, genesis: e.genesisFacts });
    if (!parts.ok) return blocked(parts);
    const { path, genesis } = parts.value;
    const marked = path.path.some((c) => c.policies?.includes(POLICY_SOFTWARE_TPM));
    if (path.root.kind === 'hardware') {
      if (marked)
        return because(
          'software-certificate',
          fail('A certificate is marked as of a software TPM, but the root is trusted as hardware.'),
        );
      if (genesis.assurance !== 'tpm')
        return because(
          'software-keys',
          fail('Genesis says that the keys are software.', 'tpm', genesis.assurance),
        );
      return pass('The root is trusted for hardware TPMs.');
    }
    return pass(
      genesis.assurance === 'tpm'
        ? 'The root is trusted for software TPMs: all of this is simulated.'
        : 'The keys are software and the root is trusted for that: all of this is simulated.',
    );
  },
};
