/**
 * A new certificate for an AK that has one: same key, same name, same proof of where the key lives, later dates. The
 * old certificate stays valid for what was sealed under it; the registry says that another stands in its place. It is
 * the operator's act; a host that asks over the network goes through a whole enrolment.
 */
import { fromBase64, toBase64, toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { formatTime } from '../core/time.ts';
import { EXTENSION_ENROLMENT } from '../evidence/akprofile.ts';
import { printCertificateFile } from '../evidence/certfile.ts';
import { type Certificate, parseCertificate } from '../evidence/x509/certificate.ts';
import { OID } from '../evidence/x509/extension.ts';
import { type Authority, chainOf, holdSigner, wholeSecond } from './authority.ts';
import { EMPTY_NAME, serialNumber, signCertificate } from './certificate.ts';
import { withLock } from './folder.ts';
import { AK_DAYS, type IssueAnswer, SKEW } from './issue.ts';
import { authorityKey } from './profile.ts';
import { appendRegistry, type Issued, liveCertificates, readRegistry } from './registry.ts';
import { keepCrl, makeCrl } from './revocation.ts';
import type { Signer } from './signer.ts';

const DAY = 24 * 3600 * 1000;

/** The live certificate of a serial or of `fleet/host`. @throws NOT_FOUND */
export function findLive(lines: Parameters<typeof liveCertificates>[0], which: string, now: number): Issued {
  const found = liveCertificates(lines, now).find(
    (l) => l.serial === which || `${l.fleet}/${l.host}` === which.replace(/^attestd:\/\//, ''),
  );
  if (found === undefined) throw new AttestdError('NOT_FOUND', `no live certificate of ${which}`);
  return found;
}

/**
 * Renews a live certificate.
 * @param which its serial in hex, or `fleet/host`
 * @throws NOT_FOUND, USAGE, AUTHORITY_LOCKED, AUTHORITY_CORRUPT
 */
export async function renew(
  authority: Authority,
  signer: Signer,
  which: string,
  days: number = AK_DAYS,
): Promise<IssueAnswer> {
  if (!(days >= 1 && days <= AK_DAYS)) {
    throw new AttestdError('USAGE', `a certificate lives 1 to ${AK_DAYS} days`);
  }
  holdSigner(authority, signer);
  const { dir, deps } = authority;
  return withLock(dir, async () => {
    const lines = await readRegistry(dir);
    const old = findLive(lines, which, deps.clock());
    const before = parseCertificate(fromBase64(old.certificate));
    const now = wholeSecond(deps.clock());
    const { certificate: issuer } = authority;
    const certificate = await signCertificate(
      {
        serial: serialNumber(deps.random(16)),
        issuer: issuer.subject,
        subject: EMPTY_NAME,
        notBefore: Math.max(issuer.notBefore, now - SKEW),
        notAfter: Math.min(issuer.notAfter, now + days * DAY),
        spki: before.spki,
        extensions: extensionsOf(before, issuer),
      },
      signer,
    );
    const { crl, event } = await makeCrl(authority, signer, lines);
    const serial = toHex(certificate.serial);
    const notAfter = formatTime(certificate.notAfter);
    const { event: _, prev: __, time: ___, ...same } = old;
    await appendRegistry(
      dir,
      deps.clock(),
      { event: 'superseded', serial: old.serial, by: serial },
      { event: 'issued', ...same, serial, notAfter, certificate: toBase64(certificate.der) },
      event,
    );
    await keepCrl(dir, crl.der);
    const chain = [certificate.der, ...chainOf(authority)];
    return { certificateFile: printCertificateFile({ chain, crl: crl.der }), serial, notAfter };
  });
}

/** What the old certificate said; only the key identifier of the issuer may be another by now. */
function extensionsOf(before: Certificate, issuer: Certificate) {
  if (!before.extensions.some((e) => e.oid === EXTENSION_ENROLMENT)) {
    throw new AttestdError('AUTHORITY_CORRUPT', 'the certificate in the registry is none of this profile');
  }
  return before.extensions.map((e) =>
    e.oid === OID.authorityKeyId
      ? authorityKey(issuer)
      : { oid: e.oid, critical: e.critical, value: e.value },
  );
}
