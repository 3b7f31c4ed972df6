/**
 * `ak-certificate-revocation`: no certificate on the path was revoked when the seal was made, by the newest list of its
 * issuer, be that from the bundle or from the trust file (RFC 5280 §6.3). A later revocation changes nothing about
 * what was sealed before it, if that time is proven; a compromise of the key does not let the host's own clock say so.
 * A list of the bundle that nothing on the path signed is refused: it would be bytes that no check covers.
 */
import { toHex } from '../../core/bytes.ts';
import { formatTime } from '../../core/time.ts';
import type { Certificate } from '../../evidence/x509/certificate.ts';
import type { Crl, Revocation } from '../../evidence/x509/crl.ts';
import {
  badSince,
  isCompromise,
  newestCrl,
  revocationOf,
  signedCrl,
} from '../../evidence/x509/revocation.ts';
import type { Evidence } from '../evidence.ts';
import {
  because,
  blocked,
  type CheckDefinition,
  fail,
  type Outcome,
  pass,
  together,
  unknown,
} from '../outcome.ts';

export const revocation: CheckDefinition = {
  id: 'ak-certificate-revocation',
  level: 1,
  requiredBy: (trust) => trust.revocation === 'required',
  run: async (e, trust) => {
    const parts = together({ path: e.path, crls: e.crls });
    if (!parts.ok) return blocked(parts);
    const { path } = parts.value.path;
    const issuers = path.slice(1);
    for (const crl of parts.value.crls) {
      if (!(await signedByOne(e, crl, issuers))) {
        return because(
          'list-unsigned',
          fail('A revocation list in the bundle is signed by nobody on the path.'),
        );
      }
    }
    const lists = [...parts.value.crls, ...trust.crls];
    let without = 0;
    let later = 0;
    let unclear: Outcome | undefined;
    for (const [i, issuer] of issuers.entries()) {
      const subject = path[i] as Certificate;
      const list = await newestCrl(issuer, lists, e.verify);
      if (list === undefined) {
        without++;
        continue;
      }
      const entry = revocationOf(list, subject);
      if (entry !== undefined) {
        const outcome = judgeEntry(e, subject, entry);
        if (outcome?.status === 'fail') return outcome;
        unclear ??= outcome;
        later++;
      }
      const stale = e.time.ok && list.nextUpdate !== undefined && list.nextUpdate < e.time.value.ms;
      if (stale) without++;
    }
    if (unclear !== undefined) return unclear;
    if (without > 0) {
      return unknown(
        `${without} of ${issuers.length} issuers on the path have no current revocation list here.`,
      );
    }
    return pass(
      later === 0
        ? 'No certificate on the path is revoked by the newest list of its issuer.'
        : 'A certificate on the path was revoked, but only after the seal was made.',
    );
  },
};

/** What the entry of a certificate means for this seal; undefined where the seal is older than that. */
function judgeEntry(e: Evidence, subject: Certificate, entry: Revocation): Outcome | undefined {
  const what = `The certificate with serial ${toHex(subject.serial)} was revoked on ${formatTime(entry.at)}`;
  if (!e.time.ok) return unknown(`${what}, and no time is proven at which the seal was made.`);
  if (badSince(entry) <= e.time.value.ms) return because('revoked', fail(`${what}.`));
  if (isCompromise(entry) && e.time.value.source === 'host') {
    return because(
      'compromised',
      fail(`${what} because its key was compromised, and only the host says that the seal is older.`),
    );
  }
  return undefined;
}

async function signedByOne(e: Evidence, crl: Crl, issuers: readonly Certificate[]): Promise<boolean> {
  for (const issuer of issuers) if (await signedCrl(crl, issuer, e.verify)) return true;
  return false;
}
