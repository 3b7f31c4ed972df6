/** SEV-SNP (AMD 56860 §7.3, 57230): VCEK or VLEK, ECDSA P-384, the versions that the key was derived for, the policy. */
import {
  SNP_ECDSA_P384,
  SNP_POLICY_DEBUG,
  SNP_POLICY_MIGRATE,
  type SnpReport,
  type SnpTcb,
} from '../../evidence/tee/snp.ts';
import { readSnpExtensions } from '../../evidence/tee/snpextensions.ts';
import { ecdsaDer } from '../../evidence/x509/signature.ts';
import { attempt, fail, pass } from '../outcome.ts';
import type { TeeJudge } from './question.ts';
import { reportedTcb, sameTcb, wrongKey } from './snpleaf.ts';

const text = (tcb: Partial<SnpTcb>): string =>
  Object.entries(tcb)
    .map(([name, n]) => `${name} ${n}`)
    .join(', ');

export const judgeSnp: TeeJudge<{ readonly snp: SnpReport }> = {
  key: ({ snp }, { leaf }) => {
    const extensions = attempt(() => readSnpExtensions(leaf));
    if (!extensions.ok) return fail(`The certificate is none of a SEV-SNP key: ${extensions.why}.`);
    const why = wrongKey(snp, extensions.value);
    if (why !== undefined) return fail(`The certificate is not of the key that signed the report: ${why}.`);
    const { provider, product } = extensions.value;
    return provider === undefined
      ? pass(`The certificate is of this very chip, a ${product}.`)
      : pass(`The certificate is of a key that AMD loaded for ${provider}, on ${product}.`);
  },
  signature: async ({ snp }, { leaf, verify }) => {
    if (snp.signatureAlgorithm !== SNP_ECDSA_P384) return fail('The report is not signed by ECDSA P-384.');
    if (leaf.key.kind !== 'ec' || leaf.key.curve !== 'P-384')
      return fail('The key of the chip is not P-384.');
    const key = { spki: leaf.spki, facts: leaf.key };
    const der = ecdsaDer(snp.signature);
    return (await verify(key, { kind: 'ecdsa', hash: 'SHA-384' }, snp.signed, der))
      ? pass('The secure processor signed this report.')
      : fail('The signature of the secure processor is not over this report.');
  },
  versions: ({ snp }, { leaf, trust }) => {
    const parts = attempt(() => {
      const extensions = readSnpExtensions(leaf);
      return { certified: extensions.tcb, reported: reportedTcb(snp, extensions) };
    });
    if (!parts.ok) return fail(`The versions of the platform cannot be read: ${parts.why}.`);
    const { certified, reported } = parts.value;
    if (!sameTcb(certified, reported)) {
      return fail(
        'The certificate is for other versions than the report states.',
        text(certified),
        text(reported),
      );
    }
    const { minimumTcb } = trust.sevSnp;
    const names = Object.keys(minimumTcb) as (keyof SnpTcb)[];
    const below = names.find((name) => (reported[name] ?? 0) < (minimumTcb[name] ?? 0));
    return below === undefined
      ? pass(`The key was derived for the versions that the report states: ${text(reported)}.`)
      : fail('The firmware is older than the trust file allows.', text(minimumTcb), text(reported));
  },
  policy: ({ snp }, { trust }) => {
    if ((snp.policy & SNP_POLICY_DEBUG) !== 0n)
      return fail('The host may debug this machine and read its memory.');
    const agent = (snp.policy & SNP_POLICY_MIGRATE) !== 0n && snp.reportIdMigration.some((b) => b !== 0xff);
    if (agent) return fail('A migration agent is bound to this machine and may move it.');
    const { maximumVmpl } = trust.sevSnp;
    return snp.vmpl <= maximumVmpl
      ? pass(`The host may not debug the machine; the report was asked for at privilege level ${snp.vmpl}.`)
      : fail(
          'Software of a lower privilege than the trust file allows asked for the report.',
          `VMPL ${maximumVmpl}`,
          `VMPL ${snp.vmpl}`,
        );
  },
};
