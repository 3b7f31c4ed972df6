/**
 * Bytes that come in the smallest pieces there are: what they cost, in copies, in looking and in objects kept, must not
 * depend on how they were cut. Counted, not timed.
 */
import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createBodyReader } from '../../src/daemon/deadline.ts';
import { createJoiner } from '../../src/daemon/joiner.ts';
import { createLineReader } from '../../src/daemon/lines.ts';

const SIZE = 20_000;
const bytes = Buffer.alloc(SIZE, 'x');

/** Counts bytes that are allocated or looked through while `work` runs, and the most pieces joined at once. */
function counted(work: () => void): { copied: number; looked: number; pieces: number } {
  const seen = { copied: 0, looked: 0, pieces: 0 };
  const { concat, allocUnsafe } = Buffer;
  const { indexOf } = Buffer.prototype;
  vi.spyOn(Buffer, 'concat').mockImplementation((list, length) => {
    const made = concat(list, length);
    seen.copied += made.length;
    seen.pieces = Math.max(seen.pieces, list.length);
    return made;
  });
  vi.spyOn(Buffer, 'allocUnsafe').mockImplementation((n) => {
    seen.copied += n;
    return allocUnsafe(n);
  });
  vi.spyOn(Buffer.prototype, 'indexOf').mockImplementation(function (this: Buffer, value, from) {
    seen.looked += this.length - Number(from ?? 0);
    return indexOf.call(this, value, from as number);
  });
  work();
  return seen;
}
afterEach(() => vi.restoreAllMocks());

describe('pieces of one byte', () => {
  it('cost a line no more than a few of its lengths', () => {
    const reader = createLineReader(SIZE);
    let early = 0;
    const seen = counted(() => {
      for (let i = 0; i < SIZE; i++) {
        reader.push(bytes.subarray(i, i + 1));
        if (reader.next() !== undefined) early++;
      }
      reader.push(Buffer.from('\n'));
    });
    expect(early).toBe(0);
    expect(reader.next()).toEqual({ kind: 'line', bytes });
    expect(seen.copied).toBeLessThan(8 * SIZE);
    expect(seen.looked).toBeLessThan(8 * SIZE);
  });

  it('cost a body no more than a few of its lengths, and are not kept one by one', () => {
    const request = Object.assign(new EventEmitter(), { headers: {} }) as unknown as IncomingMessage;
    const bodies = createBodyReader(SIZE, 60_000, { came: () => true });
    let got: Buffer | undefined;
    const seen = counted(() => {
      bodies.read(request, (_e, body) => {
        got = body;
      });
      for (let i = 0; i < SIZE; i++) request.emit('data', bytes.subarray(i, i + 1));
      request.emit('end');
    });
    bodies.close();
    expect(got).toEqual(bytes);
    expect(seen.copied).toBeLessThan(8 * SIZE);
    expect(seen.pieces).toBeLessThan(16);
  });
});

describe('what is joined', () => {
  it('is the pieces in order, and what was given out before stays as it was', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), fc.array(fc.nat(20)), (pieces, drops) => {
        const join = createJoiner();
        let held: Buffer = Buffer.alloc(0);
        let wanted: number[] = [];
        const given: [Buffer, number[]][] = [];
        pieces.forEach((piece, i) => {
          // What was used from the front is left out, as lines are.
          const drop = Math.min(drops[i] ?? 0, held.length);
          held = join(held.subarray(drop), Buffer.from(piece));
          wanted = [...wanted.slice(drop), ...piece];
          given.push([held, wanted]);
        });
        for (const [buffer, content] of given) expect([...buffer]).toEqual(content);
      }),
    );
  });
});
