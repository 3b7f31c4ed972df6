/** The whole-log check: everything again from the bytes on disk, with nothing of the writer's own arithmetic. */
import { expect } from 'vitest';
import { equal, ZERO32 } from '../../src/core/bytes.ts';
import { leafHash } from '../../src/log/merkle.ts';
import { CompactRange } from '../../src/log/range.ts';
import { readLog } from '../../src/store/reader.ts';

export interface Checked {
  readonly size: number;
  readonly root: Uint8Array;
  readonly entries: string[];
  readonly seals: number;
  readonly torn: number;
  readonly batches: number;
}

/** Reads every frame, recomputes every root, holds every seal against it. */
export async function checkLog(dir: string): Promise<Checked> {
  const log = readLog(dir);
  const range = new CompactRange();
  const roots: Uint8Array[] = [range.root()];
  const entries: string[] = [];
  let seals = 0;
  let batches = 0;
  let prev: Uint8Array = ZERO32;
  const frames = log.frames();
  for (;;) {
    const { value, done } = await frames.next();
    if (done) {
      expect(value.size).toBe(range.size);
      return { size: range.size, root: range.root(), entries, seals, torn: value.torn, batches };
    }
    if (value.kind === 'entries') {
      batches++;
      value.batch.metas();
      for (let i = 0; i < value.batch.count; i++) {
        const entry = value.batch.entry(i);
        entries.push(Buffer.from(entry).toString());
        range.append(leafHash(entry));
        roots.push(range.root());
      }
    } else if (value.kind === 'seal') {
      seals++;
      const { size, root, seq, prevSeal, digest } = value.sealed;
      expect(seq).toBe(seals);
      expect(equal(prevSeal, prev)).toBe(true);
      expect(equal(root, roots[size] ?? ZERO32)).toBe(true);
      prev = digest;
    }
  }
}
