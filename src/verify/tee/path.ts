/** The way from the certificate of a report to a vendor root of the trust file, and who on it was withdrawn. */
import { equal, toHex } from '../../core/bytes.ts';
import type { Certificate } from '../../evidence/x509/certificate.ts';
import type { Crl } from '../../evidence/x509/crl.ts';
import { buildPath, isValidAt } from '../../evidence/x509/path.ts';
import { newestCrl, revocationOf } from '../../evidence/x509/revocation.ts';
import type { SignatureVerifier } from '../../evidence/x509/signature.ts';
import { absent, broken, fail, got, type Outcome, type Part, pass, unknown } from '../outcome.ts';
import type { TeeReport } from './report.ts';
import type { TeeRoot, TeeTrust } from './trust.ts';

export interface TeePath {
  /** Leaf first, root last. */
  readonly path: readonly Certificate[];
  readonly root: TeeRoot;
}

/** Looks for a path to a root that the auditor names for this platform. */
export async function findTeePath(
  report: TeeReport,
  trust: TeeTrust,
  verify: SignatureVerifier,
): Promise<Part<TeePath>> {
  const { leaf } = report;
  if (leaf === undefined)
    return absent('neither the report nor the trust file has the certificate of its key');
  return pathTo(leaf, [...report.intermediates, ...trust.certificates], report.platform, trust, verify);
}

/** A path from any certificate of a vendor. */
export async function pathTo(
  leaf: Certificate,
  given: readonly Certificate[],
  platform: TeeRoot['platform'],
  trust: TeeTrust,
  verify: SignatureVerifier,
): Promise<Part<TeePath>> {
  const roots = trust.roots.filter((r) => r.platform === platform);
  if (roots.length === 0) return absent(`the trust file names no root for ${platform}`);
  const intermediates = given.filter((c) => !roots.some((r) => equal(r.certificate.der, c.der)));
  const answer = await buildPath({ leaf, intermediates, roots: roots.map((r) => r.certificate), verify });
  if (!answer.found) return broken([...new Set(answer.reasons)].join('; '));
  const last = answer.path[answer.path.length - 1];
  const root = roots.find((r) => r.certificate === last);
  return root === undefined ? broken('the path ends at no root') : got({ path: answer.path, root });
}

/** Whether every certificate was valid then. @param ms milliseconds since 1970 */
export function validOn(path: readonly Certificate[], ms: number, by: string): Outcome {
  const out = path.find((c) => !isValidAt(c, ms));
  const iso = (t: number) => new Date(t).toISOString();
  return out === undefined
    ? pass(`Every certificate of the vendor was valid at ${iso(ms)}, by ${by}.`)
    : fail(
        'A certificate of the vendor was not valid when the report was made.',
        `${iso(out.notBefore)} to ${iso(out.notAfter)}`,
        iso(ms),
      );
}

/** Whether the newest list of every issuer leaves the path alone. */
export async function notRevoked(
  path: readonly Certificate[],
  crls: readonly Crl[],
  ms: number | undefined,
  verify: SignatureVerifier,
): Promise<Outcome> {
  let without = 0;
  for (const [i, issuer] of path.slice(1).entries()) {
    const subject = path[i] as Certificate;
    const list = await newestCrl(issuer, crls, verify);
    const entry = list === undefined ? undefined : revocationOf(list, subject);
    if (entry !== undefined) {
      return fail(
        `The vendor withdrew the certificate with serial ${toHex(subject.serial)} on ${new Date(entry.at).toISOString()}.`,
      );
    }
    const stale = ms !== undefined && list?.nextUpdate !== undefined && list.nextUpdate < ms;
    if (list === undefined || stale) without++;
  }
  return without === 0
    ? pass('No certificate of the vendor is revoked by the newest list of its issuer.')
    : unknown(
        `${without} of ${path.length - 1} issuers of the vendor have no current list in the trust file.`,
      );
}
