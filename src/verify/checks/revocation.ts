/**
 * `ak-certificate-revocation`: no certificate on the path is revoked, by the newest list of its issuer, be that from
 * the bundle or from the trust file (RFC 5280 §6.3). A list of the bundle that nothing on the path signed is
 * refused: it would be bytes that no check covers.
 */
import { equal, toHex } from '../../core/bytes.ts';
import type { Certificate } from '../../evidence/x509/certificate.ts';
import type { Crl } from '../../evidence/x509/crl.ts';
import type { Evidence } from '../evidence.ts';
import { blocked, type CheckDefinition, fail, pass, together, unknown } from '../outcome.ts';

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
        return fail('A revocation list in the bundle is signed by nobody on the path.');
      }
    }
    const without: number[] = [];
    for (const [i, issuer] of issuers.entries()) {
      const subject = path[i] as Certificate;
      const list = await newest(e, issuer, [...parts.value.crls, ...trust.crls]);
      if (list === undefined) {
        without.push(i);
        continue;
      }
      const at = list.revoked.get(toHex(subject.serial));
      if (at !== undefined) {
        return fail(
          `The certificate with serial ${toHex(subject.serial)} was revoked on ${new Date(at).toISOString()}.`,
        );
      }
      const stale = e.time.ok && list.nextUpdate !== undefined && list.nextUpdate < e.time.value.ms;
      if (stale) without.push(i);
    }
    return without.length === 0
      ? pass('No certificate on the path is revoked by the newest list of its issuer.')
      : unknown(
          `${without.length} of ${issuers.length} issuers on the path have no current revocation list here.`,
        );
  },
};

async function signedByOne(e: Evidence, crl: Crl, issuers: readonly Certificate[]): Promise<boolean> {
  for (const issuer of issuers) if (await signedBy(e, crl, issuer)) return true;
  return false;
}

async function signedBy(e: Evidence, crl: Crl, issuer: Certificate): Promise<boolean> {
  if (!equal(crl.issuer, issuer.subject) || crl.unknownCritical.length > 0) return false;
  if (issuer.keyUsage !== undefined && !issuer.keyUsage.includes('cRLSign')) return false;
  return e.verify({ spki: issuer.spki, facts: issuer.key }, crl.algorithm, crl.tbs, crl.signature);
}

/** The newest list that this issuer signed. */
async function newest(e: Evidence, issuer: Certificate, lists: readonly Crl[]): Promise<Crl | undefined> {
  let best: Crl | undefined;
  for (const crl of lists) {
    if (best !== undefined && crl.thisUpdate <= best.thisUpdate) continue;
    if (await signedBy(e, crl, issuer)) best = crl;
  }
  return best;
}
