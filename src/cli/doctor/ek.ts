/** The endorsement key: is there a certificate that fits it, and which root stands behind that? */
import { readFileSync } from 'node:fs';
import { equal } from '../../core/bytes.ts';
import { EKU_EK } from '../../evidence/akprofile.ts';
import { readCertificates } from '../../evidence/certfile.ts';

import { type Certificate, parseCertificate } from '../../evidence/x509/certificate.ts';
import { parseEndorsement } from '../../evidence/x509/endorsement.ts';
import { buildPath } from '../../evidence/x509/path.ts';
import { verifySignature } from '../../evidence/x509/signature.ts';
import { type EkSearch, findEks } from '../../tpm/ek.ts';
import { readRoom } from '../../tpm/property.ts';
import { isExclusive } from '../../tpm/tpm.ts';
import { CannotTell, type Check, ok, said, unknown, wrong } from './check.ts';
import type { Patient } from './patient.ts';

const searches = new WeakMap<Patient, Promise<EkSearch>>();

/** Comparing a certificate with its key loads the key: without a free slot that would push out somebody else's. */
async function search(p: Patient): Promise<EkSearch> {
  const tpm = await p.tpm();
  if (isExclusive(p.config().tpm.tcti) && (await readRoom(tpm)).objectsFree === 0)
    throw new CannotTell('The TPM has no room to make the key again: see handles.');
  const found = searches.get(p) ?? findEks(tpm);
  searches.set(p, found);
  return found;
}

const hex = (n: number | null): string => (n === null ? 'a file' : `NV 0x${n.toString(16).padStart(8, '0')}`);

const certificate: Check = {
  id: 'ek-certificate',
  title: 'EK certificate',
  async run(p) {
    const { eks, rejected } = await search(p);
    if (eks.length > 0)
      return ok(
        `${eks.map((e) => `${e.kind} in ${hex(e.nvIndex)}`).join(', ')}; the TPM makes the same key.`,
      );
    const why = rejected.map((r) => `${hex(r.nvIndex)}: ${r.reason}`).join('; ');
    return wrong(
      why === '' ? 'The TPM holds no EK certificate.' : `No EK certificate is of use: ${why}.`,
      "fetch the vendor's (Intel: by the EK's digest) and name it in attestctl enroll, or have the authority allow this EK by its digest",
    );
  },
};

/** Attributes of a name as people write them. */
const nameOf = (c: Certificate): string =>
  c.subjectAttributes.map((a) => a.value).join(', ') || 'a root without a name';

const root: Check = {
  id: 'ek-root',
  title: 'root of the EK certificate',
  async run(p) {
    const { eks, chain } = await search(p);
    if (eks.length === 0) return unknown('There is no EK certificate: see ek-certificate.');
    if (p.around.ekRoots === undefined)
      return unknown(
        `No roots are given; the TPM itself carries ${chain.length} certificates of the chain.`,
        'attestctl doctor --ek-roots VENDOR.pem, the file that the authority uses',
      );
    let given: Certificate[];
    try {
      given = readCertificates(new Uint8Array(readFileSync(p.around.ekRoots))).map(parseCertificate);
    } catch (e) {
      throw new CannotTell(
        `${p.around.ekRoots} cannot be used: ${said(e)}.`,
        'name a PEM file of certificates',
      );
    }
    const isRoot = (c: Certificate) => equal(c.subject, c.issuer);
    const intermediates = [...given.filter((c) => !isRoot(c)), ...chain.flatMap(readLoose)];
    const reasons: string[] = [];
    for (const ek of eks) {
      const leaf = parseEndorsement(ek.certificate);
      const question = {
        leaf,
        intermediates,
        roots: given.filter(isRoot),
        at: p.around.now(),
        purpose: EKU_EK,
      };
      const answer = await buildPath({ ...question, verify: verifySignature });
      if (answer.found)
        return ok(
          `${ek.kind}: ${nameOf(answer.path.at(-1) as Certificate)}, ${answer.path.length - 1} steps up.`,
        );
      reasons.push(`${ek.kind}: ${answer.reasons.join('; ')}`);
    }
    return wrong(
      `No way leads to the roots of ${p.around.ekRoots}: ${reasons.join('. ')}.`,
      "add the vendor's root and intermediates to that file, and to the authority's (attestctl ca challenge --ek-roots)",
    );
  },
};

function readLoose(der: Uint8Array): Certificate[] {
  try {
    return [parseEndorsement(der)];
  } catch {
    return [];
  }
}

export const EK_CHECKS: readonly Check[] = [certificate, root];
