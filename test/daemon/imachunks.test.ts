/** IMA lists on disk: the same bytes for the same list, whenever it was read; and what 50,000 entries cost an auditor. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { attachmentsBeside } from '../../src/cli/attachment.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { createChunks, keptSnapshot, type Snapshot } from '../../src/daemon/machine/chunks.ts';
import { createImaFollower } from '../../src/daemon/machine/follower.ts';
import { createTrail } from '../../src/daemon/machine/trail.ts';
import { readImaList } from '../../src/evidence/eventlog/ima/reader.ts';
import type { ImaPolicy } from '../../src/evidence/schema/appraisal.ts';
import { createImaSource } from '../../src/measure/ima.ts';
import { parseTrust } from '../../src/verify/trust.ts';
import { verifyBundle } from '../../src/verify/verify.ts';
import type { Made } from '../evidence/kit/imalist.ts';
import { bundleOf } from '../kit/bundled.ts';
import { forge } from '../kit/forge.ts';
import { aggregate, digestOf, listBytes, listedWith, measured, pcr10After } from '../kit/imaboot.ts';
import { judgedBy, withIma } from '../verify/vectors/ima.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-chunks-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let made = 0;
const fresh = (): string => join(dir, `list-${made++}`);
async function bytesOf(snapshot: Snapshot | undefined): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const piece of (snapshot as Snapshot).pieces()) parts.push(piece);
  return Buffer.concat(parts);
}

test('whatever the steps in which a list is read, its bytes are the same, and unpack to it', async () => {
  const raw = new Uint8Array(700_000).map((_, i) => (i * 2654435761) >>> 24);
  const whole = createChunks(fresh());
  whole.append(raw);
  whole.settle();
  const wanted = await bytesOf(whole.snapshot);
  expect(new Uint8Array(inflateRawSync(wanted))).toEqual(raw);
  expect(createHash('sha256').update(wanted).digest('hex')).toBe(whole.snapshot?.sha256);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 300_000 }), { maxLength: 6 }), async (steps) => {
      const place = fresh();
      const chunks = createChunks(place);
      let at = 0;
      for (const step of steps) {
        const before = chunks.snapshot;
        const held = before === undefined ? undefined : await bytesOf(before);
        chunks.append(raw.subarray(at, at + step));
        chunks.settle();
        at = Math.min(raw.length, at + step);
        // A list that went out stays what it was while the next one grows.
        if (before !== undefined) expect(await bytesOf(before)).toEqual(held);
      }
      chunks.append(raw.subarray(at));
      chunks.settle();
      expect((await bytesOf(chunks.snapshot)).equals(wanted)).toBe(true);
      expect((await keptSnapshot(place))?.sha256).toBe(whole.snapshot?.sha256);
      // A daemon that starts again reads the list from its beginning, over what it kept.
      const again = createChunks(place);
      again.append(raw);
      again.settle();
      expect(again.snapshot?.sha256).toBe(whole.snapshot?.sha256);
    }),
    { numRuns: 4 },
  );
});

test('a directory that a crash left with an old tail gives a list that is whole as far as it goes', async () => {
  const place = fresh();
  const raw = new Uint8Array(600_000).fill(7);
  const chunks = createChunks(place);
  chunks.append(raw.subarray(0, 100_000));
  chunks.settle();
  const tail = readFileSync(join(place, '00000000.tail'));
  chunks.append(raw.subarray(100_000));
  chunks.settle();
  writeFileSync(join(place, '00000000.tail'), tail);
  rmSync(join(place, '00000002.tail'));
  const kept = await keptSnapshot(place);
  expect(inflateRawSync(await bytesOf(kept)).length).toBe(2 * 256 * 1024);
  expect(readdirSync(place)).toContain('00000000.tail');
});

test('a trail knows every value that the register had', () => {
  const entries = Array.from({ length: 5000 }, (_, i) => measured(`/f-${i}`, `${i}`));
  const trail = createTrail();
  for (const e of readImaList(listBytes(entries))) trail.add(e);
  for (const n of [1, 2, 2047, 5000]) expect(trail.find(pcr10After(entries.slice(0, n)))).toBe(n);
  expect(trail.find('ab'.repeat(32))).toBeUndefined();
  const [newest] = trail.recent();
  expect(newest).toBe(pcr10After(entries));
  expect([...trail.recent()]).toHaveLength(4096);
});

test('a list that is not understood is given up, and why is told', async () => {
  const file = join(dir, 'odd');
  writeFileSync(file, new Uint8Array(4096).fill(0xff));
  const follower = createImaFollower(createImaSource(file), fresh());
  await follower.catchUp();
  expect(follower.trouble?.message).toMatch(/IMA list/);
  expect(await follower.covering('00'.repeat(32))).toBeUndefined();
  await follower.stop();
  const absent = createImaFollower(createImaSource(join(dir, 'absent')), fresh());
  await absent.catchUp();
  expect(absent.trouble?.message).toMatch(/ENOENT/);
  await absent.stop();
});

test('50,000 entries: a small bundle, one attachment for all, and a verdict on every file', async () => {
  const files: Made[] = Array.from({ length: 50_000 }, (_, i) =>
    measured(`/usr/lib/x86_64-linux-gnu/package-${i % 700}/file-${i}.so.1`, `content ${i}`),
  );
  const entries = [aggregate(), ...files];
  const list = join(dir, 'binary_runtime_measurements');
  writeFileSync(list, listBytes(entries));
  const follower = createImaFollower(createImaSource(list), fresh());
  const early = entries.slice(0, 20_000);
  const now = (await follower.covering(pcr10After(entries))) as Snapshot;
  const then = (await follower.covering(pcr10After(early))) as Snapshot;
  expect(then.sha256).toBe(now.sha256);
  await follower.stop();
  writeFileSync(join(dir, now.sha256), await bytesOf(now));
  const policy = withIma({
    files: files
      .map((_, i) => ({
        path: `/usr/lib/x86_64-linux-gnu/package-${i % 700}/file-${i}.so.1`,
        digests: [digestOf(`content ${i}`)],
      }))
      .sort((a, b) => (a.path < b.path ? -1 : 1)) as ImaPolicy['files'],
    keys: [],
    ignore: [],
    violations: 'refuse',
  });
  const options = { attachments: attachmentsBeside(join(dir, 'run.attest.json')) };
  const given = { sha256: now.sha256, size: now.size };
  for (const [name, seen, count] of [
    ['early', early, 20_000],
    ['late', entries, 50_001],
  ] as const) {
    const { raw, trust } = await forge(judgedBy(listedWith(seen, {}, given), policy));
    const bundle = bundleOf(raw);
    expect(bundle.length).toBeLessThan(100_000);
    let peak = 0;
    const timer = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().arrayBuffers);
    }, 5);
    const before = process.memoryUsage().arrayBuffers;
    const report = await verifyBundle(bundle, parseTrust(utf8(JSON.stringify(trust))), options);
    clearInterval(timer);
    expect(report.checks.filter((c) => c.status !== 'pass')).toEqual([]);
    const sentence = (id: string) => report.checks.find((c) => c.id === id)?.sentence;
    expect(sentence('ima-list'), name).toContain(`The first ${count} entries`);
    expect(sentence('appraisal-ima'), name).toContain(`${count} allowed`);
    console.info(
      `${name}: bundle ${bundle.length} bytes, attachment ${statSync(join(dir, now.sha256)).size}, buffers +${((peak - before) / 1e6).toFixed(1)} MB`,
    );
  }
}, 120_000);
