/** Sketches never miss a word that is there, seldom see one that is not, and are not believed when damaged. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Database, key, openDatabase } from '../../src/store/database.ts';
import { mayHold, SKETCH_ENTRIES, Sketches, sketchOf } from '../../src/store/sketch.ts';

const dir = mkdtempSync(join(tmpdir(), 'attestd-sketch-'));
let db: Database;
beforeAll(() => {
  db = openDatabase(join(dir, 'index.mdb'), () => undefined);
});
afterAll(async () => {
  await db.close();
  rmSync(dir, { recursive: true, force: true });
});

it('hold every word that they are made of', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' })), (words) => {
      const sketch = sketchOf(words);
      expect([mayHold(sketch, words), mayHold(sketch, [])]).toEqual([true, true]);
    }),
  );
});

it('of 256 entries with eight words each see few others, and nothing at all in nothing', () => {
  const sketch = sketchOf(Array.from({ length: 8 * SKETCH_ENTRIES }, (_, i) => `trace ${i}`));
  const seen = Array.from({ length: 2000 }, (_, i) => `grant ${i}`).filter((w) => mayHold(sketch, [w]));
  expect(seen.length).toBeLessThan(200);
  expect(mayHold(sketchOf([]), ['kind boot'])).toBe(false);
});

it('are kept, and one that is damaged or in the place of another is none', async () => {
  const sketches = new Sketches(db, () => undefined);
  const one = sketchOf(['kind boot']);
  sketches.put(1, one);
  expect(sketches.get(1)).toEqual(one);
  await db.batch(() => sketches.puts());
  expect(Uint8Array.from(sketches.get(1) as Uint8Array)).toEqual(one);
  const value = Buffer.from(db.get(key('b', 1)) as Buffer);
  await db.put(key('b', 2), value);
  expect(sketches.get(2)).toBeUndefined();
  for (const damaged of [
    value.subarray(1),
    Buffer.concat([value, Buffer.alloc(1)]),
    Buffer.alloc(value.length),
  ]) {
    await db.put(key('b', 1), damaged);
    expect(sketches.get(1)).toBeUndefined();
  }
});
