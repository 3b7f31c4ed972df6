/** DER SubjectPublicKeyInfo from bare key material (RFC 5480 §2, RFC 8017 appendix A.1.1). */
import { concat } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';

const OID_EC_PUBLIC_KEY = Uint8Array.of(0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01);
const OID_RSA = Uint8Array.of(0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01);
const NULL = Uint8Array.of(0x05, 0x00);
/** Curve OIDs by coordinate size: P-256, P-384, P-521. */
const CURVES: ReadonlyMap<number, Uint8Array> = new Map([
  [32, Uint8Array.of(0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07)],
  [48, Uint8Array.of(0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22)],
  [66, Uint8Array.of(0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23)],
]);

function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = concat(...parts);
  const n = body.length;
  const head = n < 128 ? [tag, n] : n < 256 ? [tag, 0x81, n] : [tag, 0x82, n >> 8, n & 255];
  return concat(Uint8Array.from(head), body);
}
const sequence = (...parts: readonly Uint8Array[]) => der(0x30, ...parts);
const bitString = (body: Uint8Array) => der(0x03, Uint8Array.of(0), body);

/** DER INTEGER of an unsigned big-endian number. */
function integer(b: Uint8Array): Uint8Array {
  let from = 0;
  while (from < b.length - 1 && b[from] === 0) from++;
  const min = b.subarray(from);
  return der(0x02, (min[0] ?? 0) >= 0x80 ? concat(Uint8Array.of(0), min) : min);
}

/** SubjectPublicKeyInfo of an uncompressed NIST point with coordinates of `size` bytes. @throws MALFORMED */
export function ecSpki(size: number, x: Uint8Array, y: Uint8Array): Uint8Array {
  const curve = CURVES.get(size);
  if (curve === undefined) throw new AttestdError('MALFORMED', 'the curve is not known');
  return sequence(sequence(OID_EC_PUBLIC_KEY, curve), bitString(concat(Uint8Array.of(4), x, y)));
}

/** SubjectPublicKeyInfo of an RSA key. */
export function rsaSpki(n: Uint8Array, exponent: number): Uint8Array {
  const e = new Uint8Array(4);
  new DataView(e.buffer).setUint32(0, exponent);
  return sequence(sequence(OID_RSA, NULL), bitString(sequence(integer(n), integer(e))));
}
