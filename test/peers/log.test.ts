import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { concat, toBase64, utf8 } from '../../src/core/bytes.ts';
import { printCheckpoint } from '../../src/log/checkpoint.ts';
import { consistencyProof } from '../../src/log/consistency.ts';
import { encodeEntries } from '../../src/log/entries.ts';
import { inclusionProof } from '../../src/log/inclusion.ts';
import { COSIGNATURE, ED25519, extendedKeyId, printVkey } from '../../src/log/keys.ts';
import { leafHash } from '../../src/log/merkle.ts';
import { parseNote, printNote } from '../../src/log/note.ts';
import { printProof } from '../../src/log/proof.ts';
import { CompactRange } from '../../src/log/range.ts';
import { printTilePath, type Tile, tilesBetween } from '../../src/log/tile.ts';
import { tileSource } from '../../src/log/tilesource.ts';
import { runPeer } from '../kit/go.ts';
import { ecdsaSigner, ed25519Signer, type Signer } from '../log/signer.ts';

const ORIGIN = 'fleet/host.example/17';
const SIZES = [0, 1, 2, 3, 255, 256, 257, 511, 1000, 65_535, 65_536, 65_537, 66_000];
const LAST = SIZES.at(-1) as number;

// Lengths from none to the most that an entry may have, the long ones rare.
const entry = (i: number): Uint8Array =>
  i === 5
    ? new Uint8Array(65_535).fill(5)
    : i === 6
      ? new Uint8Array(0)
      : utf8(`entry ${i} ${'x'.repeat(i % 40)}`);

let dir: string;
let signer: Signer;
let vkey: string;
const file = (name: string) => join(dir, name);
const note = (size: number) => file(`checkpoint.${size}`);
const read = (tile: Tile) => new Uint8Array(readFileSync(file(printTilePath(tile))));

/** A note as ours are published: the quote's line of type 0xff, which Go does not know, and the record key's. */
async function sign(text: string): Promise<string> {
  const quote = crypto.getRandomValues(new Uint8Array(278));
  const keyId = extendedKeyId(ORIGIN, 'attestd.dev/tpm-quote/v1', quote.subarray(0, 91));
  return printNote({
    text,
    signatures: [{ name: ORIGIN, keyId, signature: quote }, await signer.sign(text)],
  });
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-peers-'));
  signer = await ecdsaSigner(ORIGIN);
  vkey = printVkey(signer.key);
  const range = new CompactRange();
  const rows: Uint8Array[][] = [[], [], []];
  let from = 0;
  for (const size of SIZES) {
    while (range.size < size) {
      range.append(leafHash(entry(range.size)), (level, _, hash) => {
        if (level % 8 === 0) rows[level / 8]?.push(hash);
      });
    }
    for (const tile of tilesBetween(from, size)) {
      const first = tile.n * 256;
      const bytes =
        tile.level === 'entries'
          ? encodeEntries(Array.from({ length: tile.width }, (_, i) => entry(first + i)))
          : concat(...(rows[tile.level] as Uint8Array[]).slice(first, first + tile.width));
      const path = file(printTilePath(tile));
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, bytes, { flag: 'wx' });
    }
    from = size;
    writeFileSync(note(size), await sign(printCheckpoint({ origin: ORIGIN, size, root: range.root() })));
  }
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Runs `act` while one byte of a file is changed. */
function withFlip<T>(path: string, at: number, act: () => T): T {
  const good = readFileSync(path);
  const bad = Uint8Array.from(good);
  const i = at < 0 ? good.length + at : at;
  bad[i] = (bad[i] as number) ^ 1;
  writeFileSync(path, bad);
  try {
    return act();
  } finally {
    writeFileSync(path, good);
  }
}

describe('note.Open of Go', () => {
  test('takes our note by its line of type 0x02 and leaves the quote line alone', () => {
    const answer = runPeer(['note-open', vkey, note(1000)]);
    const { text } = parseNote(new Uint8Array(readFileSync(note(1000))));
    expect(answer).toMatchObject({ ok: true, facts: { text, verified: 1, unverified: 1 } });
  });

  test('refuses it with any changed byte in text or signature, or under another key', async () => {
    const bytes = readFileSync(note(1000));
    const text = bytes.indexOf('\n\n');
    const line = bytes.lastIndexOf('\u2014');
    for (const at of [0, 5, 25, text - 1, line + 4, line + 40, -10]) {
      expect([at, withFlip(note(1000), at, () => runPeer(['note-open', vkey, note(1000)]).ok)]).toEqual([
        at,
        false,
      ]);
    }
    const other = printVkey((await ecdsaSigner(ORIGIN)).key);
    expect(runPeer(['note-open', other, note(1000)])).toMatchObject({ ok: false });
    expect(runPeer(['note-open', vkey, note(1000)]).ok).toBe(true);
  });

  test.each([
    ['Ed25519', ED25519],
    ['cosignature/v1', COSIGNATURE],
  ] as const)('takes a line of %s', async (_, type) => {
    const other = await ed25519Signer('witness.example', type);
    const { text } = parseNote(new Uint8Array(readFileSync(note(3))));
    const path = file(`ed25519.${type}`);
    writeFileSync(path, printNote({ text, signatures: [await signer.sign(text), await other.sign(text)] }));
    const answer = runPeer(['note-open', printVkey(other.key), path]);
    const { facts } = runPeer(['note-open', vkey, note(3)]);
    if (facts.peers === 'debian' && type === COSIGNATURE) {
      expect(answer.reason).toMatch(/unknown verifier algorithm/);
    } else {
      expect(answer).toMatchObject({ ok: true, facts: { verified: 1, unverified: 1 } });
    }
  });
});

describe('tiles, proofs and roots by package tlog of Go', () => {
  test.each(SIZES)('the log at size %i, with all older checkpoints', (size) => {
    const older = SIZES.filter((s) => s < size).map(note);
    const answer = runPeer(['tiles', vkey, dir, note(size), ...older]);
    expect(answer).toMatchObject({ ok: true, facts: { origin: ORIGIN, size, older: older.length } });
  });

  test.each([
    ['a leaf hash', 'tile/0/003.p/232', 7],
    ['a full tile of level 0', 'tile/0/100', 8191],
    ['a full tile of level 1', 'tile/1/000', 100],
    ['the top tile', 'tile/2/000.p/1', 31],
    ['an entry', 'tile/entries/200', 20],
    ['the last byte of the last entry', 'tile/entries/257.p/208', -1],
  ])('a changed byte is refused: %s', (_, path, at) => {
    const size = path === 'tile/0/003.p/232' ? 1000 : LAST;
    expect(withFlip(file(path), at, () => runPeer(['tiles', vkey, dir, note(size)]).ok)).toBe(false);
    expect(runPeer(['tiles', vkey, dir, note(size)]).ok).toBe(true);
  });

  test('a checkpoint of another history is refused', async () => {
    const other = new CompactRange();
    for (let i = 0; i < 256; i++) other.append(leafHash(utf8(`other ${i}`)));
    const path = file('fork');
    writeFileSync(path, await sign(printCheckpoint({ origin: ORIGIN, size: 256, root: other.root() })));
    expect(runPeer(['tiles', vkey, dir, note(1000), path])).toMatchObject({ ok: false });
    expect(runPeer(['tiles', vkey, dir, path])).toMatchObject({ ok: false });
  });
});

describe('proofs of ours', () => {
  test('tlog-proof: accepted for its entry, refused for another and with a changed byte', async () => {
    const path = file('proof');
    const data = file('entry');
    for (const size of SIZES.filter((s) => s > 0)) {
      for (const index of new Set([0, 5, 6, 254, 255, 256, 65_535, size - 1].filter((i) => i < size))) {
        const hashes = await inclusionProof(index, size, tileSource(size, read));
        const signed = new Uint8Array(readFileSync(note(size)));
        writeFileSync(path, printProof({ index, hashes, note: signed }));
        writeFileSync(data, entry(index));
        const answer = runPeer(['proof', vkey, path, data]);
        expect(answer).toMatchObject({ ok: true, facts: { origin: ORIGIN, size, index, verified: 1 } });
        writeFileSync(data, entry(index + 1));
        expect(runPeer(['proof', vkey, path, data]).ok).toBe(false);
        writeFileSync(data, entry(index));
        expect(withFlip(path, 29, () => runPeer(['proof', vkey, path, data]).ok)).toBe(false);
      }
    }
  });

  test('consistency: accepted between all sizes, refused with a changed byte', async () => {
    const path = file('consistency');
    const sizes = SIZES.filter((s) => s > 0);
    for (const to of [257, 1000, 65_536, LAST]) {
      for (const from of sizes.filter((s) => s < to)) {
        const proof = await consistencyProof(from, to, tileSource(to, read));
        writeFileSync(path, proof.map((h) => `${toBase64(h)}\n`).join(''));
        const args = ['consistency', vkey, note(from), note(to), path];
        expect(runPeer(args)).toMatchObject({ ok: true, facts: { from, to } });
        expect(withFlip(path, 3, () => runPeer(args).ok)).toBe(false);
      }
    }
  });
});
