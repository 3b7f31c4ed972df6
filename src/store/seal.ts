/**
 * Seals as the store keeps them: the note verbatim, and what its lines say. The rules here are about history only:
 * each seal follows the one before, and none has another root than the log itself. Whether the quote is good is for
 * the caller to check before it hands the note over.
 */
import { equal, ZERO32 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { parseSeal, sealDigest } from '../evidence/seal.ts';
import { parseCheckpoint } from '../log/checkpoint.ts';
import { parseNote } from '../log/note.ts';

/** A sealed checkpoint. */
export interface Sealed {
  readonly size: number;
  readonly root: Uint8Array;
  /** From the seal's header. */
  readonly timeMs: number;
  readonly seq: number;
  readonly bootIndex: number;
  readonly anchorCtr: bigint;
  readonly prevSeal: Uint8Array;
  /** SHA-256 of the seal: the next one's prev_seal. */
  readonly digest: Uint8Array;
  /** The note as it was sealed, every line of it. */
  readonly note: Uint8Array;
}

/** What a frame of a sealed note may be at most. */
export const MAX_SEALED_NOTE = 16_384;

/**
 * Reads a sealed note of this log.
 * @throws MALFORMED when it is no checkpoint of `origin` with exactly one seal
 */
export function readSealed(note: Uint8Array, origin: string): Sealed {
  if (note.length > MAX_SEALED_NOTE)
    throw new AttestdError('TOO_LARGE', `a sealed note of ${note.length} bytes, at most 16,384`);
  const { text, signatures } = parseNote(note);
  const checkpoint = parseCheckpoint(text);
  if (checkpoint.origin !== origin)
    throw new AttestdError('MALFORMED', `sealed note: origin ${checkpoint.origin} is not ${origin}`);
  // A seal begins with version 1; an ECDSA line with 0x30, an Ed25519 line has 64 bytes: parseSeal takes neither.
  const seals = signatures.filter(
    (s) => s.name === origin && s.signature[0] === 1 && s.signature.length > 69,
  );
  const [line, second] = seals;
  if (line === undefined || second !== undefined)
    throw new AttestdError('MALFORMED', `sealed note: ${seals.length} seals, exactly one is wanted`);
  const { header } = parseSeal(line.signature);
  return {
    ...header,
    size: checkpoint.size,
    root: checkpoint.root,
    digest: sealDigest(line.signature),
    note: note.slice(),
  };
}

/**
 * Holds a seal against the one before it.
 * @returns what is wrong, or undefined
 */
export function brokenHistory(last: Sealed | undefined, next: Sealed): string | undefined {
  const seq = (last?.seq ?? 0) + 1;
  if (next.seq !== seq) return `seq ${next.seq}, ${seq} is due`;
  if (!equal(next.prevSeal, last?.digest ?? ZERO32)) return 'prev_seal is not the digest of the last seal';
  if (next.bootIndex >= next.size) return `boot_index ${next.bootIndex} is not below size ${next.size}`;
  if (last === undefined) return undefined;
  if (next.size < last.size) return `size ${next.size} is below the last sealed ${last.size}`;
  if (next.size === last.size && !equal(next.root, last.root)) return `a second root for size ${next.size}`;
  if (next.timeMs < last.timeMs) return 'time_ms goes back';
  if (next.bootIndex < last.bootIndex) return 'boot_index goes back';
  return undefined;
}
