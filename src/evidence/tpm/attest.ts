/**
 * TPMS_ATTEST: what the TPM says and signs. Parsed without judging magic or type; whether the magic is right and the
 * type is the one that a role allows is for the verifier. TPM 2.0 Library part 2 §10.12.
 */
import { concat, u8, u16, u32, u64 } from '../../core/bytes.ts';
import { Reader } from '../../core/reader.ts';
import { MAX_DIGEST, MAX_NAME } from './algorithm.ts';
import { type PcrSelection, printPcrSelections, readPcrSelections } from './pcr.ts';
import { bounded, tpm2b } from './wire.ts';

/** TPM_GENERATED_VALUE: only a TPM starts a signed structure with it. */
export const ATTEST_MAGIC = 0xff544347;
export const ATTEST_NV = 0x8014;
export const ATTEST_CERTIFY = 0x8017;
export const ATTEST_QUOTE = 0x8018;
export const ATTEST_CREATION = 0x801a;

/** Largest TPMS_ATTEST that is read, in bytes. */
export const MAX_ATTEST = 2048;
const MAX_DATA = 66; // TPM2B_DATA holds a TPMT_HA: algorithm and the largest digest

/** TPMS_CLOCK_INFO; `clock` is in milliseconds. */
export interface ClockInfo {
  readonly clock: bigint;
  readonly resetCount: number;
  readonly restartCount: number;
  readonly safe: boolean;
}

/** The part that depends on the type. */
export type Attested =
  | {
      readonly kind: 'quote';
      readonly selections: readonly PcrSelection[];
      readonly pcrDigest: Uint8Array;
    }
  | {
      readonly kind: 'nv';
      readonly indexName: Uint8Array;
      readonly offset: number;
      readonly contents: Uint8Array;
    }
  | { readonly kind: 'certify'; readonly name: Uint8Array; readonly qualifiedName: Uint8Array }
  | { readonly kind: 'creation'; readonly objectName: Uint8Array; readonly creationHash: Uint8Array }
  | { readonly kind: 'unknown'; readonly bytes: Uint8Array };

/** A parsed TPMS_ATTEST. */
export interface Attest {
  readonly magic: number;
  readonly type: number;
  readonly qualifiedSigner: Uint8Array;
  readonly extraData: Uint8Array;
  readonly clockInfo: ClockInfo;
  readonly firmwareVersion: bigint;
  readonly attested: Attested;
}

/** Reads a whole TPMS_ATTEST of at most MAX_ATTEST bytes. @throws MALFORMED */
export function parseAttest(bytes: Uint8Array): Attest {
  const r = new Reader(bounded(bytes, MAX_ATTEST, 'TPMS_ATTEST'), 'TPMS_ATTEST');
  const magic = r.u32();
  const type = r.u16();
  const qualifiedSigner = r.sized(MAX_NAME);
  const extraData = r.sized(MAX_DATA);
  const clock = r.u64();
  const resetCount = r.u32();
  const restartCount = r.u32();
  const safe = r.u8();
  if (safe > 1) throw r.fail('safe is neither 0 nor 1');
  const firmwareVersion = r.u64();
  const attested = readAttested(r, type);
  r.end();
  const clockInfo = { clock, resetCount, restartCount, safe: safe === 1 };
  return { magic, type, qualifiedSigner, extraData, clockInfo, firmwareVersion, attested };
}

function readAttested(r: Reader, type: number): Attested {
  switch (type) {
    case ATTEST_QUOTE:
      return { kind: 'quote', selections: readPcrSelections(r), pcrDigest: r.sized(MAX_DIGEST) };
    case ATTEST_NV:
      return { kind: 'nv', indexName: r.sized(MAX_NAME), offset: r.u16(), contents: r.sized(MAX_ATTEST) };
    case ATTEST_CERTIFY:
      return { kind: 'certify', name: r.sized(MAX_NAME), qualifiedName: r.sized(MAX_NAME) };
    case ATTEST_CREATION:
      return { kind: 'creation', objectName: r.sized(MAX_NAME), creationHash: r.sized(MAX_DIGEST) };
    default:
      return { kind: 'unknown', bytes: r.bytes(r.left) };
  }
}

/** The bytes of a TPMS_ATTEST; `type` is written as given, even where it does not fit the kind. */
export function printAttest(a: Attest): Uint8Array {
  return concat(
    u32(a.magic),
    u16(a.type),
    tpm2b(a.qualifiedSigner),
    tpm2b(a.extraData),
    u64(a.clockInfo.clock),
    u32(a.clockInfo.resetCount),
    u32(a.clockInfo.restartCount),
    u8(a.clockInfo.safe ? 1 : 0),
    u64(a.firmwareVersion),
    printAttested(a.attested),
  );
}

function printAttested(a: Attested): Uint8Array {
  switch (a.kind) {
    case 'quote':
      return concat(printPcrSelections(a.selections), tpm2b(a.pcrDigest));
    case 'nv':
      return concat(tpm2b(a.indexName), u16(a.offset), tpm2b(a.contents));
    case 'certify':
      return concat(tpm2b(a.name), tpm2b(a.qualifiedName));
    case 'creation':
      return concat(tpm2b(a.objectName), tpm2b(a.creationHash));
    case 'unknown':
      return a.bytes;
  }
}
