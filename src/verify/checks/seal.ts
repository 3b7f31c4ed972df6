/**
 * The seal itself: `seal-signature`, `seal-magic`, `seal-type`, `seal-extradata`. The algorithm is that of the certified
 * key, never one that the evidence names; the magic is what only a TPM starts a signed structure with; the type
 * and the tag in extraData keep a seal apart from everything else that the AK signs.
 */
import { equal, toHex } from '../../core/bytes.ts';
import { sealExtraData } from '../../evidence/binding.ts';
import { ATTEST_MAGIC, ATTEST_QUOTE } from '../../evidence/tpm/attest.ts';
import { attempt, blocked, type CheckDefinition, fail, pass, together } from '../outcome.ts';
import { attestSigned } from '../signed.ts';

const hex = (n: number): string => `0x${n.toString(16)}`;

export const sealSignature: CheckDefinition = {
  id: 'seal-signature',
  level: 1,
  run: async (e) => {
    const parts = together({
      seal: e.seal,
      attest: e.attest,
      signature: e.signature,
      certificates: e.certificates,
    });
    if (!parts.ok) return blocked(parts);
    const { seal, signature, certificates } = parts.value;
    const [leaf] = certificates;
    if (leaf === undefined) return fail('There is no certificate of an attestation key.');
    const why = await attestSigned(e.verify, leaf, seal.attest, signature);
    return why === undefined
      ? pass('The certified attestation key signed the seal.')
      : fail(`The seal is not signed by the certified attestation key: ${why}.`);
  },
};

export const sealMagic: CheckDefinition = {
  id: 'seal-magic',
  level: 1,
  run: (e) => {
    if (!e.attest.ok) return blocked(e.attest);
    const { magic } = e.attest.value;
    return magic === ATTEST_MAGIC
      ? pass('The signed structure begins as only a TPM begins one.')
      : fail('The signed structure was not made by a TPM.', hex(ATTEST_MAGIC), hex(magic));
  },
};

export const sealType: CheckDefinition = {
  id: 'seal-type',
  level: 1,
  run: (e) => {
    if (!e.attest.ok) return blocked(e.attest);
    const { type } = e.attest.value;
    return type === ATTEST_QUOTE
      ? pass('The seal is a quote.')
      : fail('The seal is another structure than a quote.', hex(ATTEST_QUOTE), hex(type));
  },
};

export const sealExtradata: CheckDefinition = {
  id: 'seal-extradata',
  level: 1,
  run: (e) => {
    const parts = together({ seal: e.seal, attest: e.attest, note: e.note });
    if (!parts.ok) return blocked(parts);
    const { seal, attest, note } = parts.value;
    const wanted = attempt(() => sealExtraData(seal.header, note.text));
    if (!wanted.ok) return fail(`The seal commits to nothing that can be computed: ${wanted.why}.`);
    return equal(wanted.value, attest.extraData)
      ? pass('The quote commits to exactly this checkpoint and header.')
      : fail(
          'The quote commits to something else than this checkpoint.',
          toHex(wanted.value),
          toHex(attest.extraData),
        );
  },
};
