/**
 * C2SP signed notes, strict: a text ending in a newline, an empty line, and signature lines
 * `— <name> base64(u32 key ID ‖ signature)`. What is parsed prints back to the same bytes. Nothing here decides
 * trust; see keys.ts for that.
 */
import { concat, equal, fromBase64, fromUtf8, toBase64, toHex, utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';

/** The most bytes a note may have. */
export const MAX_NOTE_SIZE = 1_000_000;
/** The most signature lines: what Go's note.Open takes. C2SP asks for 16 at least. */
export const MAX_SIGNATURES = 100;

/** One signature line. */
export interface NoteSignature {
  readonly name: string;
  /** 4 bytes. */
  readonly keyId: Uint8Array;
  /** What follows the key ID: not empty. */
  readonly signature: Uint8Array;
}

export interface Note {
  /** With its last newline: what is signed, as UTF-8. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

const malformed = (why: string) => new AttestdError('MALFORMED', `note: ${why}`);

/** Whether `name` may name a key: not empty, no Unicode space, no plus, no control character. */
export function isKeyName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return name !== '' && name.length <= 1024 && !/[\p{White_Space}\p{Surrogate}+\x00-\x1f]/u.test(name);
}

function checkText(text: string): void {
  if (!text.endsWith('\n')) throw malformed('the text does not end in a newline');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\x00-\x09\x0b-\x1f]/.test(text)) throw malformed('a control character');
}

function checkSignatures(signatures: readonly NoteSignature[]): void {
  if (signatures.length === 0) throw malformed('no signature line');
  if (signatures.length > MAX_SIGNATURES) throw malformed(`more than ${MAX_SIGNATURES} signature lines`);
  const seen = new Set<string>();
  for (const { name, keyId, signature } of signatures) {
    if (!isKeyName(name))
      throw malformed('a key name is empty or has a space, a plus or a control character');
    if (keyId.length !== 4) throw malformed('a key ID is not 4 bytes');
    if (signature.length === 0) throw malformed('a signature is empty');
    const key = `${name} ${toHex(keyId)}`;
    if (seen.has(key)) throw malformed(`two signature lines of ${key}`);
    seen.add(key);
  }
}

/** `— <name> base64(key ID ‖ signature)`, with its newline. */
export function printSignature({ name, keyId, signature }: NoteSignature): string {
  return `\u2014 ${name} ${toBase64(concat(keyId, signature))}\n`;
}

/** The text of a note. @throws MALFORMED for whatever parseNote would refuse */
export function printNote(note: Note): string {
  checkText(note.text);
  checkSignatures(note.signatures);
  const printed = `${note.text}\n${note.signatures.map(printSignature).join('')}`;
  if (utf8(printed).length > MAX_NOTE_SIZE) throw malformed(`more than ${MAX_NOTE_SIZE} bytes`);
  return printed;
}

/** Reads one line, without its newline. @throws MALFORMED */
export function parseSignature(line: string): NoteSignature {
  const m = /^\u2014 ([^ ]+) ([^ ]+)$/.exec(line);
  if (m === null) throw malformed('a signature line has another form');
  const [, name, base64] = m as unknown as [string, string, string];
  const bytes = fromBase64(base64);
  if (bytes.length < 5) throw malformed('a signature line has no signature');
  return { name, keyId: bytes.slice(0, 4), signature: bytes.slice(4) };
}

/** Reads a note. @throws MALFORMED, which says what is wrong */
export function parseNote(bytes: Uint8Array): Note {
  if (bytes.length > MAX_NOTE_SIZE) throw malformed(`more than ${MAX_NOTE_SIZE} bytes`);
  const all = fromUtf8(bytes);
  const split = all.lastIndexOf('\n\n');
  if (split < 0) throw malformed('no empty line before the signatures');
  const text = all.slice(0, split + 1);
  checkText(text);
  const block = all.slice(split + 2);
  if (!block.endsWith('\n')) throw malformed('the last signature line has no newline');
  const lines = block.slice(0, -1).split('\n', MAX_SIGNATURES + 2);
  if (lines.length > MAX_SIGNATURES) throw malformed(`more than ${MAX_SIGNATURES} signature lines`);
  const signatures = lines.map(parseSignature);
  checkSignatures(signatures);
  return { text, signatures };
}

/** The line of this name and key ID, of which there is at most one. */
export function findSignature(note: Note, name: string, keyId: Uint8Array): NoteSignature | undefined {
  return note.signatures.find((s) => s.name === name && equal(s.keyId, keyId));
}
