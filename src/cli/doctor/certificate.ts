/** What an authority made of the host's attestation key: the certificate, for which key, until when, the list beside it. */
import { equal } from '../../core/bytes.ts';
import { isAttestdError } from '../../core/errors.ts';
import { formatTime } from '../../core/time.ts';
import { createCertificates, type HostCertificate } from '../../daemon/certificate.ts';
import { parseCertificate } from '../../evidence/x509/certificate.ts';
import { parseCrl } from '../../evidence/x509/crl.ts';
import { CannotTell, type Check, ok, said, unknown, warn, wrong } from './check.ts';
import { reading } from './closed.ts';
import { identityOf } from './identity.ts';
import type { Patient } from './patient.ts';

const SOON = 30 * 86_400_000;
const date = (ms: number): string => formatTime(ms).slice(0, 10);

async function installed(p: Patient): Promise<HostCertificate> {
  await identityOf(p).catch((e: unknown) => {
    if (e instanceof CannotTell) throw e;
  });
  return reading(() => createCertificates(p.layout()).read());
}

const certificate: Check = {
  id: 'certificate',
  title: 'certificate of the attestation key',
  async run(p) {
    const enrol = 'attestctl enroll --server URL --ca FILE, or enroll request, respond and install';
    let found: HostCertificate;
    try {
      found = await installed(p);
    } catch (e) {
      if (e instanceof CannotTell) throw e;
      const none = isAttestdError(e, 'NOT_ENROLLED');
      return wrong(none ? 'No authority has certified this host.' : `It cannot be read: ${said(e)}.`, enrol);
    }
    const leaf = parseCertificate(found.chain[0] as Uint8Array);
    const identity = await identityOf(p).catch(() => undefined);
    if (identity === undefined) return unknown('The key that it must be for cannot be read: see keys.');
    if (!equal(leaf.spki, identity.ak.spki))
      return wrong('It is the certificate of another key than the one in force.', enrol);
    return ok(`It is for the key in force, with a chain of ${found.chain.length}.`);
  },
};

const present = (p: Patient): Promise<HostCertificate> =>
  installed(p).catch((e: unknown) => {
    throw e instanceof CannotTell
      ? e
      : new CannotTell('There is no certificate to look at: see certificate.');
  });

const expiry: Check = {
  id: 'certificate-expiry',
  title: 'validity of the certificates',
  async run(p) {
    const now = p.around.now();
    const chain = (await present(p)).chain.map(parseCertificate);
    const end = Math.min(...chain.map((c) => c.notAfter));
    const renew = 'attestctl ca renew at the authority, then attestctl enroll install';
    if (chain.some((c) => c.notBefore > now))
      return wrong('A certificate is not valid yet.', 'set the clock of this host right; see clock');
    if (end < now) return wrong(`A certificate expired on ${date(end)}.`, renew);
    if (end - now < SOON) return warn(`A certificate expires on ${date(end)}.`, renew);
    return ok(`Valid until ${date(end)}.`);
  },
};

const crl: Check = {
  id: 'crl',
  title: 'revocation list',
  async run(p) {
    const { nextUpdate, thisUpdate } = parseCrl((await present(p)).crl);
    if (nextUpdate !== undefined && nextUpdate < p.around.now())
      return warn(
        `The list that bundles carry is of ${date(thisUpdate)} and was due again on ${date(nextUpdate)}.`,
        'attestctl enroll install with a certificate file that the authority made newly',
      );
    return ok(`Of ${date(thisUpdate)}.`);
  },
};

export const CERTIFICATE_CHECKS: readonly Check[] = [certificate, expiry, crl];
