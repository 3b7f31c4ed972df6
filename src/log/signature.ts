/**
 * Verification of note lines by WebCrypto: Ed25519 (0x01), ECDSA P-256 (0x02) and cosignature/v1 (0x04). A line
 * of an unknown key is ignored; a line of a known key that does not verify condemns the whole note (C2SP
 * signed-note, Signatures).
 */
import { concat, toHex, utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { Reader } from '../core/reader.ts';
import { COSIGNATURE, checkKey, ECDSA, keyIdOf, type NoteKey } from './keys.ts';
import { findSignature, type Note, type NoteSignature } from './note.ts';

/** What WebCrypto takes: a view of an ArrayBuffer of its own. */
const own = (b: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(b);

/**
 * r ‖ s, 64 bytes, of an ECDSA-Sig-Value in DER (RFC 3279 §2.2.3): minimal lengths, minimal positive integers, nothing
 * after. @throws MALFORMED
 */
export function ecdsaFromDer(der: Uint8Array): Uint8Array {
  const reader = new Reader(der, 'ECDSA signature');
  if (reader.u8() !== 0x30) throw reader.fail('not a SEQUENCE');
  // Two integers of P-256 take at most 70 bytes, so a length never needs more than one byte.
  if (reader.u8() !== reader.left) throw reader.fail('the length is not what follows');
  const out = new Uint8Array(64);
  for (const end of [32, 64]) {
    if (reader.u8() !== 0x02) throw reader.fail('not an INTEGER');
    const value = reader.bytes(reader.u8());
    const [first, second] = value;
    if (first === undefined || first > 127) throw reader.fail('an INTEGER is empty or negative');
    if (first === 0 && (second === undefined || second < 128)) {
      throw reader.fail('an INTEGER is zero or not minimal');
    }
    const digits = first === 0 ? value.subarray(1) : value;
    if (digits.length > 32) throw reader.fail('an INTEGER is longer than 32 bytes');
    out.set(digits, end - digits.length);
  }
  reader.end();
  return out;
}

async function verifyEcdsa(spki: Uint8Array, der: Uint8Array, data: Uint8Array): Promise<boolean> {
  let raw: Uint8Array;
  try {
    raw = ecdsaFromDer(der);
  } catch {
    return false;
  }
  const curve = { name: 'ECDSA', namedCurve: 'P-256' };
  const key = await crypto.subtle.importKey('spki', own(spki), curve, false, ['verify']);
  return crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, key, own(raw), own(data));
}

async function verifyEd25519(raw: Uint8Array, signature: Uint8Array, data: Uint8Array): Promise<boolean> {
  if (signature.length !== 64) return false;
  const key = await crypto.subtle.importKey('raw', own(raw), 'Ed25519', false, ['verify']);
  return crypto.subtle.verify('Ed25519', key, own(signature), own(data));
}

/** Seconds since 1970 at which a line of type 0x04 says it was made; nothing of it is verified here. @throws MALFORMED */
export function cosignatureTime(signature: Uint8Array): number {
  const reader = new Reader(signature, 'cosignature');
  const time = reader.u64();
  reader.bytes(64);
  reader.end();
  if (time < 1n || time > BigInt(Number.MAX_SAFE_INTEGER)) throw reader.fail('no possible time');
  return Number(time);
}

/**
 * Whether this line is a signature by `key` over the note text. The caller has matched name and key ID.
 * @throws MALFORMED for a key that is none, never for a bad signature
 */
export async function verifySignature(key: NoteKey, text: string, line: NoteSignature): Promise<boolean> {
  checkKey(key);
  const { signature } = line;
  try {
    if (key.type === ECDSA) return await verifyEcdsa(key.key, signature, utf8(text));
    if (key.type !== COSIGNATURE) return await verifyEd25519(key.key, signature, utf8(text));
    if (signature.length !== 72) return false;
    const head = utf8(`cosignature/v1\ntime ${cosignatureTime(signature)}\n`);
    return await verifyEd25519(key.key, signature.subarray(8), concat(head, utf8(text)));
  } catch {
    // A point off the curve fails at import; it verifies nothing.
    return false;
  }
}

/**
 * The lines of `note` that verify under `keys`, in the order of the keys.
 * @throws REJECTED when the line of a known key does not verify, or none of them has a line; MALFORMED when two
 *   keys have one name and key ID, or a key is none
 */
export async function openNote(note: Note, keys: readonly NoteKey[]): Promise<NoteSignature[]> {
  const seen = new Set<string>();
  const verified: NoteSignature[] = [];
  for (const key of keys) {
    checkKey(key);
    const id = keyIdOf(key);
    const known = `${key.name}+${toHex(id)}`;
    if (seen.has(known)) throw new AttestdError('MALFORMED', `two verifier keys of ${known}`);
    seen.add(known);
    const line = findSignature(note, key.name, id);
    if (line === undefined) continue;
    if (!(await verifySignature(key, note.text, line))) {
      throw new AttestdError('REJECTED', `the signature of ${known} does not verify`);
    }
    verified.push(line);
  }
  if (verified.length === 0) throw new AttestdError('REJECTED', 'no signature line of a known key');
  return verified;
}
