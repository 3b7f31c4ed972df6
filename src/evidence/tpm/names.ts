/**
 * TPM Names: the identity of an object or NV index is its hash algorithm followed by the digest of its public area;
 * the Name of a hierarchy is its handle. TPM 2.0 Library part 1 §16 and §26.5.
 */
import { concat, u16, u32 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { Reader } from '../../core/reader.ts';
import { ALG_NULL, hashSize, tpmHash } from './algorithm.ts';

/** TPM_RH_OWNER, _NULL, _ENDORSEMENT and _PLATFORM. */
export const RH_OWNER = 0x40000001;
export const RH_NULL = 0x40000007;
export const RH_ENDORSEMENT = 0x4000000b;
export const RH_PLATFORM = 0x4000000c;

/** Name of a public area under its name algorithm. @throws MALFORMED when the algorithm is unknown or NULL */
export function nameOf(nameAlg: number, publicArea: Uint8Array): Uint8Array {
  if (nameAlg === ALG_NULL)
    throw new AttestdError('MALFORMED', 'an object without name algorithm has no Name');
  return concat(u16(nameAlg), tpmHash(nameAlg, publicArea));
}

/** Name of a hierarchy or PCR: its handle. */
export const handleName = (handle: number): Uint8Array => u32(handle);

/** Takes a Name of the digest form apart. @throws MALFORMED */
export function readName(name: Uint8Array): { alg: number; digest: Uint8Array } {
  const r = new Reader(name, 'Name');
  const alg = r.u16();
  const digest = r.bytes(hashSize(alg));
  r.end();
  return { alg, digest };
}
