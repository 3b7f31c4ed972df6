/**
 * Where in the log the measurements are: a list beside the log that can be made again from it, so that neither a start
 * nor a bundle reads a whole log for them. What the list does not reach back to is looked for when it is asked for.
 *
 * Trusted? No: a place that is no measurement is left out, and a measurement that is missing is missed by the verifier,
 * for then the others do not lead to the quoted value.
 */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { NS } from '../../core/namespace.ts';
import { readStatement } from '../../evidence/statement.ts';

/** What places are looked for in. */
export interface MeasuredLog {
  readonly origin: string;
  readonly size: number;
  readonly recovered: { readonly lastBoot?: { readonly index: number } | undefined };
  entry(index: number): Uint8Array;
  entries(from?: number, to?: number): Iterable<Uint8Array>;
}

export interface MeasuredPlaces {
  /** Indices of measurements and of gaps between them, from `from` and below `to`, rising. */
  between(from: number, to: number): readonly number[];
  /** Those that the list has, without looking further back. */
  known(): readonly number[];
  /** An entry that was made just now. */
  add(index: number): void;
  /** Called every now and then: leaves word of how far the list is whole, so that the next start need not look there. */
  settle(): void;
}

/** Settled entries after which leaving word is worth it. */
const WORTH = 4096;
const MEASUREMENT = Buffer.from(`"predicateType":"${NS}/measurement/v1"`);
const GAP = Buffer.from(`"predicateType":"${NS}/gap/v1"`);

/** Whether an entry is a measurement, or a gap between measurements. */
export function isMeasured(entry: Uint8Array): boolean {
  const bytes = Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength);
  if (bytes.lastIndexOf(MEASUREMENT) < 0 && bytes.lastIndexOf(GAP) < 0) return false;
  const { kind, predicate } = readStatement(Uint8Array.from(entry));
  return kind === 'measurement' || (kind === 'gap' && predicate.measured !== undefined);
}

/**
 * Reads the list and looks through what is newer; without a list, through what the newest run wrote.
 * @param file made when the first place is added
 */
export function openMeasuredPlaces(file: string, log: MeasuredLog): MeasuredPlaces {
  const since = log.recovered.lastBoot?.index ?? 0;
  const list = readList(file, log) ?? { from: since, to: since, places: [] };
  let { from, to } = list;
  const places = [...list.places];
  let written = list.places.length > 0;
  let seen = 0;
  const search = (a: number, b: number): number[] => {
    const found: number[] = [];
    let index = a;
    for (const entry of log.entries(a, b)) {
      if (isMeasured(entry)) found.push(index);
      index++;
    }
    return found;
  };
  /** The list is a help and nothing else: a disk that does not take it stands in nobody's way. */
  const leave = (text: string): void => {
    try {
      if (!written) writeFileSync(file, `${JSON.stringify({ log: log.origin, from })}\n`, { mode: 0o600 });
      written = true;
      appendFileSync(file, text, { mode: 0o600 });
    } catch {
      written = false;
    }
  };
  const newer = search(to, log.size);
  places.push(...newer);
  to = log.size;
  if (places.length > 0) {
    written = false;
    leave(places.map((p) => `${p}\n`).join(''));
    leave(`~${to}\n`);
  }
  return {
    between(a, b) {
      if (a < from) {
        places.unshift(...search(a, from));
        from = a;
      }
      return places.filter((p) => p >= a && p < b);
    },
    known: () => places,
    add(index) {
      places.push(index);
      leave(`${index}\n`);
    },
    settle() {
      // What was durable at the call before has been added by now.
      const settled = seen;
      seen = log.size;
      if (settled - to < WORTH || places.length === 0) return;
      to = Math.max(settled, (places.at(-1) ?? 0) + 1);
      leave(`~${to}\n`);
    },
  };
}

interface List {
  /** The list is whole from here to there. */
  readonly from: number;
  readonly to: number;
  readonly places: readonly number[];
}

/** The list, as far as it can be read; nothing where it is of another log, or of another state of this one. */
function readList(file: string, log: MeasuredLog): List | undefined {
  try {
    const [head, ...lines] = readFileSync(file, 'utf8').split('\n');
    const { log: origin, from } = JSON.parse(head ?? '') as { log?: unknown; from?: unknown };
    if (origin !== log.origin || typeof from !== 'number' || !Number.isSafeInteger(from)) return undefined;
    const places: number[] = [];
    let to = from;
    for (const line of lines) {
      const m = /^(~?)(0|[1-9]\d{0,15})$/.exec(line);
      if (m === null) break;
      const n = Number(m[2]);
      if (n < to) return undefined;
      to = m[1] === '~' ? n : n + 1;
      if (m[1] !== '~') places.push(n);
    }
    const last = places.at(-1);
    if (to > log.size || (last !== undefined && !isMeasured(log.entry(last)))) return undefined;
    return { from, to, places };
  } catch {
    return undefined;
  }
}
