/**
 * Which signatures count: ECDSA on P-256 and P-384, RSA of 2048 bits and more with PKCS #1 v1.5 or PSS, over SHA-256
 * and longer (RFC 5280 §4.1.1.2, RFC 5758, RFC 4055). SHA-1 and short keys are named, so that a report can say why,
 * and never verify.
 */
import { type Der, oidText, readDer, smallInteger, TAG, wholeBits } from './der.ts';

export type HashName = 'SHA-256' | 'SHA-384' | 'SHA-512';

/** A signature algorithm as the AlgorithmIdentifier states it; `refused` says why it does not count. */
export type SignatureAlgorithm =
  | { readonly kind: 'ecdsa' | 'rsassa'; readonly hash: HashName }
  | { readonly kind: 'rsapss'; readonly hash: HashName; readonly saltLength: number }
  | { readonly kind: 'refused'; readonly oid: string; readonly why: string };

/** A public key as its SubjectPublicKeyInfo states it. */
export type KeyFacts =
  | { readonly kind: 'ec'; readonly curve: string }
  | { readonly kind: 'rsa'; readonly bits: number }
  | { readonly kind: 'unknown'; readonly oid: string };

const EXACT: Readonly<Record<string, SignatureAlgorithm>> = {
  '1.2.840.10045.4.3.2': { kind: 'ecdsa', hash: 'SHA-256' },
  '1.2.840.10045.4.3.3': { kind: 'ecdsa', hash: 'SHA-384' },
  '1.2.840.10045.4.3.4': { kind: 'ecdsa', hash: 'SHA-512' },
  '1.2.840.113549.1.1.11': { kind: 'rsassa', hash: 'SHA-256' },
  '1.2.840.113549.1.1.12': { kind: 'rsassa', hash: 'SHA-384' },
  '1.2.840.113549.1.1.13': { kind: 'rsassa', hash: 'SHA-512' },
};
const HASHES: Readonly<Record<string, HashName>> = {
  '2.16.840.1.101.3.4.2.1': 'SHA-256',
  '2.16.840.1.101.3.4.2.2': 'SHA-384',
  '2.16.840.1.101.3.4.2.3': 'SHA-512',
};
const WEAK: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.4': 'MD5',
  '1.2.840.113549.1.1.5': 'SHA-1',
  '1.2.840.10045.4.1': 'SHA-1',
};
const PSS = '1.2.840.113549.1.1.10';
const MGF1 = '1.2.840.113549.1.1.8';
const RSA = '1.2.840.113549.1.1.1';
const EC = '1.2.840.10045.2.1';
const CURVES: Readonly<Record<string, string>> = {
  '1.2.840.10045.3.1.7': 'P-256',
  '1.3.132.0.34': 'P-384',
  '1.3.132.0.35': 'P-521',
};

/** Reads an AlgorithmIdentifier of a signature. Parameters other than the standard's are refused. @throws MALFORMED */
export function signatureAlgorithm(node: Der): SignatureAlgorithm {
  const oid = oidText(node.children[0], 'signature algorithm');
  const refused = (why: string): SignatureAlgorithm => ({ kind: 'refused', oid, why });
  const weak = WEAK[oid];
  if (weak !== undefined) return refused(`${weak} is no longer accepted`);
  if (oid === PSS) return pss(node.children[1]) ?? refused('RSA-PSS with parameters that are not accepted');
  const known = EXACT[oid];
  if (known === undefined) return refused('the algorithm is not known');
  const parameters = node.children[1];
  const fits =
    known.kind === 'ecdsa'
      ? parameters === undefined
      : parameters === undefined || parameters.tag === TAG.null;
  return fits && node.children.length <= 2 ? known : refused('unexpected parameters');
}

function pss(parameters: Der | undefined): SignatureAlgorithm | undefined {
  const part = (tag: number): Der | undefined => parameters?.children.find((c) => c.tag === tag)?.children[0];
  const hashNode = part(0xa0);
  const mgf = part(0xa1);
  const salt = part(0xa2);
  const trailer = part(0xa3);
  if (hashNode === undefined || mgf === undefined || salt === undefined) return undefined;
  const hash = HASHES[oidText(hashNode.children[0], 'PSS hash')];
  const inner = mgf.children[1];
  if (hash === undefined || oidText(mgf.children[0], 'PSS mask') !== MGF1 || inner === undefined)
    return undefined;
  if (HASHES[oidText(inner.children[0], 'PSS mask hash')] !== hash) return undefined;
  if (trailer !== undefined && smallInteger(trailer, 'PSS trailer') !== 1) return undefined;
  return { kind: 'rsapss', hash, saltLength: smallInteger(salt, 'PSS salt length') };
}

/** What kind of key a SubjectPublicKeyInfo holds. @throws MALFORMED */
export function keyFacts(spki: Der): KeyFacts {
  const algorithm = spki.children[0];
  const oid = oidText(algorithm?.children[0], 'public key algorithm');
  const bits = wholeBits(spki.children[1], 'public key');
  if (oid === EC) {
    const curve = algorithm?.children[1];
    const name = curve?.tag === TAG.oid ? oidText(curve, 'curve') : 'explicit parameters';
    return { kind: 'ec', curve: CURVES[name] ?? name };
  }
  if (oid !== RSA && oid !== PSS) return { kind: 'unknown', oid };
  const modulus = readDer(bits, []).children[0]?.content ?? new Uint8Array();
  const start = modulus[0] === 0 ? 1 : 0;
  const top = modulus[start] ?? 0;
  return { kind: 'rsa', bits: (modulus.length - start) * 8 - (Math.clz32(top) - 24) };
}
