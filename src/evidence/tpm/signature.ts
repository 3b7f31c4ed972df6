/** TPMT_SIGNATURE of ECDSA, RSASSA and RSAPSS keys. TPM 2.0 Library part 2 §11.3.4. */
import { concat, u16 } from '../../core/bytes.ts';
import { Reader } from '../../core/reader.ts';
import { ALG_ECDSA, ALG_RSAPSS, ALG_RSASSA } from './algorithm.ts';
import { leftPad } from './public.ts';
import { bounded, tpm2b } from './wire.ts';

const MAX_SCALAR = 66;
const MAX_RSA = 512;
/** Largest TPMT_SIGNATURE that is read, in bytes. */
export const MAX_SIGNATURE = 1024;

/** `hash` is the TPM identifier of the hash over the signed bytes. */
export type TpmSignature =
  | { readonly alg: 'ecdsa'; readonly hash: number; readonly r: Uint8Array; readonly s: Uint8Array }
  | { readonly alg: 'rsassa' | 'rsapss'; readonly hash: number; readonly sig: Uint8Array };

const RSA_ALGS = { rsassa: ALG_RSASSA, rsapss: ALG_RSAPSS } as const;

/** Reads a whole TPMT_SIGNATURE. @throws MALFORMED */
export function parseSignature(bytes: Uint8Array): TpmSignature {
  const r = new Reader(bounded(bytes, MAX_SIGNATURE, 'TPMT_SIGNATURE'), 'TPMT_SIGNATURE');
  const alg = r.u16();
  if (alg !== ALG_ECDSA && alg !== ALG_RSASSA && alg !== ALG_RSAPSS) {
    throw r.fail(`signature algorithm 0x${alg.toString(16)} is not known`);
  }
  const hash = r.u16();
  const out: TpmSignature =
    alg === ALG_ECDSA
      ? { alg: 'ecdsa', hash, r: filled(r, MAX_SCALAR), s: filled(r, MAX_SCALAR) }
      : { alg: alg === ALG_RSASSA ? 'rsassa' : 'rsapss', hash, sig: filled(r, MAX_RSA) };
  r.end();
  return out;
}

function filled(r: Reader, max: number): Uint8Array {
  const b = r.sized(max);
  if (b.length === 0) throw r.fail('a signature value is empty');
  return b;
}

/** The bytes of a TPMT_SIGNATURE. */
export function printSignature(s: TpmSignature): Uint8Array {
  return s.alg === 'ecdsa'
    ? concat(u16(ALG_ECDSA), u16(s.hash), tpm2b(s.r), tpm2b(s.s))
    : concat(u16(RSA_ALGS[s.alg]), u16(s.hash), tpm2b(s.sig));
}

/**
 * r ‖ s, each left-padded to `size` bytes, as WebCrypto wants an ECDSA signature (IEEE P1363).
 * @throws MALFORMED when the signature is not ECDSA or a scalar is longer
 */
export function ecdsaP1363(s: TpmSignature, size: number): Uint8Array {
  if (s.alg !== 'ecdsa') throw new Reader(new Uint8Array(0), 'TPMT_SIGNATURE').fail('not ECDSA');
  return concat(leftPad(s.r, size), leftPad(s.s, size));
}
