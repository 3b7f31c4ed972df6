/** The path of an AK's certificate to a root of the trust file. */
import { equal } from '../core/bytes.ts';
import { EKU_AK } from '../evidence/akprofile.ts';
import type { Certificate } from '../evidence/x509/certificate.ts';
import { buildPath } from '../evidence/x509/path.ts';
import type { SignatureVerifier } from '../evidence/x509/signature.ts';
import type * as facts from './evidence.ts';
import { broken, got, type Part } from './outcome.ts';
import type { Trust } from './trust.ts';

/** A path that is valid at the time that counts, or else one that is not, so that its check can say so. */
export async function findPath(
  certificates: Part<readonly Certificate[]>,
  trust: Trust,
  time: Part<facts.TimeFacts>,
  verify: SignatureVerifier,
): Promise<Pick<facts.Evidence, 'path' | 'pathFault'>> {
  if (!certificates.ok) return { path: certificates };
  const [leaf, ...rest] = certificates.value;
  if (leaf === undefined) return { path: broken('there is no certificate') };
  const roots = trust.roots.map((r) => r.certificate);
  const intermediates = rest.filter((c) => !roots.some((r) => equal(r.der, c.der)));
  const question = { leaf, intermediates, roots, purpose: EKU_AK, verify };
  const timed = time.ok ? await buildPath({ ...question, at: time.value.ms }) : undefined;
  const answer = timed?.found ? timed : await buildPath(question);
  if (!answer.found) {
    return { path: broken([...new Set(answer.reasons)].join('; ')), pathFault: answer.fault };
  }
  const last = answer.path[answer.path.length - 1];
  const root = trust.roots.find((r) => r.certificate === last);
  return { path: root === undefined ? broken('the path ends at no root') : got({ path: answer.path, root }) };
}
