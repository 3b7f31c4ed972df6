/**
 * Just enough DER to find an endorsement certificate in NV and the key in it. Lenient on purpose, for EK certificates
 * only: vendors pad them, prefix them and write invalid ones (seen from Nuvoton and ST), and the raw bytes
 * travel to the authority, which judges them.
 */
import { concat } from '../core/bytes.ts';

interface Element {
  readonly tag: number;
  readonly body: Uint8Array;
  /** Bytes from the tag to the end of the body. */
  readonly size: number;
}

/** The element at the start of `b`, or null where there is none that fits. */
function element(b: Uint8Array): Element | null {
  const tag = b[0];
  const first = b[1];
  if (tag === undefined || first === undefined) return null;
  let head = 2;
  let n = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 3 || b.length < 2 + count) return null;
    n = 0;
    for (let i = 0; i < count; i++) n = n * 256 + (b[2 + i] as number);
    head = 2 + count;
  }
  if (head + n > b.length) return null;
  return { tag, body: b.subarray(head, head + n), size: head + n };
}

function elements(b: Uint8Array): Element[] {
  const out: Element[] = [];
  for (let at = 0; at < b.length; ) {
    const e = element(b.subarray(at));
    if (e === null) break;
    out.push(e);
    at += e.size;
  }
  return out;
}

/**
 * The certificates in the content of one or more NV indices: cut to their DER length, without the padding (00 or ff)
 * after them and the three bytes `10 01 00` that some vendors write before them.
 */
export function certificatesIn(content: Uint8Array): Uint8Array[] {
  const out: Uint8Array[] = [];
  let at = 0;
  while (at < content.length) {
    const b = content[at];
    if (b === 0x10 && content[at + 1] === 0x01 && content[at + 2] === 0x00 && content[at + 3] === 0x30) {
      at += 3;
    } else if (b === 0x30) {
      const e = element(content.subarray(at));
      if (e === null) return out;
      out.push(Uint8Array.from(content.subarray(at, at + e.size)));
      at += e.size;
    } else if (b === 0x00 || b === 0xff) at++;
    else return out;
  }
  return out;
}

/** What a SubjectPublicKeyInfo says: OID of its algorithm, of its curve where there is one, and the key bits. */
export interface SpkiParts {
  readonly algorithm: Uint8Array;
  readonly curve: Uint8Array | null;
  /** EC: 04 ‖ x ‖ y. RSA: RSAPublicKey. */
  readonly key: Uint8Array;
}

function spkiParts(spki: Uint8Array): SpkiParts | null {
  const [identifier, bits] = elements(spki);
  if (identifier?.tag !== 0x30 || bits?.tag !== 0x03) return null;
  const [algorithm, parameters] = elements(identifier.body);
  if (algorithm?.tag !== 0x06) return null;
  const curve = parameters?.tag === 0x06 ? parameters.body : null;
  return { algorithm: algorithm.body, curve, key: bits.body.subarray(1) };
}

/** Takes a DER SubjectPublicKeyInfo apart, or null. */
export function readSpki(der: Uint8Array): SpkiParts | null {
  const e = element(der);
  return e === null ? null : spkiParts(e.body);
}

/** The SubjectPublicKeyInfo of a DER certificate (RFC 5280 §4.1), or null where it cannot be found. */
export function certificateSpki(certificate: Uint8Array): SpkiParts | null {
  const outer = element(certificate);
  const tbs = outer === null ? null : element(outer.body);
  if (tbs === null) return null;
  const fields = elements(tbs.body);
  // version [0] is optional; then serial, signature, issuer, validity, subject, subjectPublicKeyInfo
  const spki = fields[fields[0]?.tag === 0xa0 ? 6 : 5];
  return spki === undefined ? null : spkiParts(spki.body);
}

/** rsaEncryption and RSAES-OAEP hold the same key; so only the key is compared. */
export const sameKey = (a: SpkiParts, b: SpkiParts): boolean =>
  Buffer.compare(a.key, b.key) === 0 && Buffer.compare(a.curve ?? concat(), b.curve ?? concat()) === 0;
