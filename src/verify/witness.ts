/**
 * Cosignatures of witnesses (C2SP tlog-cosignature, `cosignature/v1`, type 0x04): that parties other than the host saw
 * this log grow and only grow. They stand in the bundle's own note or in a later checkpoint of the log, chained to it by a
 * consistency proof. A witness counts once, by its key, however many lines and names it has. The time that is proven is
 * that by which as many had signed as the trust file asks for, so that one dishonest witness cannot move it back.
 */
import { equal, toHex } from '../core/bytes.ts';
import type { Json } from '../core/json.ts';
import { type Checkpoint, parseCheckpoint } from '../log/checkpoint.ts';
import { verifyConsistency } from '../log/consistency.ts';
import { COSIGNATURE, keyIdOf, type NoteKey, parseVkey } from '../log/keys.ts';
import { type Note, type NoteSignature, parseNote } from '../log/note.ts';
import { cosignatureTime, verifySignature } from '../log/signature.ts';
import type { Part } from './outcome.ts';
import { arrayOf, decoded, invalid, objectOf, textOf } from './shape.ts';

/** Witnesses that the auditor knows, and how many must have cosigned. */
export interface WitnessTrust {
  readonly keys: readonly NoteKey[];
  /** Distinct witnesses that a bundle must have; 0 asks for none. */
  readonly required: number;
}

/** A later checkpoint with cosignatures. */
export interface RawWitnessed {
  readonly note: Uint8Array;
  /** From the bundle's checkpoint to the later one. */
  readonly consistency: readonly Uint8Array[];
}

export interface WitnessFacts {
  /** Whether there is any cosignature in the bundle. */
  readonly given: boolean;
  /** Names of the witnesses whose cosignatures hold, each key once. */
  readonly good: readonly string[];
  /** Lines of witnesses that the trust file does not know. */
  readonly strange: number;
  /** What does not hold, where something does not. */
  readonly bad?: { readonly fault: string; readonly why: string };
  /** Milliseconds since 1970 by which enough of them had seen the log; undefined where they are too few. */
  readonly latest?: number;
}

/** Time and Ed25519 signature: a line of type 0x04 has no other length. */
const COSIGNATURE_SIZE = 72;
/**
 * Whether a line has the form of a cosignature. A line of the record key may have this length too, but begins with 0x30,
 * where a time in seconds has a zero for some 10^9 years.
 */
export const isCosignature = ({ signature }: NoteSignature): boolean =>
  signature.length === COSIGNATURE_SIZE && signature[0] === 0;

interface Seen {
  readonly text: string;
  readonly lines: readonly NoteSignature[];
}

/** Judges every cosignature. Never throws for what they say. */
export async function judgeWitnesses(
  note: Part<Note>,
  own: Part<Checkpoint>,
  later: RawWitnessed | undefined,
  trust: WitnessTrust | undefined,
): Promise<WitnessFacts> {
  const lines = note.ok ? note.value.signatures.filter(isCosignature) : [];
  const given = lines.length > 0 || later !== undefined;
  const none: WitnessFacts = { given, good: [], strange: 0 };
  if (!note.ok || !own.ok) return none;
  const seen: Seen[] = [{ text: note.value.text, lines }];
  if (later !== undefined) {
    const read = readLater(later, own.value);
    if ('fault' in read) return { ...none, bad: read };
    seen.push(read);
  }
  /** Earliest time, in milliseconds, by public key. */
  const times = new Map<string, { readonly name: string; readonly ms: number }>();
  let strange = 0;
  for (const { text, lines } of seen) {
    for (const line of lines) {
      const key = trust?.keys.find((k) => k.name === line.name && equal(keyIdOf(k), line.keyId));
      if (key === undefined) {
        strange++;
        continue;
      }
      if (!(await verifySignature(key, text, line))) {
        const why = `that of ${line.name} does not verify over the checkpoint`;
        return { ...none, bad: { fault: 'cosignature', why } };
      }
      // A second is named; the witness signed somewhere within it.
      const ms = cosignatureTime(line.signature) * 1000 + 999;
      const id = toHex(key.key);
      const before = times.get(id);
      if (before === undefined || ms < before.ms) times.set(id, { name: line.name, ms });
    }
  }
  const sorted = [...times.values()].sort((a, b) => a.ms - b.ms);
  const latest = sorted[Math.max(1, trust?.required ?? 0) - 1]?.ms;
  return {
    given,
    good: sorted.map((w) => w.name),
    strange,
    ...(latest === undefined ? {} : { latest }),
  };
}

/** The later checkpoint, held against the bundle's own. */
function readLater(
  { note, consistency }: RawWitnessed,
  own: Checkpoint,
): Seen | { readonly fault: string; readonly why: string } {
  const refuse = (fault: string, why: string) => ({ fault, why });
  try {
    const { text, signatures } = parseNote(note);
    const checkpoint = parseCheckpoint(text);
    if (!signatures.every(isCosignature)) {
      return refuse('witnessed-shape', 'the later checkpoint has a line that is no cosignature');
    }
    if (checkpoint.origin !== own.origin) {
      return refuse('witnessed-origin', 'the later checkpoint is of another log');
    }
    return verifyConsistency(own, checkpoint, consistency)
      ? { text, lines: signatures }
      : refuse('witnessed-consistency', 'the later log is not a continuation of the sealed one');
  } catch (e) {
    return refuse('witnessed-shape', (e as Error).message);
  }
}

/** Reads `witnesses` of a trust file. @throws MALFORMED naming the field */
export function readWitnessTrust(v: Json): WitnessTrust {
  const o = objectOf(v, '/witnesses', ['keys', 'required']);
  const keys = arrayOf(o.keys, '/witnesses/keys', 64, (k, field) => {
    const key = decoded(field, () => parseVkey(textOf(k, field, 512)));
    if (key.type !== COSIGNATURE) throw invalid(field, 'not a key of cosignature/v1 (type 0x04)');
    return key;
  });
  const twice = keys.findIndex((k, i) => keys.findIndex((x) => equal(x.key, k.key)) !== i);
  if (twice >= 0)
    throw invalid(`/witnesses/keys/${twice}`, 'this key stands in the list before, perhaps by another name');
  const { required } = o;
  if (typeof required !== 'number' || !Number.isInteger(required) || required < 0 || required > keys.length) {
    throw invalid('/witnesses/required', 'not a number of witnesses from 0 to as many as there are keys');
  }
  return { keys, required };
}
