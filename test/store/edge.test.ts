import { expect, test } from 'vitest';
import { leafHash, nodeHash } from '../../src/log/merkle.ts';
import { CompactRange } from '../../src/log/range.ts';
import { Edge, TileNodes } from '../../src/store/edge.ts';
import { leafInto, nodeInto } from '../../src/store/hash.ts';
import { entryOf } from './kit.ts';

test('the platform hashes as the pure floor does', () => {
  const out = Buffer.alloc(32);
  for (const n of [1, 55, 56, 64, 700, 65_535]) {
    leafInto(entryOf(1, n), out, 0);
    expect(Uint8Array.from(out)).toEqual(Uint8Array.from(leafHash(entryOf(1, n))));
  }
  const pair = Buffer.concat([leafHash(entryOf(1)), leafHash(entryOf(2))]);
  nodeInto(pair, 0, out, 0);
  const node = nodeHash(pair.subarray(0, 32), pair.subarray(32));
  expect(Uint8Array.from(out)).toEqual(Uint8Array.from(node));
});

test('the edge has the root of the naive tree at every size, and again after it was written down', () => {
  const range = new CompactRange();
  let edge = new Edge();
  const full: [number, number, TileNodes][] = [];
  for (let size = 0; size <= 66_000; size++) {
    if (size < 600 || size % 997 === 0 || (size > 65_500 && size < 65_600)) {
      expect(edge.root().toString('hex')).toBe(Buffer.from(range.root()).toString('hex'));
      if (size % 3 === 0) edge = new Edge(size, edge.tiles());
    }
    const entry = entryOf(size);
    range.append(leafHash(entry));
    edge.appendEntry(entry, (level, n, tile) => full.push([level, n, tile]));
  }
  expect(full.filter(([level]) => level === 0).map(([, n]) => n)).toEqual(
    Array.from({ length: 257 }, (_, n) => n),
  );
  expect(full.filter(([level]) => level === 1).map(([, n]) => n)).toEqual([0]);
  const first = full[0]?.[2];
  expect(TileNodes.of(first?.bytes() ?? Buffer.alloc(0)).node(8, 0)).toEqual(first?.node(8, 0));
});
