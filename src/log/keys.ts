/**
 * Keys of signed notes: their IDs, and the verifier keys (vkeys) `<name>+<key ID in hex>+base64(type ‖ key)`. Of
 * the types of C2SP signed-note: 0x01 Ed25519, 0x02 ECDSA P-256, 0x04 Ed25519 cosignature/v1, and 0xff with an
 * identifier of one's own.
 */
import { concat, equal, fromBase64, fromHex, toBase64, toHex, utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { isKeyName } from './note.ts';

export const ED25519 = 0x01;
export const ECDSA = 0x02;
export const COSIGNATURE = 0x04;
export const EXTENDED = 0xff;

/** A key that verifies lines of a note. */
export interface NoteKey {
  readonly name: string;
  readonly type: typeof ED25519 | typeof ECDSA | typeof COSIGNATURE;
  /** 32 bytes of Ed25519, or the SPKI DER of an ECDSA P-256 key. */
  readonly key: Uint8Array;
}

/** SPKI DER of an uncompressed P-256 point up to and without its 64 bytes of coordinates (RFC 5480). */
const P256_SPKI = fromHex('3059301306072a8648ce3d020106082a8648ce3d03010703420004');

/** SHA-256(name ‖ 0x0A ‖ type ‖ key)[0:4], the usual key ID. For type 0xff `key` starts with the identifier. */
export function standardKeyId(name: string, type: number, key: Uint8Array): Uint8Array {
  return sha256(concat(utf8(name), Uint8Array.of(0x0a, type), key)).slice(0, 4);
}

/** SHA-256(SPKI DER)[0:4]: the ID of type 0x02, which for historic reasons has neither name nor type in it. */
export function ecdsaKeyId(spki: Uint8Array): Uint8Array {
  return sha256(spki).slice(0, 4);
}

/** SHA-256(name ‖ 0x0A ‖ 0xFF ‖ identifier ‖ key)[0:4]: the ID of a type with a name of its own. */
export function extendedKeyId(name: string, identifier: string, key: Uint8Array): Uint8Array {
  return standardKeyId(name, EXTENDED, concat(utf8(identifier), key));
}

/** The key ID of a key by the rule of its type, 4 bytes. */
export function keyIdOf({ name, type, key }: NoteKey): Uint8Array {
  return type === ECDSA ? ecdsaKeyId(key) : standardKeyId(name, type, key);
}

/** @throws MALFORMED when name, type or key do not fit */
export function checkKey({ name, type, key }: NoteKey): void {
  const bad = (why: string) => new AttestdError('MALFORMED', `verifier key: ${why}`);
  if (!isKeyName(name)) throw bad('the name is empty or has a space, a plus or a control character');
  if (type === ECDSA) {
    const head = key.subarray(0, P256_SPKI.length);
    if (key.length !== P256_SPKI.length + 64 || !equal(head, P256_SPKI)) {
      throw bad('type 2 is not the SPKI of an uncompressed P-256 point');
    }
  } else if (type === ED25519 || type === COSIGNATURE) {
    if (key.length !== 32) throw bad('an Ed25519 key is not 32 bytes');
  } else {
    throw bad(`type ${type} is not supported`);
  }
}

/** `<name>+<hex key ID>+<base64 of type and key>`. @throws MALFORMED */
export function printVkey(key: NoteKey): string {
  checkKey(key);
  return `${key.name}+${toHex(keyIdOf(key))}+${toBase64(concat(Uint8Array.of(key.type), key.key))}`;
}

/** Reads a vkey of a supported type and checks its key ID. @throws MALFORMED */
export function parseVkey(vkey: string): NoteKey {
  const bad = (why: string) => new AttestdError('MALFORMED', `verifier key: ${why}`);
  // The base64 part may have a plus; name and key ID may not.
  const m = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(vkey);
  if (m === null || vkey.length > 4096) throw bad('another form than name+keyid+key');
  const [, name, id, base64] = m as unknown as [string, string, string, string];
  const bytes = fromBase64(base64);
  const key = { name, type: (bytes[0] ?? 0) as NoteKey['type'], key: bytes.slice(1) };
  checkKey(key);
  if (toHex(keyIdOf(key)) !== id) throw bad('the key ID is not that of the key');
  return key;
}
