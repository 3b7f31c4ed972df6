/** What a program of ours wrote and somebody else may have changed: logs, words beside them, keys, lists that are packed. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readAk, readEk, readStorage } from '../../src/ca/template.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { layoutOf, readCurrent } from '../../src/daemon/layout.ts';
import { readWord } from '../../src/daemon/retaining/word.ts';
import { unpack } from '../../src/evidence/eventlog/ima/packed.ts';
import { readLog } from '../../src/store/reader.ts';
import { readIdentity } from '../../src/tpm/keys.ts';
import { akTemplate, storageTemplate } from '../../src/tpm/template.ts';
import { itemOf, newLog, opened } from '../store/kit.ts';
import { bytesLike, jsonLike, readOrRefused } from './hostile.ts';
import { fileRuns, runs } from './runs.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-disk-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Awaits, and holds whatever is thrown to be a refusal with a code. */
async function refusedOr<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (e) {
    return readOrRefused(() => {
      throw e;
    });
  }
}

test('a log that is damaged anywhere is read up to there, or refused', async () => {
  const from = await newLog();
  const store = await opened(from);
  for (let i = 1; i < 9; i++) await store.commit([itemOf(i)]);
  const wal = readdirSync(join(from, 'wal')).find((f) => f.endsWith('.wal')) as string;
  const whole = readFileSync(join(from, 'wal', wal));
  const used = whole.subarray(0, whole.findLastIndex((b) => b !== 0) + 1);
  const at = join(dir, 'log');
  mkdirSync(join(at, 'wal'), { recursive: true });
  const read = async () => {
    const entries: string[] = [];
    for await (const { entry } of readLog(at).entries(1)) entries.push(Buffer.from(entry).toString());
    return entries;
  };
  writeFileSync(join(at, 'wal', wal), whole);
  const all = await read();
  expect(all).toHaveLength(8);
  await fc.assert(
    fc.asyncProperty(bytesLike(used), async (damaged) => {
      writeFileSync(join(at, 'wal', wal), damaged);
      const found = await refusedOr(read());
      // Nothing is ever read that was not written.
      if (found !== undefined) expect(found).toEqual(all.slice(0, found.length));
    }),
    { numRuns: fileRuns(300) },
  );
});

test('the words beside a log', () => {
  mkdirSync(join(dir, 'state'), { recursive: true });
  const layout = layoutOf(join(dir, 'state'));
  const current = { v: 1, origin: 'f/h/1' };
  const word = { v: 1, before: 3, tombstone: 7, done: false };
  fc.assert(
    fc.property(
      fc.oneof(jsonLike(current, word).map(utf8), bytesLike(JSON.stringify(current), JSON.stringify(word))),
      (bytes) => {
        writeFileSync(layout.current, bytes);
        expect(typeof (readOrRefused(() => readCurrent(layout))?.origin ?? '')).toBe('string');
        const read = readWord(layout.current);
        if (typeof read === 'object')
          expect([read.before, read.tombstone].every((n) => Number.isSafeInteger(n) && n >= 0)).toBe(true);
      },
    ),
    { numRuns: fileRuns(500) },
  );
});

test('the keys of a host', async () => {
  const at = join(dir, 'identity');
  mkdirSync(at, { recursive: true });
  const base64 = (b: Uint8Array) => Buffer.from(b).toString('base64');
  const key = { public: base64(akTemplate()), private: 'AAAA' };
  const identity = {
    v: 1,
    storage: { public: base64(storageTemplate()) },
    ak: { ...key, creation: { data: '', hash: '', ticket: '' } },
    recordKey: key,
  };
  const auth = { v: 1, akName: '', ak: 'AAAA', recordKey: 'AAAA' };
  await fc.assert(
    fc.asyncProperty(
      jsonLike(identity),
      fc.oneof(jsonLike(auth), fc.constant(JSON.stringify(auth))),
      async (a, b) => {
        writeFileSync(join(at, 'identity.json'), a);
        writeFileSync(join(at, 'identity.auth'), b);
        await refusedOr(readIdentity({ dir: at }));
      },
    ),
    { numRuns: fileRuns(300) },
  );
});

test('public areas of a host that asks to be enrolled', () => {
  fc.assert(
    fc.property(bytesLike(akTemplate(), storageTemplate()), (bytes) => {
      for (const read of [readAk, readEk, readStorage]) readOrRefused(() => read(bytes));
    }),
    { numRuns: runs(1000) },
  );
});

test('a packed list gives what was packed, or is refused', async () => {
  const list = Buffer.from('10 0000 ima-ng sha256:00 /bin/x\n'.repeat(50));
  const packed = deflateRawSync(list);
  const sha256 = createHash('sha256').update(packed).digest('hex');
  await fc.assert(
    fc.asyncProperty(bytesLike(packed), fc.boolean(), async (bytes, named) => {
      const name = named ? createHash('sha256').update(bytes).digest('hex') : sha256;
      const found: Uint8Array[] = [];
      const take = (piece: Uint8Array) => void found.push(piece.slice());
      const done = await refusedOr(
        unpack({ sha256: name, size: bytes.length, bytes: [bytes] }, take).then(() => true),
      );
      if (done && !named) expect(Buffer.concat(found).equals(list)).toBe(true);
    }),
    { numRuns: fileRuns(300) },
  );
});
