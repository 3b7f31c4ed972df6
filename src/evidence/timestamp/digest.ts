/** The hashes that timestamps use, by object identifier. SHA-1 is known only to compare what ESSCertID v1 carries. */
import { sha1 } from '@noble/hashes/legacy.js';
import { sha384, sha512 } from '@noble/hashes/sha2.js';
import { AttestdError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import type { HashName } from '../x509/algorithm.ts';
import { type Der, expect, oidText, TAG } from '../x509/der.ts';

export type DigestName = HashName | 'SHA-1';

const NAMES: Readonly<Record<string, HashName>> = {
  '2.16.840.1.101.3.4.2.1': 'SHA-256',
  '2.16.840.1.101.3.4.2.2': 'SHA-384',
  '2.16.840.1.101.3.4.2.3': 'SHA-512',
};

/** The hash of a DigestAlgorithmIdentifier. @throws MALFORMED for others than SHA-2, or with parameters */
export function digestAlgorithm(node: Der | undefined, what: string): HashName {
  const { children } = expect(node, TAG.sequence, what);
  const oid = oidText(children[0], what);
  const name = NAMES[oid];
  if (name === undefined) throw new AttestdError('MALFORMED', `${what}: the hash ${oid} does not count`);
  const parameters = children[1];
  if (children.length > 2 || (parameters !== undefined && parameters.tag !== TAG.null)) {
    throw new AttestdError('MALFORMED', `${what}: unexpected parameters`);
  }
  return name;
}

/** The digest of bytes. */
export function digestOf(name: DigestName, bytes: Uint8Array): Uint8Array {
  switch (name) {
    case 'SHA-1':
      return sha1(bytes);
    case 'SHA-256':
      return sha256(bytes);
    case 'SHA-384':
      return sha384(bytes);
    default:
      return sha512(bytes);
  }
}
