import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromHex, utf8 } from '../../src/core/bytes.ts';
import { AttestdError } from '../../src/core/errors.ts';
import { ulid } from '../../src/core/ulid.ts';
import { Batch, getUlid, type Item, putUlid } from '../../src/store/batch.ts';
import { crc32c } from '../../src/store/crc32c.ts';
import { Edge } from '../../src/store/edge.ts';
import { findFrame, frameAt, makeFrame, TYPE } from '../../src/store/frame.ts';
import { Group } from '../../src/store/group.ts';
import { encodeIntent, type Intent, parseForget, parseIntent } from '../../src/store/intent.ts';
import {
  encodeSegmentHead,
  parseSegmentHead,
  parseSegmentName,
  segmentName,
} from '../../src/store/segment.ts';
import { runs } from '../fuzz/runs.ts';
import { digestOf, entryOf, itemOf, ORIGIN } from './kit.ts';

const SALT = Buffer.from('saltsalt');
const CHAIN = Buffer.alloc(32, 7);

/** A whole batch frame with its erasable part. */
function batchOf(items: readonly Item[], first = 5): Buffer {
  const group = new Group();
  for (const item of items) group.add(item);
  const { frame, erasable } = group.finish(first, SALT, CHAIN);
  return Buffer.concat([frame, ...erasable]);
}

test.each([
  ['the check value', utf8('123456789'), 0xe3069283],
  ['32 zeros (RFC 3720 §B.4)', new Uint8Array(32), 0x8a9136aa],
  ['32 ones', new Uint8Array(32).fill(255), 0x62a8ab43],
  ['32 rising', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ['nothing', new Uint8Array(0), 0],
])('CRC32C of %s', (_, bytes, crc) => {
  expect(crc32c(bytes)).toBe(crc);
});

test('CRC32C goes on from where it stopped', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, at) => {
      const cut = Math.min(at, bytes.length);
      expect(crc32c(bytes, crc32c(bytes, 0, 0, cut), cut)).toBe(crc32c(bytes));
    }),
  );
});

test('ULIDs keep their 128 bits', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 31), fc.uint8Array({ minLength: 10, maxLength: 10 }), (ms, random) => {
      const id = ulid(ms * 131_071, random);
      const b = Buffer.alloc(16);
      putUlid(b, id, 0);
      expect(getUlid(b, 0)).toBe(id);
      expect(b.readUIntBE(0, 6)).toBe(ms * 131_071);
      expect(b.subarray(6)).toEqual(Buffer.from(random));
    }),
  );
});

test('a batch frame gives back what went in', () => {
  const items: Item[] = [
    itemOf(1),
    { entry: entryOf(2) },
    { entry: entryOf(3), mark: { kind: 'boot' }, uid: 4_294_967_295 },
    { entry: entryOf(4), mark: { kind: 'anchor', counter: 2n ** 64n - 1n }, opening: utf8('[1]') },
    { entry: new Uint8Array(65_535).fill(65) },
  ];
  const bytes = batchOf(items);
  const frame = frameAt(bytes, 0, SALT);
  if (frame === undefined) throw new Error('no frame');
  expect(frame.bytes).toBe(bytes.length);
  const batch = new Batch(frame);
  const metas = batch.metas();
  for (const [i, item] of items.entries()) {
    expect(batch.entry(i)).toEqual(Buffer.from(item.entry));
    const meta = metas[i];
    expect(meta?.id).toBe(item.id);
    expect(meta?.uid).toBe(item.uid);
    expect(meta?.mark).toEqual(item.mark);
    expect(meta?.key).toEqual(item.idempotency && Buffer.from(item.idempotency.key));
    const opening = meta && batch.opening(meta);
    expect(opening).toEqual(item.opening && Buffer.from(item.opening));
  }
});

test('no proper prefix and no changed byte of a frame is a frame, but for openings, which have a CRC of their own', () => {
  const bytes = batchOf([itemOf(1), itemOf(2)]);
  const whole = frameAt(bytes, 0, SALT);
  const covered = bytes.length - (whole?.erasable.length ?? 0);
  for (let n = 0; n < bytes.length; n++) expect(frameAt(bytes.subarray(0, n), 0, SALT)).toBeUndefined();
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] as number) ^ (1 << (at % 8));
    const frame = frameAt(changed, 0, SALT);
    if (at < covered) expect(frame).toBeUndefined();
    else {
      const batch = new Batch(frame as NonNullable<typeof frame>);
      expect(batch.metas().map((m) => batch.opening(m))).toContain('damaged');
    }
  }
});

test('a frame of another segment, or one that a caller wrote into an entry, is not found', () => {
  const inner = batchOf([itemOf(1)]);
  const frame = makeFrame(
    { type: TYPE.seal, first: 9, count: 0, erasable: 0, salt: Buffer.from('othersal'), chain: CHAIN },
    inner,
  );
  expect(findFrame(frame, 0, Buffer.from('othersal'))).toBe(0);
  expect(findFrame(frame, 1, Buffer.from('othersal'))).toBe(-1);
  expect(findFrame(frame, 1, SALT)).toBe(72);
});

test('whatever the bytes, a parser gives a value or one of our errors', () => {
  const tame = (act: () => unknown) => {
    try {
      act();
    } catch (e) {
      expect(e).toBeInstanceOf(AttestdError);
    }
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(400), fc.nat(20), (bytes, first, count) => {
      const b = Buffer.from(bytes);
      expect(frameAt(b, 0)).toBeUndefined();
      tame(() => parseIntent(b));
      tame(() => parseForget(b));
      tame(() => parseSegmentHead(b, first));
      const frame = makeFrame({ type: TYPE.batch, first, count, erasable: 0, salt: SALT, chain: CHAIN }, b);
      const parsed = frameAt(frame, 0, SALT);
      expect(parsed?.payload).toEqual(b);
      tame(() => {
        const batch = new Batch(parsed as NonNullable<typeof parsed>);
        for (let i = 0; i < batch.count; i++) batch.entry(i);
        return batch.metas();
      });
    }),
    { numRuns: runs(2000) },
  );
});

test('intents and segment heads print what they were parsed from, and no prefix or longer form is taken', () => {
  const intent: Intent = {
    kind: 'counter',
    seq: 0,
    size: 12,
    root: digestOf('root', 1),
    counter: 7n,
    body: fromHex('0102'),
  };
  const edge = new Edge();
  for (let i = 0; i < 700; i++) edge.appendEntry(entryOf(i));
  const tip = {
    origin: ORIGIN,
    edge,
    intents: [intent],
    lastAnchor: { index: 3, counter: 9n, digest: digestOf('anchor', 3) },
    lastBoot: { index: 2, digest: digestOf('boot', 2) },
  };
  const head = encodeSegmentHead({ ordinal: 3, lastFrame: 100, end: 200, tip });
  const parsed = parseSegmentHead(head, 700);
  expect(encodeSegmentHead(parsed)).toEqual(head);
  expect(parsed.tip.edge.root()).toEqual(edge.root());
  expect(() => parseSegmentHead(head, 701)).toThrow(/edge/);
  const bytes = encodeIntent(intent);
  expect(parseIntent(bytes)).toEqual(intent);
  for (const [whole, parse] of [
    [bytes, parseIntent],
    [head, (b: Uint8Array) => parseSegmentHead(b, 700)],
  ] as const) {
    for (let n = 0; n < whole.length; n += n < 200 ? 1 : 97)
      expect(() => parse(whole.slice(0, n))).toThrow(AttestdError);
    expect(() => parse(Buffer.concat([whole, Buffer.of(0)]))).toThrow(AttestdError);
  }
});

test('segment names are canonical', () => {
  expect(parseSegmentName(segmentName(12, 3))).toEqual({ first: 12, ordinal: 3 });
  for (const name of ['spare', '1-2.wal', `${segmentName(1, 2)}x`, '00000000000000000001-00000002.WAL'])
    expect(parseSegmentName(name)).toBeUndefined();
});
