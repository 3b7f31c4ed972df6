/** Bundles that fill as the log grows are byte for byte those that are read back from it, or are not there. */
import { expect, test } from 'vitest';
import { Bundles } from '../../src/store/bundles.ts';

const WIDTH = 256;
const entry = (i: number, bytes = 40): Buffer => Buffer.alloc(2 + bytes + (i % 3), i & 255);
/** In the encoding of a bundle. */
function encoded(from: number, count: number, bytes?: number): Buffer {
  return Buffer.concat(
    Array.from({ length: count }, (_, k) => {
      const e = entry(from + k, bytes);
      return Buffer.concat([Buffer.of(e.length >> 8, e.length & 255), e]);
    }),
  );
}
function take(bundles: Bundles, from: number, to: number, step: number, bytes?: number): void {
  for (let i = from; i < to; i += step) {
    const count = Math.min(step, to - i);
    bundles.take(i, count, encoded(i, count, bytes));
  }
}

test.each([1, 7, 255, 256, 600])('groups of %i entries become the bundles of the log', (step) => {
  const bundles = new Bundles();
  take(bundles, 0, 3 * WIDTH, step);
  for (let n = 0; n < 3; n++) {
    expect(bundles.whole(n)).toEqual(encoded(n * WIDTH, WIDTH));
    expect(bundles.whole(n)).toBeUndefined();
  }
});

test('a bundle whose first entries were not seen is not there, and the next one is', () => {
  const bundles = new Bundles();
  take(bundles, 100, 2 * WIDTH, 10);
  expect(bundles.whole(0)).toBeUndefined();
  expect(bundles.whole(1)).toEqual(encoded(WIDTH, WIDTH));
});

test('nothing that was taken before is there after it was dropped, also where a bundle was filling', () => {
  const bundles = new Bundles();
  take(bundles, 0, WIDTH + 50, 10);
  bundles.drop();
  take(bundles, WIDTH + 50, 3 * WIDTH, 10);
  expect(bundles.whole(0)).toBeUndefined();
  expect(bundles.whole(1)).toBeUndefined();
  expect(bundles.whole(2)).toEqual(encoded(2 * WIDTH, WIDTH));
});

test('a bundle of more than a mebibyte is not kept, nor more than eight', () => {
  const bundles = new Bundles();
  take(bundles, 0, WIDTH, 64, 5000);
  expect(bundles.whole(0)).toBeUndefined();
  take(bundles, WIDTH, 11 * WIDTH, 64);
  expect(bundles.whole(1)).toEqual(encoded(WIDTH, WIDTH));
  expect(bundles.whole(8)).toEqual(encoded(8 * WIDTH, WIDTH));
  expect(bundles.whole(9)).toBeUndefined();
});
