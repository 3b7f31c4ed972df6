/**
 * Verifies signatures through WebCrypto, the one implementation that Node and browsers share. The algorithm comes
 * from the certificate or from the role of the key, never from the signature (TPM rule: keylime CVE-2023-3674).
 */
import { concat } from '../../core/bytes.ts';
import type { HashName, KeyFacts, SignatureAlgorithm } from './algorithm.ts';
import { readDer, TAG } from './der.ts';

/** Answers whether `signature` over `message` is by the key; false for every reason why not. Never throws. */
export type SignatureVerifier = (
  key: { readonly spki: Uint8Array; readonly facts: KeyFacts },
  algorithm: SignatureAlgorithm,
  message: Uint8Array,
  signature: Uint8Array,
) => Promise<boolean>;

// The DOM types want to know that no SharedArrayBuffer is behind the bytes; none ever is here.
const plain = (b: Uint8Array): Uint8Array<ArrayBuffer> => b as Uint8Array<ArrayBuffer>;

/** Bytes of a coordinate. P-521 verifies where the platform's WebCrypto has it, which is not every browser. */
const FIELD: Readonly<Record<string, number>> = { 'P-256': 32, 'P-384': 48, 'P-521': 66 };

/** `SignatureVerifier` over WebCrypto. `signature` is DER for ECDSA (RFC 3279 §2.2.3), the block for RSA. */
export const verifySignature: SignatureVerifier = async (key, algorithm, message, signature) => {
  try {
    if (algorithm.kind === 'refused') return false;
    if (algorithm.kind === 'ecdsa') {
      if (key.facts.kind !== 'ec') return false;
      const size = FIELD[key.facts.curve];
      const raw = size === undefined ? undefined : ecdsaRaw(signature, size);
      if (raw === undefined) return false;
      return await verifyEcdsa(key.spki, key.facts.curve, algorithm.hash, message, raw);
    }
    if (key.facts.kind !== 'rsa' || key.facts.bits < 2048) return false;
    const name = algorithm.kind === 'rsassa' ? 'RSASSA-PKCS1-v1_5' : 'RSA-PSS';
    const imported = await crypto.subtle.importKey(
      'spki',
      plain(key.spki),
      { name, hash: algorithm.hash },
      false,
      ['verify'],
    );
    const how = algorithm.kind === 'rsapss' ? { name, saltLength: algorithm.saltLength } : { name };
    return await crypto.subtle.verify(how, imported, plain(signature), plain(message));
  } catch {
    return false;
  }
};

/**
 * Verifies r ‖ s, each the size of the field (IEEE P1363).
 * @param curve `P-256`, `P-384` or `P-521`
 */
export async function verifyEcdsa(
  spki: Uint8Array,
  curve: string,
  hash: HashName,
  message: Uint8Array,
  raw: Uint8Array,
): Promise<boolean> {
  try {
    const parameters = { name: 'ECDSA', namedCurve: curve };
    const key = await crypto.subtle.importKey('spki', plain(spki), parameters, false, ['verify']);
    return await crypto.subtle.verify({ name: 'ECDSA', hash }, key, plain(raw), plain(message));
  } catch {
    return false;
  }
}

/** r ‖ s of a DER ECDSA-Sig-Value whose encoding is the only one of these numbers; undefined for any other. */
export function ecdsaRaw(der: Uint8Array, size: number): Uint8Array | undefined {
  const deviations: string[] = [];
  const node = readDer(der, deviations);
  const [r, s] = node.children;
  if (deviations.length > 0 || node.tag !== TAG.sequence || node.children.length !== 2) return undefined;
  if (r?.tag !== TAG.integer || s?.tag !== TAG.integer) return undefined;
  const parts = [r.content, s.content].map((c) => {
    if ((c[0] as number) >= 0x80) return undefined;
    const magnitude = c[0] === 0 ? c.subarray(1) : c;
    if (magnitude.length === 0 || magnitude.length > size) return undefined;
    return concat(new Uint8Array(size - magnitude.length), magnitude);
  });
  const [rawR, rawS] = parts;
  return rawR === undefined || rawS === undefined ? undefined : concat(rawR, rawS);
}

/** The DER ECDSA-Sig-Value of r ‖ s. */
export function ecdsaDer(raw: Uint8Array): Uint8Array {
  const half = raw.length / 2;
  const integer = (b: Uint8Array): Uint8Array => {
    let at = 0;
    while (at < b.length - 1 && b[at] === 0) at++;
    const magnitude = b.subarray(at);
    const lead = (magnitude[0] as number) >= 0x80 ? Uint8Array.of(0) : new Uint8Array();
    return concat(Uint8Array.of(TAG.integer, lead.length + magnitude.length), lead, magnitude);
  };
  const body = concat(integer(raw.subarray(0, half)), integer(raw.subarray(half)));
  // Two integers of P-521 take up to 138 bytes, which a one-byte length does not hold.
  const length = body.length < 0x80 ? [body.length] : [0x81, body.length];
  return concat(Uint8Array.of(TAG.sequence, ...length), body);
}
