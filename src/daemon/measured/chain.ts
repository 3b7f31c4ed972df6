/**
 * What the log says about our register: the extends that were announced in the present life of the TPM, in order. What
 * to do about the register follows from its value alone (design §6): it is where the log says; or an extend that was
 * announced was not made; or somebody else has extended.
 */
import { equal, fromHex } from '../../core/bytes.ts';
import { measuredDigest } from '../../evidence/measured.ts';
import { type Predicate, readStatement } from '../../evidence/statement.ts';

/** An extend that the log announces, or a value that it found. */
export interface Link {
  readonly index: number;
  readonly prev: Uint8Array;
  /** What is extended; absent for a gap. */
  readonly digest?: Uint8Array;
  readonly after: Uint8Array;
}

/** Reads a measurement, or the gap between two; nothing where the entry is of another register. */
export function readLink(entry: Uint8Array, index: number, register: number): Link | undefined {
  const { kind, predicate } = readStatement(entry);
  if (kind === 'measurement') {
    const { event, prev, expected, register: of } = predicate as Predicate<'measurement'>;
    if (of !== register) return undefined;
    return { index, prev: fromHex(prev), digest: measuredDigest(event), after: fromHex(expected) };
  }
  const { measured } = predicate as Predicate<'gap'>;
  if (kind !== 'gap' || measured?.register !== register) return undefined;
  return { index, prev: fromHex(measured.expected), after: fromHex(measured.found) };
}

/** Record digest, in hex, of the boot entry whose run wrote this one; undefined where no run did. */
export function runOf(entry: Uint8Array): string | undefined {
  const { predicate } = readStatement(entry);
  return 'boot' in predicate ? predicate.boot : undefined;
}

/** What a value of the register means. */
export type Standing =
  /** It is where the log says. */
  | { readonly kind: 'done' }
  /** These extends were announced and not made: the daemon ended in between. */
  | { readonly kind: 'redo'; readonly links: readonly Link[] }
  /** A life of the TPM of which the log knows nothing yet: the register begins here. */
  | { readonly kind: 'begins' }
  /** Neither: somebody else extended or reset it. */
  | { readonly kind: 'foreign'; readonly expected: Uint8Array };

export interface Circumstances {
  /** Links of the life of the TPM that the log knows last; none in a log without. */
  readonly links: readonly Link[];
  readonly value: Uint8Array;
  /** Entries below this are under a seal, so their extends were made: a quote showed them. */
  readonly sealed: number;
  /** What became of the TPM since the last link: `same` life, `resumed` (restartCount rose), `reset`. */
  readonly life: 'same' | 'resumed' | 'reset';
}

/** Decides. */
export function standing({ links, value, sealed, life }: Circumstances): Standing {
  const last = links.at(-1);
  if (last === undefined || life === 'reset') return { kind: 'begins' };
  if (equal(value, last.after)) return { kind: 'done' };
  const at = links.findLastIndex((l) => l.index >= sealed && l.digest !== undefined && equal(l.prev, value));
  const rest = at < 0 ? [] : links.slice(at);
  if (rest.length > 0 && follows(rest)) return { kind: 'redo', links: rest };
  // TPM2_Startup(CLEAR) after Shutdown(STATE) resets registers and counts as a restart (TPM 2.0 Part 1 §12.2.3).
  return life === 'resumed' ? { kind: 'begins' } : { kind: 'foreign', expected: last.after };
}

/** Whether each goes on where the one before it ended, without a gap in between. */
const follows = (links: readonly Link[]): boolean =>
  links.every((l, i) => {
    const before = links[i - 1];
    return l.digest !== undefined && (before === undefined || equal(before.after, l.prev));
  });
