/** TPMS_CREATION_DATA: under which parent and PCR state a key was made. TPM 2.0 Library part 2 §15.1. */
import { concat, u8, u16 } from '../../core/bytes.ts';
import { Reader } from '../../core/reader.ts';
import { MAX_DIGEST, MAX_NAME, tpmHash } from './algorithm.ts';
import { type PcrSelection, printPcrSelections, readPcrSelections } from './pcr.ts';
import { bounded, tpm2b } from './wire.ts';

/** Largest TPMS_CREATION_DATA that is read, in bytes. */
export const MAX_CREATION = 1024;

/** A parsed TPMS_CREATION_DATA; for a primary, parentName is the handle of its hierarchy. */
export interface CreationData {
  readonly selections: readonly PcrSelection[];
  readonly pcrDigest: Uint8Array;
  readonly locality: number;
  readonly parentNameAlg: number;
  readonly parentName: Uint8Array;
  readonly parentQualifiedName: Uint8Array;
  readonly outsideInfo: Uint8Array;
}

/** Reads a whole TPMS_CREATION_DATA (without the TPM2B length). @throws MALFORMED */
export function parseCreation(bytes: Uint8Array): CreationData {
  const r = new Reader(bounded(bytes, MAX_CREATION, 'TPMS_CREATION_DATA'), 'TPMS_CREATION_DATA');
  const out = {
    selections: readPcrSelections(r),
    pcrDigest: r.sized(MAX_DIGEST),
    locality: r.u8(),
    parentNameAlg: r.u16(),
    parentName: r.sized(MAX_NAME),
    parentQualifiedName: r.sized(MAX_NAME),
    outsideInfo: r.sized(MAX_NAME),
  };
  r.end();
  return out;
}

/** The bytes of a TPMS_CREATION_DATA. */
export function printCreation(c: CreationData): Uint8Array {
  return concat(
    printPcrSelections(c.selections),
    tpm2b(c.pcrDigest),
    u8(c.locality),
    u16(c.parentNameAlg),
    tpm2b(c.parentName),
    tpm2b(c.parentQualifiedName),
    tpm2b(c.outsideInfo),
  );
}

/** The creationHash that TPM2_CertifyCreation signs: H of the bytes under the object's name algorithm. */
export function creationHash(nameAlg: number, bytes: Uint8Array): Uint8Array {
  return tpmHash(nameAlg, bytes);
}
