/**
 * Intel TDX quotes, versions 4 and 5 (Intel TDX DCAP Quoting Library API, appendix 3): header, TD report, and
 * the signature data of an ECDSA quote with its two levels: the quoting enclave (QE) signed the quote with a key of its
 * own, and the platform's provisioning key (PCK) signed the enclave's report, which names that key. Little-endian.
 */
import { toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { Reader } from '../../core/reader.ts';
import { ecSpki } from '../tpm/spki.ts';
import type { Certificate } from '../x509/certificate.ts';
import { readPemChain } from './pem.ts';
import { parseTdReport, type TdReport } from './tdreport.ts';

/** Largest quote that is read, in bytes: the kernel's own limit is 8 KiB. */
export const MAX_TDX_QUOTE = 16_384;
/** Attestation key type: ECDSA P-256, the only one that quoting enclaves use. */
const ECDSA_P256 = 2;
const TEE_TDX = 0x81;
/** Vendor of the quoting enclave: Intel. */
const INTEL_QE = '939a7233f79c4ca9940a0db3957f0607';
const CERTIFICATION_QE = 6;
const CERTIFICATION_PCK_CHAIN = 5;

/** The report of the quoting enclave (SGX REPORT body, 384 bytes). */
export interface QeReport {
  readonly miscSelect: number;
  readonly attributes: Uint8Array;
  readonly mrSigner: Uint8Array;
  readonly isvProdId: number;
  readonly isvSvn: number;
  /** SHA-256(attestation key ‖ authentication data) ‖ 32 zero bytes. */
  readonly reportData: Uint8Array;
}

export interface TdxQuote {
  readonly version: 4 | 5;
  readonly report: TdReport;
  /** What the quote signature is over. */
  readonly signed: Uint8Array;
  /** r ‖ s, 64 bytes. */
  readonly signature: Uint8Array;
  /** Public key of the quoting enclave, X ‖ Y of P-256. */
  readonly attestationKey: Uint8Array;
  readonly qe: QeReport;
  /** What the PCK signed, and r ‖ s. */
  readonly qeSigned: Uint8Array;
  readonly qeSignature: Uint8Array;
  readonly authData: Uint8Array;
  /** PCK certificate first. */
  readonly chain: readonly Certificate[];
  /** Bytes behind the quote, which no signature covers. */
  readonly trailing: number;
}

/** Reads one quote. What stands behind it counts for nothing: drivers fill their buffers up. @throws MALFORMED */
export function parseTdxQuote(bytes: Uint8Array): TdxQuote {
  if (bytes.length > MAX_TDX_QUOTE)
    throw new AttestdError('TOO_LARGE', `a quote over ${MAX_TDX_QUOTE} bytes`);
  const r = new Reader(bytes, 'TDX quote');
  const version = r.u16le();
  if (version !== 4 && version !== 5) throw r.fail(`version ${version} is none of a TDX quote`);
  const keyType = r.u16le();
  if (keyType !== ECDSA_P256) throw r.fail(`attestation key type ${keyType} is not ECDSA P-256`);
  const tee = r.u32le();
  if (tee !== TEE_TDX) throw r.fail(`it is of TEE type 0x${tee.toString(16)}, not of TDX`);
  r.bytes(4); // versions of QE and PCE: reserved in version 4, and stated again by the QE report
  if (toHex(r.bytes(16)) !== INTEL_QE) throw r.fail('the quoting enclave is not Intel’s');
  r.bytes(20);
  const report = readBody(r, version);
  const signed = bytes.slice(0, r.offset);
  const length = r.u32le();
  const data = readSignatureData(new Reader(r.bytes(length), 'TDX signature data'));
  return { version, report, signed, ...data, trailing: r.left };
}

function readBody(r: Reader, version: 4 | 5): TdReport {
  if (version === 4) return parseTdReport(r.bytes(584));
  const type = r.u16le();
  const size = r.u32le();
  if ((type !== 2 || size !== 584) && (type !== 3 || size !== 648)) {
    throw r.fail(`a body of type ${type} and ${size} bytes is not a TD report`);
  }
  return parseTdReport(r.bytes(size));
}

function readSignatureData(r: Reader) {
  const signature = r.bytes(64);
  const attestationKey = r.bytes(64);
  const outer = readCertification(r, CERTIFICATION_QE);
  r.end();
  const q = new Reader(outer, 'QE report certification data');
  const qeSigned = q.bytes(384);
  const qeSignature = q.bytes(64);
  const authData = q.bytes(q.u16le());
  const chain = readPemChain(readCertification(q, CERTIFICATION_PCK_CHAIN));
  q.end();
  return { signature, attestationKey, qe: parseQeReport(qeSigned), qeSigned, qeSignature, authData, chain };
}

function readCertification(r: Reader, wanted: number): Uint8Array {
  const type = r.u16le();
  if (type !== wanted) throw r.fail(`certification data of type ${type}, ${wanted} expected`);
  return r.bytes(r.u32le());
}

function parseQeReport(bytes: Uint8Array): QeReport {
  const r = new Reader(bytes, 'QE report');
  r.bytes(16); // CPUSVN: the PCK certificate states it too
  const miscSelect = r.u32le();
  r.bytes(28);
  const attributes = r.bytes(16);
  r.bytes(32 + 32); // MRENCLAVE: Intel's identity of the QE names its signer instead
  const mrSigner = r.bytes(32);
  r.bytes(96);
  const isvProdId = r.u16le();
  const isvSvn = r.u16le();
  r.bytes(60);
  const reportData = r.bytes(64);
  r.end();
  return { miscSelect, attributes, mrSigner, isvProdId, isvSvn, reportData };
}

/** DER SubjectPublicKeyInfo of an attestation key. */
export const attestationSpki = (key: Uint8Array): Uint8Array => ecSpki(32, key.slice(0, 32), key.slice(32));
