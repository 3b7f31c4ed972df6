/** Signers of note lines with WebCrypto keys made on the spot. */
import { concat, u64, utf8 } from '../../src/core/bytes.ts';
import { type COSIGNATURE, ECDSA, ED25519, keyIdOf, type NoteKey } from '../../src/log/keys.ts';
import type { NoteSignature } from '../../src/log/note.ts';

export interface Signer {
  readonly key: NoteKey;
  sign(text: string): Promise<NoteSignature>;
}

function derInteger(n: Uint8Array): Uint8Array {
  let start = 0;
  while (start < n.length - 1 && n[start] === 0) start++;
  const digits = n.subarray(start);
  const body = (digits[0] as number) > 127 ? concat(Uint8Array.of(0), digits) : digits;
  return concat(Uint8Array.of(2, body.length), body);
}

/** r ‖ s as ECDSA-Sig-Value. */
export function ecdsaToDer(raw: Uint8Array): Uint8Array {
  const body = concat(derInteger(raw.subarray(0, 32)), derInteger(raw.subarray(32)));
  return concat(Uint8Array.of(0x30, body.length), body);
}

/** A P-256 key of type 0x02. */
export async function ecdsaSigner(name: string): Promise<Signer> {
  const curve = { name: 'ECDSA', namedCurve: 'P-256' };
  const pair = await crypto.subtle.generateKey(curve, true, ['sign', 'verify']);
  const spki = new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey));
  const key: NoteKey = { name, type: ECDSA, key: spki };
  const sign = async (text: string) => {
    const ecdsa = { name: 'ECDSA', hash: 'SHA-256' };
    const raw = await crypto.subtle.sign(ecdsa, pair.privateKey, new Uint8Array(utf8(text)));
    return { name, keyId: keyIdOf(key), signature: ecdsaToDer(new Uint8Array(raw)) };
  };
  return { key, sign };
}

/** An Ed25519 key of type 0x01, or 0x04 with the given time in seconds. */
export async function ed25519Signer(
  name: string,
  type: typeof ED25519 | typeof COSIGNATURE,
  time = 1_700_000_000,
): Promise<Signer> {
  const pair = (await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])) as {
    publicKey: Parameters<typeof crypto.subtle.exportKey>[1];
    privateKey: Parameters<typeof crypto.subtle.sign>[1];
  };
  const key: NoteKey = {
    name,
    type,
    key: new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey)),
  };
  const sign = async (text: string) => {
    const head = type === ED25519 ? '' : `cosignature/v1\ntime ${time}\n`;
    const data = new Uint8Array(utf8(head + text));
    const signature = new Uint8Array(await crypto.subtle.sign('Ed25519', pair.privateKey, data));
    return {
      name,
      keyId: keyIdOf(key),
      signature: type === ED25519 ? signature : concat(u64(time), signature),
    };
  };
  return { key, sign };
}
