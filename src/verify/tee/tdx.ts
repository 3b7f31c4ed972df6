/**
 * TDX (Intel DCAP quote verification): the platform's PCK signed the report of the quoting enclave, which names the
 * attestation key, which signed the quote; and the domain is not open to debugging.
 */
import { concat, equal } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import { readPckExtension } from '../../evidence/tee/pck.ts';
import { TD_DEBUG, TD_TUD } from '../../evidence/tee/tdreport.ts';
import { attestationSpki, type TdxQuote } from '../../evidence/tee/tdx.ts';
import { ecdsaDer } from '../../evidence/x509/signature.ts';
import { attempt, fail, pass } from '../outcome.ts';
import type { TeeJudge } from './question.ts';
import { judgeTdxVersions } from './tdxversions.ts';

const P256 = { kind: 'ec', curve: 'P-256' } as const;
const ES256 = { kind: 'ecdsa', hash: 'SHA-256' } as const;

export const judgeTdx: TeeJudge<{ readonly quote: TdxQuote }> = {
  key: async ({ quote }, { leaf, verify }) => {
    const pck = attempt(() => readPckExtension(leaf));
    if (!pck.ok) return fail(`The certificate is none of a platform: ${pck.why}.`);
    if (leaf.key.kind !== 'ec' || leaf.key.curve !== 'P-256')
      return fail('The key of the platform is not P-256.');
    const key = { spki: leaf.spki, facts: leaf.key };
    if (!(await verify(key, ES256, quote.qeSigned, ecdsaDer(quote.qeSignature)))) {
      return fail('The platform did not sign the report of the quoting enclave.');
    }
    const named = concat(sha256(concat(quote.attestationKey, quote.authData)), new Uint8Array(32));
    return equal(named, quote.qe.reportData)
      ? pass('The platform vouches for the quoting enclave, and the enclave for the key of the quote.')
      : fail('The quoting enclave names another key than the one in the quote.');
  },
  signature: async ({ quote }, { verify }) => {
    const key = { spki: attestationSpki(quote.attestationKey), facts: P256 };
    return (await verify(key, ES256, quote.signed, ecdsaDer(quote.signature)))
      ? pass('The quoting enclave signed this quote.')
      : fail('The signature of the quoting enclave is not over this quote.');
  },
  versions: ({ quote }, context) => judgeTdxVersions(quote, context),
  policy: ({ quote }) => {
    const { attributes } = quote.report;
    if ((attributes & TD_DEBUG) !== 0n) return fail('The host may debug this machine and read its memory.');
    return (attributes & TD_TUD) === 0n
      ? pass('The host may not debug the machine.')
      : fail(
          'The machine runs with attributes that make it untrusted.',
          '0',
          `0x${(attributes & TD_TUD).toString(16)}`,
        );
  },
};
