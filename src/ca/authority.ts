/**
 * An enrolment authority: one root key, one root certificate, a set of vendor roots that it trusts, a registry. All of
 * it is one folder that `initAuthority` makes and nothing else: opening never creates.
 *
 *   authority.json               what it is (no secret)
 *   root.pem                     its root certificate
 *   root-key.pem                 PKCS#8, encrypted; or root-key.UNENCRYPTED.pem
 *   ek-roots.pem                 vendor roots and intermediates for EK certificates
 *   registry.jsonl               everything it did
 *   challenges/<digest>.json     open challenges with their secrets, one file each
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
import { rootExtensions } from './profile.ts';
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
  readonly root: Certificate;
  readonly deps: AuthorityDeps;
}

const Schema = Type.Object(
  {
    schema: Type.Literal('https://attestd.dev/authority/v1'),
    name: Type.String({ minLength: 1, maxLength: 64 }),
    kind: Type.Union([Type.Literal('hardware'), Type.Literal('software')]),
    root: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  },
  { additionalProperties: false },
);

const YEAR = 365 * 24 * 3600 * 1000;
const HOUR = 3600 * 1000;
const ROOT_YEARS = 10;
/** Milliseconds down to the whole second. */
export const wholeSecond = (ms: number): number => Math.floor(ms / 1000) * 1000;

/**
 * Makes an authority in a new folder.
 * @param options.name common name of the root; `kind` is in the certificate for good
 * @param options.ekRoots DER of vendor roots and intermediates
 * @throws EXISTS, USAGE, MALFORMED when an EK root is no certificate
 */
export async function initAuthority(
  options: {
    readonly dir: string;
    readonly name: string;
    readonly kind: RootKind;
    readonly protection: KeyProtection;
    readonly curve?: RootCurve;
    readonly ekRoots?: readonly Uint8Array[];
  },
  deps: AuthorityDeps,
): Promise<Authority> {
  const { dir, name, kind, ekRoots = [] } = options;
  if (name.length === 0 || name.length > 64) throw new AttestdError('USAGE', 'a name has 1 to 64 characters');
  for (const c of ekRoots) parseCertificate(c);
  const now = wholeSecond(deps.clock());
  await makeFolder(dir);
  await makeFolder(join(dir, 'challenges'));
  const signer = await createRootKey(dir, options.curve ?? 'P-384', options.protection);
  const subject = commonName(name);
  const root = await signCertificate(
    {
      serial: serialNumber(deps.random(16)),
      issuer: subject,
      subject,
      notBefore: now - HOUR,
      notAfter: now + ROOT_YEARS * YEAR,
      spki: signer.spki,
      extensions: rootExtensions(signer.spki, kind),
    },
    signer,
  );
  const digest = toHex(sha256(root.der));
  await writeDurably(join(dir, 'root.pem'), pemOf([root.der]));
  await writeDurably(join(dir, 'ek-roots.pem'), pemOf(ekRoots));
  await withLock(dir, () => appendRegistry(dir, deps.clock(), { event: 'created', name, root: digest }));
  // Last: a folder without it is no authority yet.
  const facts = { schema: 'https://attestd.dev/authority/v1', name, kind, root: digest } as const;
  await writeDurably(join(dir, 'authority.json'), printFile('authority', Schema, facts));
  await syncFolder(join(dir, '..'));
  return { dir, name, kind, root, deps };
}

const pemOf = (certificates: readonly Uint8Array[]): string =>
  printPem(certificates.map((der) => ({ label: 'CERTIFICATE', der })));

/** Opens an authority without its key. @throws NOT_FOUND when none is there, AUTHORITY_CORRUPT */
export async function openAuthority(dir: string, deps: AuthorityDeps): Promise<Authority> {
  const file = await readIfThere(join(dir, 'authority.json'));
  const pem = await readIfThere(join(dir, 'root.pem'));
  if (file === undefined || pem === undefined) throw new AttestdError('NOT_FOUND', `no authority in ${dir}`);
  let facts: Static<typeof Schema>;
  let root: Certificate;
  try {
    facts = parseFile('authority', Schema, file, 4096);
    const blocks = parsePem(new TextDecoder().decode(pem));
    root = parseCertificate(blocks[0]?.der ?? new Uint8Array());
  } catch (cause) {
    throw new AttestdError('AUTHORITY_CORRUPT', (cause as Error).message, { cause });
  }
  if (toHex(sha256(root.der)) !== facts.root) {
    throw new AttestdError('AUTHORITY_CORRUPT', 'root.pem is not the certificate of this authority');
  }
  return { dir, name: facts.name, kind: facts.kind, root, deps };
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
  if (toHex(signer.spki) !== toHex(authority.root.spki)) {
    throw new AttestdError('AUTHORITY_CORRUPT', 'the key is not the one of the root certificate');
  }
  return signer;
}

/** PEM bytes of the root certificate. */
export const rootPem = (authority: Authority): Uint8Array => utf8(pemOf([authority.root.der]));

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
