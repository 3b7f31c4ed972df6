/** Witnesses without a network: Ed25519 keys that cosign checkpoints as C2SP tlog-cosignature says. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { concat, utf8 } from '../../src/core/bytes.ts';
import { COSIGNATURE, keyIdOf, type NoteKey, printVkey } from '../../src/log/keys.ts';
import { type NoteSignature, parseNote, printNote } from '../../src/log/note.ts';

export interface TestWitness {
  readonly key: NoteKey;
  readonly vkey: string;
  readonly privateKey: KeyObject;
}

export function makeWitness(name: string): TestWitness {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = new Uint8Array(Buffer.from(publicKey.export({ format: 'jwk' }).x as string, 'base64url'));
  const key: NoteKey = { name, type: COSIGNATURE, key: raw };
  return { key, vkey: printVkey(key), privateKey };
}

/** A line over this text at this second. */
export function cosign(w: TestWitness, text: string, seconds: number): NoteSignature {
  const time = new Uint8Array(8);
  new DataView(time.buffer).setBigUint64(0, BigInt(seconds));
  const message = utf8(`cosignature/v1\ntime ${seconds}\n${text}`);
  const signature = concat(time, new Uint8Array(sign(null, message, w.privateKey)));
  return { name: w.key.name, keyId: keyIdOf(w.key), signature };
}

/** The note with more lines. */
export function withLines(note: Uint8Array, more: readonly NoteSignature[], only = false): Uint8Array {
  const { text, signatures } = parseNote(note);
  return utf8(printNote({ text, signatures: [...(only ? [] : signatures), ...more] }));
}

export const noteText = (note: Uint8Array): string => parseNote(note).text;
