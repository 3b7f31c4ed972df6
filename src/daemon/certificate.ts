/** The host's certificate as enrolment left it: the AK's chain and its issuer's CRL. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { equal } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { type CertificateFile, parseCertificateFile } from '../evidence/certfile.ts';
import { parseCertificate } from '../evidence/x509/certificate.ts';
import { readSmallSync } from '../tpm/file.ts';
import { retiredPath } from '../tpm/rotation.ts';
import type { Layout } from './layout.ts';

const MAX_FILE = 2 * 1024 * 1024;

export interface HostCertificate {
  /** DER, AK first, without the root: that one comes from the auditor. */
  readonly chain: readonly Uint8Array[];
  readonly crl: Uint8Array;
}

export interface Certificates {
  /** What is installed now. @throws NOT_ENROLLED where there is none */
  read(): HostCertificate;
  /** The certificate of an AK that is or was in force, by its SPKI. @throws NOT_ENROLLED where it is not kept */
  of(spki: Uint8Array): HostCertificate;
}

/** Reads `certificate.pem` again only when it was replaced. */
export function createCertificates(layout: Pick<Layout, 'identity'>): Certificates {
  const path = join(layout.identity, 'certificate.pem');
  let kept: { readonly stamp: string; readonly value: HostCertificate } | undefined;
  const certificates: Certificates = {
    of(spki) {
      const now = certificates.read();
      const leaf = leafOf(now);
      if (equal(leaf.spki, spki)) return now;
      const file = readSmallSync(retiredPath(layout.identity, spki), MAX_FILE);
      if (file === null) {
        throw new AttestdError('NOT_ENROLLED', 'the certificate of the key that sealed this is not kept');
      }
      const then = withoutRoot(parseCertificateFile(file));
      // A newer list of the same issuer says more.
      return equal(leafOf(then).issuer, leaf.issuer) ? { ...then, crl: now.crl } : then;
    },
    read() {
      const s = statSync(path, { throwIfNoEntry: false });
      if (s === undefined) throw new AttestdError('NOT_ENROLLED', 'this host has no certificate yet');
      const stamp = `${s.ino} ${s.size} ${s.mtimeMs}`;
      if (kept?.stamp !== stamp) {
        kept = { stamp, value: withoutRoot(parseCertificateFile(new Uint8Array(readFileSync(path)))) };
      }
      return kept.value;
    },
  };
  return certificates;
}

const leafOf = ({ chain }: HostCertificate) => parseCertificate(chain[0] as Uint8Array);

function withoutRoot({ chain, crl }: CertificateFile): HostCertificate {
  const last = chain.at(-1) as Uint8Array;
  const { issuer, subject } = parseCertificate(last);
  return { chain: equal(issuer, subject) ? chain.slice(0, -1) : chain, crl };
}
