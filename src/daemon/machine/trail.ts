/**
 * The values that PCR 10 had while a list grew: which of them the list covers, and the newest ones whole, so that a quote
 * taken while the kernel extends can be told its value. Sixteen bytes an entry at most, however long the list.
 */
import { toHex } from '../../core/bytes.ts';
import type { ImaEntry } from '../../evidence/eventlog/ima/entry.ts';
import { createImaReplay, type ImaReplay } from '../../evidence/eventlog/ima/replay.ts';

/** Values that are kept whole. A quote is seldom more than a few entries away from the end of the list. */
const RECENT = 4096;

export interface Trail {
  /** Entries so far. */
  readonly entries: number;
  add(entry: ImaEntry): void;
  /** After how many entries the register had this value; undefined where it never did. */
  find(value: string): number | undefined;
  /** The newest values in hex, the last first. */
  recent(): Generator<string>;
}

export function createTrail(): Trail {
  const replay: ImaReplay = createImaReplay({ bank: 'sha256' });
  const ring = new Uint8Array(RECENT * 32);
  let marks = new Float64Array(1024);
  return {
    get entries() {
      return replay.entries;
    },
    add(entry) {
      replay.add(entry);
      const { value, entries } = replay;
      if (entries > marks.length) {
        const larger = new Float64Array(2 * marks.length);
        larger.set(marks);
        marks = larger;
      }
      marks[entries - 1] = markOf(value);
      ring.set(value, ((entries - 1) % RECENT) * 32);
    },
    find(value) {
      const mark = Number.parseInt(value.slice(0, 12), 16);
      const at = marks.subarray(0, replay.entries).lastIndexOf(mark);
      return at < 0 ? undefined : at + 1;
    },
    *recent() {
      for (let i = replay.entries - 1; i >= Math.max(0, replay.entries - RECENT); i--) {
        const at = (i % RECENT) * 32;
        yield toHex(ring.subarray(at, at + 32));
      }
    },
  };
}

/** The first 48 bits as a number. Two values that share them would only send a list that is longer than need be. */
function markOf(value: Uint8Array): number {
  let mark = 0;
  for (let i = 0; i < 6; i++) mark = mark * 256 + (value[i] as number);
  return mark;
}
