/**
 * An enrolment authority: one key, its certificate, a set of vendor roots that it trusts, a registry. All of it is one
 * folder that `initAuthority` or `initSubordinate` makes and nothing else: opening never creates.
 *
 *   authority.json               what it is (no secret)
 *   root.pem                     the root certificate: its own, or the one above
 *   certificate.pem              of a subordinate: its own certificate and those above it, the root last
 *   request.csr                  of a subordinate: its request for that certificate (PKCS#10)
 *   root-key.pem                 PKCS#8, encrypted; or root-key.UNENCRYPTED.pem; or root-key.tpm.json
 *   ek-roots.pem                 vendor roots and intermediates for EK certificates
 *   registry.jsonl               everything it did
 *   challenges/<digest>.json     open challenges with their secrets, one file each
 *   log/                         the registry as a signed log (auditlog.ts)
 */
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { toHex, utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import type { Clock } from '../core/time.ts';
import { parsePem, printPem, readPemCertificates } from '../evidence/certfile.ts';
import { parseFile, printFile } from '../evidence/jsonfile.ts';
import { type Certificate, parseCertificate } from '../evidence/x509/certificate.ts';
import { commonName, serialNumber, signCertificate } from './certificate.ts';
import { makeFolder, readIfThere, syncFolder, withLock, writeDurably } from './folder.ts';
import { createRootKey, type KeyProtection, openRootKey } from './keyfile.ts';
import { authorityExtensions } from './profile.ts';
import { appendRegistry } from './registry.ts';
import type { RootCurve, Signer } from './signer.ts';

/** Whether the TPMs under a root are hardware, or software and said to be so. */
export type RootKind = 'hardware' | 'software';

/** What is passed in instead of reached for. */
export interface AuthorityDeps {
  readonly clock: Clock;
  /** Exactly `n` cryptographically random bytes. */
  readonly random: (n: number) => Uint8Array;
}

/** An opened authority. */
export interface Authority {
  readonly dir: string;
  readonly name: string;
  readonly kind: RootKind;
  /** Its own certificate: the root, or that of a subordinate. */
  readonly certificate: Certificate;
  /** Certificates above it, the root last; empty for a root. */
  readonly above: readonly Certificate[];
  /** Where its CRL can be fetched, for the certificates that it issues. */
  readonly crlUrl?: string;
  readonly deps: AuthorityDeps;
}

/** authority.json. `root` is SHA-256 of its own certificate, `request` that of a subordinate's PKCS#10 request. */
export const AuthorityFile = Type.Object(
  {
    schema: Type.Literal('https://attestd.dev/authority/v1'),
    name: Type.String({ minLength: 1, maxLength: 64 }),
    kind: Type.Union([Type.Literal('hardware'), Type.Literal('software')]),
    root: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$' })),
    request: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$' })),
    crlUrl: Type.Optional(Type.String({ pattern: '^https?://[!-~]{1,240}$' })),
  },
  { additionalProperties: false },
);
export type AuthorityFile = Static<typeof AuthorityFile>;

const AUTHORITY_SCHEMA = 'https://attestd.dev/authority/v1';
const YEAR = 365 * 24 * 3600 * 1000;
const HOUR = 3600 * 1000;
const ROOT_YEARS = 10;
/** Milliseconds down to the whole second. */
export const wholeSecond = (ms: number): number => Math.floor(ms / 1000) * 1000;

/** What a new authority is made from. */
export interface NewAuthority {
  readonly dir: string;
  /** Common name of its certificate. */
  readonly name: string;
  /** In the certificate for good. */
  readonly kind: RootKind;
  readonly protection: KeyProtection;
  readonly curve?: RootCurve;
  /** DER of vendor roots and intermediates. */
  readonly ekRoots?: readonly Uint8Array[];
  /** Where its CRL will be found; stands in every certificate that it issues. */
  readonly crlUrl?: string;
}

/**
 * Makes a root authority in a new folder.
 * @throws EXISTS, USAGE, MALFORMED when an EK root is no certificate
 */
export async function initAuthority(options: NewAuthority, deps: AuthorityDeps): Promise<Authority> {
  const { dir, name, kind, crlUrl } = options;
  const now = wholeSecond(deps.clock());
  const signer = await prepareFolder(options);
  const subject = commonName(name);
  const root = await signCertificate(
    {
      serial: serialNumber(deps.random(16)),
      issuer: subject,
      subject,
      notBefore: now - HOUR,
      notAfter: now + ROOT_YEARS * YEAR,
      spki: signer.spki,
      extensions: authorityExtensions(signer.spki, kind),
    },
    signer,
  );
  const digest = toHex(sha256(root.der));
  await writeDurably(join(dir, 'root.pem'), pemOf([root.der]));
  await withLock(dir, () => appendRegistry(dir, deps.clock(), { event: 'created', name, root: digest }));
  // Last: a folder without it is no authority yet.
  const url = crlUrl === undefined ? {} : { crlUrl };
  await writeFacts(dir, { schema: AUTHORITY_SCHEMA, name, kind, root: digest, ...url });
  await syncFolder(join(dir, '..'));
  return { dir, name, kind, certificate: root, above: [], ...url, deps };
}

/** Makes the folder with key and vendor roots. @throws EXISTS, USAGE, MALFORMED when an EK root is no certificate */
export async function prepareFolder(options: NewAuthority): Promise<Signer> {
  const { dir, name, ekRoots = [] } = options;
  if (name.length === 0 || name.length > 64) throw new AttestdError('USAGE', 'a name has 1 to 64 characters');
  if (options.crlUrl !== undefined && !/^https?:\/\/[!-~]{1,240}$/.test(options.crlUrl)) {
    throw new AttestdError('USAGE', 'the URL of a CRL is http or https, at most 248 characters');
  }
  for (const c of ekRoots) parseCertificate(c);
  await makeFolder(dir);
  await makeFolder(join(dir, 'challenges'));
  const signer = await createRootKey(dir, options.curve ?? 'P-384', options.protection);
  await writeDurably(join(dir, 'ek-roots.pem'), pemOf(ekRoots));
  return signer;
}

/** Replaces authority.json durably. */
export async function writeFacts(dir: string, facts: AuthorityFile): Promise<void> {
  await writeDurably(join(dir, 'authority.json'), printFile('authority', AuthorityFile, facts));
}

/** PEM text of certificates. */
export const pemOf = (certificates: readonly Uint8Array[]): string =>
  printPem(certificates.map((der) => ({ label: 'CERTIFICATE', der })));

/**
 * Opens an authority without its key.
 * @throws NOT_FOUND when none is there, AUTHORITY_UNCERTIFIED when a subordinate waits for its certificate,
 *   AUTHORITY_CORRUPT
 */
export async function openAuthority(dir: string, deps: AuthorityDeps): Promise<Authority> {
  const facts = await readFacts(dir);
  if (facts.root === undefined) {
    throw new AttestdError('AUTHORITY_UNCERTIFIED', `${join(dir, 'request.csr')} is not answered yet`);
  }
  const own = facts.request === undefined ? 'root.pem' : 'certificate.pem';
  const [certificate, ...above] = await readChain(join(dir, own));
  if (certificate === undefined || toHex(sha256(certificate.der)) !== facts.root) {
    throw new AttestdError(
      'AUTHORITY_CORRUPT',
      `${own} does not begin with the certificate of this authority`,
    );
  }
  const { name, kind, crlUrl } = facts;
  return { dir, name, kind, certificate, above, ...(crlUrl === undefined ? {} : { crlUrl }), deps };
}

/** authority.json. @throws NOT_FOUND, AUTHORITY_CORRUPT */
export async function readFacts(dir: string): Promise<AuthorityFile> {
  const file = await readIfThere(join(dir, 'authority.json'));
  if (file === undefined) throw new AttestdError('NOT_FOUND', `no authority in ${dir}`);
  try {
    return parseFile('authority', AuthorityFile, file, 4096);
  } catch (cause) {
    throw new AttestdError('AUTHORITY_CORRUPT', (cause as Error).message, { cause });
  }
}

async function readChain(path: string): Promise<Certificate[]> {
  const pem = (await readIfThere(path)) ?? new Uint8Array();
  try {
    return parsePem(new TextDecoder().decode(pem)).map((b) => parseCertificate(b.der));
  } catch (cause) {
    throw new AttestdError('AUTHORITY_CORRUPT', (cause as Error).message, { cause });
  }
}

/**
 * The signer over the root key in the folder.
 * @param passphrase absent for an unencrypted key
 * @throws USAGE, PASSPHRASE_WRONG, AUTHORITY_CORRUPT
 */
export async function openSigner(authority: Authority, passphrase?: Uint8Array): Promise<Signer> {
  return holdSigner(authority, await openRootKey(authority.dir, passphrase));
}

/** The signer, if its key is the root's. @throws AUTHORITY_CORRUPT */
export function holdSigner(authority: Authority, signer: Signer): Signer {
  if (toHex(signer.spki) !== toHex(authority.certificate.spki)) {
    throw new AttestdError('AUTHORITY_CORRUPT', 'the key is not the one of its certificate');
  }
  return signer;
}

/** PEM bytes of the root certificate: what auditors trust. */
export const rootPem = (authority: Authority): Uint8Array =>
  utf8(pemOf([(authority.above.at(-1) ?? authority.certificate).der]));

/** Its certificate and those above it, DER, the root last: what stands below a leaf. */
export const chainOf = (authority: Authority): Uint8Array[] =>
  [authority.certificate, ...authority.above].map((c) => c.der);

/** Vendor roots and intermediates that this authority trusts. */
export async function ekRootsOf(authority: Authority): Promise<Certificate[]> {
  const pem = await readIfThere(join(authority.dir, 'ek-roots.pem'));
  if (pem === undefined || pem.length === 0) return [];
  return readPemCertificates(new TextDecoder().decode(pem)).map(parseCertificate);
}

/** Adds vendor roots or intermediates; those already there stay. @throws MALFORMED, AUTHORITY_LOCKED */
export async function addEkRoots(authority: Authority, certificates: readonly Uint8Array[]): Promise<void> {
  await withLock(authority.dir, async () => {
    const all = new Map<string, Uint8Array>();
    for (const c of [...(await ekRootsOf(authority)), ...certificates.map(parseCertificate)]) {
      all.set(toHex(c.der), c.der);
    }
    await writeDurably(join(authority.dir, 'ek-roots.pem'), pemOf([...all.values()]));
  });
}
