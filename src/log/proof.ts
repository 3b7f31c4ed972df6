/**
 * C2SP tlog-proof@v1, strict: index and inclusion proof of an entry with the signed checkpoint they lead to, as
 * one text. What is parsed prints back to the same bytes.
 */
import { concat, fromBase64, fromUtf8, toBase64, utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { type Checkpoint, type CheckpointOptions, parseCheckpoint } from './checkpoint.ts';
import { verifyInclusion } from './inclusion.ts';
import { isHash } from './merkle.ts';
import { MAX_NOTE_SIZE, type Note, parseNote } from './note.ts';
import { checkSize, parseDecimal } from './position.ts';

const HEADER = 'c2sp.org/tlog-proof@v1';
/** A path in a tree below 2^53 entries has no more hashes. */
const MAX_HASHES = 53;
const MAX_PROOF_SIZE = 2 * MAX_NOTE_SIZE;

/** The parts of a proof, the note still as bytes. */
export interface ProofParts {
  /** Data that nothing authenticates; absent where there is none. */
  readonly extra?: Uint8Array;
  readonly index: number;
  /** Siblings, that of the leaf first. */
  readonly hashes: readonly Uint8Array[];
  /** The checkpoint note, verbatim. */
  readonly note: Uint8Array;
}

/** A proof with its note and checkpoint read. */
export interface TlogProof extends ProofParts {
  readonly signed: Note;
  readonly checkpoint: Checkpoint;
}

const malformed = (why: string) => new AttestdError('MALFORMED', `tlog-proof: ${why}`);

/** The bytes of a proof. @throws MALFORMED for whatever splitProof would refuse */
export function printProof({ extra, index, hashes, note }: ProofParts): Uint8Array {
  checkSize(index, 'tlog-proof: index');
  if (extra?.length === 0) throw malformed('empty extra data');
  if (hashes.length > MAX_HASHES) throw malformed(`more than ${MAX_HASHES} hashes`);
  if (!hashes.every(isHash)) throw malformed('a hash is not 32 bytes');
  if (note.length === 0) throw malformed('no checkpoint');
  const lines = [
    HEADER,
    ...(extra === undefined ? [] : [`extra ${toBase64(extra)}`]),
    `index ${index}`,
    ...hashes.map(toBase64),
  ];
  const out = concat(utf8(`${lines.join('\n')}\n\n`), note);
  if (out.length > MAX_PROOF_SIZE) throw malformed(`more than ${MAX_PROOF_SIZE} bytes`);
  return out;
}

/** Takes a proof apart without reading the note. @throws MALFORMED */
export function splitProof(bytes: Uint8Array): ProofParts {
  if (bytes.length > MAX_PROOF_SIZE) throw malformed(`more than ${MAX_PROOF_SIZE} bytes`);
  const all = fromUtf8(bytes);
  const split = all.indexOf('\n\n');
  if (split < 0) throw malformed('no empty line before the checkpoint');
  const lines = all.slice(0, split).split('\n');
  if (lines.shift() !== HEADER) throw malformed(`the first line is not ${HEADER}`);
  const extra = lines[0]?.startsWith('extra ') ? lines.shift()?.slice('extra '.length) : undefined;
  const index = lines.shift();
  if (index?.startsWith('index ') !== true) throw malformed('no index line');
  if (lines.length > MAX_HASHES) throw malformed(`more than ${MAX_HASHES} hashes`);
  const parts: ProofParts = {
    ...(extra === undefined ? {} : { extra: fromBase64(extra) }),
    index: parseDecimal(index.slice('index '.length), 'tlog-proof: index'),
    hashes: lines.map(fromBase64),
    note: utf8(all.slice(split + 2)),
  };
  printProof(parts);
  return parts;
}

/** Reads a proof with its note and checkpoint; nothing is verified. @throws MALFORMED */
export function parseProof(bytes: Uint8Array, options: CheckpointOptions = {}): TlogProof {
  const parts = splitProof(bytes);
  const signed = parseNote(parts.note);
  return { ...parts, signed, checkpoint: parseCheckpoint(signed.text, options) };
}

/** Whether the proof leads from this leaf to the root of its checkpoint. Who signed that is another question. */
export function verifyProof({ index, hashes, checkpoint }: TlogProof, leafHash: Uint8Array): boolean {
  return verifyInclusion({ index, size: checkpoint.size, leafHash, proof: hashes }, checkpoint.root);
}
