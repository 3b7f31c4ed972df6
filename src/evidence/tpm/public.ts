/**
 * TPMT_PUBLIC of ECC and RSA keys: parse, print, Name, and the SubjectPublicKeyInfo of the same key, so that a
 * certificate and a TPM object can be held against each other. TPM 2.0 Library part 2 §12.2; RFC 5480; RFC 8017.
 */
import { concat, u16, u32 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { Reader } from '../../core/reader.ts';
import { ALG_ECC, ALG_NULL, ALG_RSA, ALG_RSAES, MAX_DIGEST, tpmHash } from './algorithm.ts';
import { type Attributes, readAttributes } from './attributes.ts';
import { handleName, nameOf, readName } from './names.ts';
import { ecSpki, rsaSpki } from './spki.ts';
import { bounded, tpm2b } from './wire.ts';

/** TPM_ECC_NIST_P256, _P384 and _P521. */
export const CURVE_P256 = 0x0003;
export const CURVE_P384 = 0x0004;
export const CURVE_P521 = 0x0005;
/** Largest TPMT_PUBLIC that is read, in bytes. */
export const MAX_PUBLIC = 1024;

const CURVE_BYTES: ReadonlyMap<number, number> = new Map([
  [CURVE_P256, 32],
  [CURVE_P384, 48],
  [CURVE_P521, 66],
]);
const RSA_BITS: ReadonlySet<number> = new Set([1024, 2048, 3072, 4096]);

/** TPMT_SYM_DEF_OBJECT that is not NULL. */
export interface Symmetric {
  readonly alg: number;
  readonly keyBits: number;
  readonly mode: number;
}
/** An asymmetric or KDF scheme that is not NULL; `hash` is absent for RSAES only. */
export interface Scheme {
  readonly alg: number;
  readonly hash?: number;
}
interface Common {
  readonly nameAlg: number;
  readonly attributes: Attributes;
  readonly authPolicy: Uint8Array;
  readonly symmetric: Symmetric | null;
  readonly scheme: Scheme | null;
}
/** An ECC key; `x` and `y` as the TPM wrote them, both empty in a template. */
export interface EccPublic extends Common {
  readonly type: 'ecc';
  readonly curve: number;
  readonly kdf: Scheme | null;
  readonly x: Uint8Array;
  readonly y: Uint8Array;
}
/** An RSA key; exponent 0 stands for 65537; `n` is empty in a template. */
export interface RsaPublic extends Common {
  readonly type: 'rsa';
  readonly keyBits: number;
  readonly exponent: number;
  readonly n: Uint8Array;
}
export type TpmPublic = EccPublic | RsaPublic;

/** Reads a whole TPMT_PUBLIC (without the TPM2B length). @throws MALFORMED */
export function parsePublic(bytes: Uint8Array): TpmPublic {
  const r = new Reader(bounded(bytes, MAX_PUBLIC, 'TPMT_PUBLIC'), 'TPMT_PUBLIC');
  const type = r.u16();
  if (type !== ALG_ECC && type !== ALG_RSA) throw r.fail(`key type 0x${type.toString(16)} is not ECC or RSA`);
  const nameAlg = r.u16();
  const attributes = readAttributes(r.u32());
  const authPolicy = r.sized(MAX_DIGEST);
  const symmetric = readSymmetric(r);
  const scheme = readScheme(r);
  const common = { nameAlg, attributes, authPolicy, symmetric, scheme };
  const key = type === ALG_ECC ? readEcc(r, common) : readRsa(r, common);
  r.end();
  return key;
}

function readEcc(r: Reader, common: Common): EccPublic {
  const curve = r.u16();
  const size = CURVE_BYTES.get(curve);
  if (size === undefined) throw r.fail(`curve 0x${curve.toString(16)} is not P-256, P-384 or P-521`);
  const kdf = readScheme(r);
  return { type: 'ecc', ...common, curve, kdf, x: r.sized(size), y: r.sized(size) };
}

function readRsa(r: Reader, common: Common): RsaPublic {
  const keyBits = r.u16();
  if (!RSA_BITS.has(keyBits)) throw r.fail(`RSA keys of ${keyBits} bits are not known`);
  return { type: 'rsa', ...common, keyBits, exponent: r.u32(), n: r.sized(keyBits / 8) };
}

function readSymmetric(r: Reader): Symmetric | null {
  const alg = r.u16();
  return alg === ALG_NULL ? null : { alg, keyBits: r.u16(), mode: r.u16() };
}

function readScheme(r: Reader): Scheme | null {
  const alg = r.u16();
  if (alg === ALG_NULL) return null;
  return alg === ALG_RSAES ? { alg } : { alg, hash: r.u16() };
}

/** The bytes of a TPMT_PUBLIC. */
export function printPublic(p: TpmPublic): Uint8Array {
  return concat(
    u16(p.type === 'ecc' ? ALG_ECC : ALG_RSA),
    u16(p.nameAlg),
    u32(p.attributes.raw),
    tpm2b(p.authPolicy),
    p.symmetric === null
      ? u16(ALG_NULL)
      : concat(u16(p.symmetric.alg), u16(p.symmetric.keyBits), u16(p.symmetric.mode)),
    printScheme(p.scheme),
    p.type === 'ecc'
      ? concat(u16(p.curve), printScheme(p.kdf), tpm2b(p.x), tpm2b(p.y))
      : concat(u16(p.keyBits), u32(p.exponent), tpm2b(p.n)),
  );
}

function printScheme(s: Scheme | null): Uint8Array {
  if (s === null) return u16(ALG_NULL);
  return s.hash === undefined ? u16(s.alg) : concat(u16(s.alg), u16(s.hash));
}

/** Name of a TPMT_PUBLIC given as bytes: name algorithm ‖ digest. @throws MALFORMED */
export function publicName(bytes: Uint8Array): Uint8Array {
  return nameOf(parsePublic(bytes).nameAlg, bytes);
}

/**
 * Qualified Name: the name algorithm and H(qualified Name of the parent ‖ Name). For a primary the parent is the
 * handle of its hierarchy.
 * @throws MALFORMED when `name` is not algorithm and digest
 */
export function qualifiedName(parent: Uint8Array | number, name: Uint8Array): Uint8Array {
  const alg = readName(name).alg;
  const above = typeof parent === 'number' ? handleName(parent) : parent;
  return concat(u16(alg), tpmHash(alg, concat(above, name)));
}

/** DER SubjectPublicKeyInfo of the key. @throws MALFORMED for a template, which holds no key */
export function publicSpki(p: TpmPublic): Uint8Array {
  if (p.type === 'rsa') {
    if (p.n.length !== p.keyBits / 8 || (p.n[0] as number) < 0x80) {
      throw new AttestdError('MALFORMED', 'the RSA modulus is not as long as its key size says');
    }
    return rsaSpki(p.n, p.exponent === 0 ? 65537 : p.exponent);
  }
  if (p.x.length === 0 || p.y.length === 0) throw new AttestdError('MALFORMED', 'the ECC point is empty');
  const size = CURVE_BYTES.get(p.curve);
  if (size === undefined) throw new AttestdError('MALFORMED', 'the curve is not known');
  return ecSpki(size, leftPad(p.x, size), leftPad(p.y, size));
}

/** Left-pads an unsigned big-endian integer with zeros. @throws MALFORMED when it is longer than `size` */
export function leftPad(b: Uint8Array, size: number): Uint8Array {
  if (b.length > size)
    throw new AttestdError('MALFORMED', `an integer of ${b.length} bytes, ${size} allowed`);
  return concat(new Uint8Array(size - b.length), b);
}
