/**
 * An authority under one that exists already: it makes its key and a PKCS#10 request (RFC 2986), waits for its
 * certificate, and takes one only if the path to the root above holds and it may do what it is for. What kind of TPMs
 * it certifies must stand in that certificate, because the corporate root above says nothing about TPMs.
 */
import { join } from 'node:path';
import * as asn1js from 'asn1js';
import * as pkijs from 'pkijs';
import { equal, toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { POLICY_SOFTWARE_TPM } from '../evidence/akprofile.ts';
import { parsePem, printPem } from '../evidence/certfile.ts';
import { type Certificate, parseCertificate } from '../evidence/x509/certificate.ts';
import { buildPath } from '../evidence/x509/path.ts';
import { verifySignature } from '../evidence/x509/signature.ts';
import {
  type Authority,
  type AuthorityDeps,
  type NewAuthority,
  openAuthority,
  pemOf,
  prepareFolder,
  readFacts,
  writeFacts,
} from './authority.ts';
import { commonName } from './certificate.ts';
import { readIfThere, syncFolder, withLock, writeDurably } from './folder.ts';
import { authorityExtensions } from './profile.ts';
import { appendRegistry } from './registry.ts';
import { CURVE_HASH, type Signer } from './signer.ts';

/**
 * Makes a subordinate authority that waits for its certificate.
 * @returns the PEM of its request, which is in request.csr too
 * @throws as `initAuthority`
 */
export async function initSubordinate(options: NewAuthority, deps: AuthorityDeps): Promise<string> {
  const { dir, name, kind, crlUrl } = options;
  const signer = await prepareFolder(options);
  const der = await signRequest(name, kind, signer);
  const pem = printPem([{ label: 'CERTIFICATE REQUEST', der }]);
  const request = toHex(sha256(der));
  await writeDurably(join(dir, 'request.csr'), pem);
  await withLock(dir, () => appendRegistry(dir, deps.clock(), { event: 'requested', name, request }));
  const url = crlUrl === undefined ? {} : { crlUrl };
  await writeFacts(dir, { schema: 'https://attestd.dev/authority/v1', name, kind, request, ...url });
  await syncFolder(join(dir, '..'));
  return pem;
}

async function signRequest(name: string, kind: NewAuthority['kind'], signer: Signer): Promise<Uint8Array> {
  const made = new pkijs.CertificationRequest();
  made.version = 0;
  made.subject = new pkijs.RelativeDistinguishedNames({ schema: asn1js.fromBER(commonName(name)).result });
  made.subjectPublicKeyInfo = new pkijs.PublicKeyInfo({ schema: asn1js.fromBER(signer.spki).result });
  const extensions = new pkijs.Extensions({
    extensions: authorityExtensions(signer.spki, kind).map(
      (e) => new pkijs.Extension({ extnID: e.oid, critical: e.critical, extnValue: e.value.slice().buffer }),
    ),
  });
  made.attributes = [
    new pkijs.Attribute({ type: '1.2.840.113549.1.9.14', values: [extensions.toSchema()] }), // extensionRequest
  ];
  await made.sign(signer.privateKey as never, CURVE_HASH[signer.curve], signer.engine);
  return new Uint8Array(made.toSchema(true).toBER());
}

/**
 * Takes the certificate of a subordinate, the first one or a renewed one.
 * @param given DER of its certificate and of those above it, in any order, with the root
 * @throws NOT_FOUND, USAGE when this authority is a root, CERTIFICATE_REFUSED, MALFORMED, AUTHORITY_LOCKED
 */
export async function installCertificate(
  dir: string,
  given: readonly Uint8Array[],
  deps: AuthorityDeps,
): Promise<Authority> {
  const facts = await readFacts(dir);
  const csr = await readIfThere(join(dir, 'request.csr'));
  if (facts.request === undefined || csr === undefined) {
    throw new AttestdError('USAGE', 'this authority is a root: it has its certificate');
  }
  const spki = requestKey(csr);
  const certificates = given.map(parseCertificate);
  const own = certificates.find((c) => equal(c.spki, spki));
  if (own === undefined) throw refused('no certificate among them is for the key of this authority');
  const why = unfit(own, facts.kind, facts.name);
  if (why !== undefined) throw refused(why);
  const selfIssued = (c: Certificate) => equal(c.subject, c.issuer);
  const answer = await buildPath({
    leaf: own,
    roots: certificates.filter(selfIssued),
    intermediates: certificates.filter((c) => !selfIssued(c)),
    at: deps.clock(),
    verify: verifySignature,
  });
  if (!answer.found) throw refused(answer.reasons.join('; '));
  const path = answer.path.map((c) => c.der);
  const certificate = toHex(sha256(own.der));
  await withLock(dir, async () => {
    await writeDurably(join(dir, 'certificate.pem'), pemOf(path));
    await writeDurably(join(dir, 'root.pem'), pemOf(path.slice(-1)));
    await appendRegistry(dir, deps.clock(), { event: 'installed', certificate });
    await writeFacts(dir, { ...facts, root: certificate });
  });
  return openAuthority(dir, deps);
}

const refused = (why: string) => new AttestdError('CERTIFICATE_REFUSED', why);

function requestKey(csr: Uint8Array): Uint8Array {
  const der = parsePem(new TextDecoder().decode(csr))[0]?.der ?? new Uint8Array();
  const request = pkijs.CertificationRequest.fromBER(der.slice().buffer);
  return new Uint8Array(request.subjectPublicKeyInfo.toSchema().toBER());
}

/** Why a certificate does not make this authority; undefined when it does. */
function unfit(c: Certificate, kind: NewAuthority['kind'], name: string): string | undefined {
  if (c.basicConstraints?.ca !== true) return 'it is not the certificate of a CA (basicConstraints CA:TRUE)';
  if (c.keyUsage === undefined || !c.keyUsage.includes('keyCertSign') || !c.keyUsage.includes('cRLSign')) {
    return 'it may not sign both certificates and CRLs (keyUsage keyCertSign, cRLSign)';
  }
  if (c.deviations.length > 0) return `it is not in DER: ${c.deviations[0]}`;
  if (!equal(c.subject, commonName(name)) && c.subjectAttributes.length === 0) return 'its subject is empty';
  const marked = c.policies?.includes(POLICY_SOFTWARE_TPM) === true;
  if (kind === 'software' && !marked) {
    return `it does not say that its TPMs are software: policy ${POLICY_SOFTWARE_TPM} is missing`;
  }
  if (kind === 'hardware' && marked) return 'it says that its TPMs are software, and this authority is not';
  return undefined;
}
