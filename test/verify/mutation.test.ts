/**
 * No single-byte change of a bundle is ever verified, and no prefix of one: there is no byte in it that no check
 * covers. Every byte is changed in two ways that take turns (next of its kind, other case, other digit, flipped bits),
 * most of them into a byte that could stand there; with ATTESTD_THOROUGH=1 in all of them.
 */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { useSha256 } from '../../src/core/hash.ts';
import { parseTrust, type Trust } from '../../src/verify/trust.ts';
import { verifyBundle } from '../../src/verify/verify.ts';
import { runs } from '../fuzz/runs.ts';
import { bundleOf } from '../kit/bundled.ts';
import { forge } from '../kit/forge.ts';
import type { Hooks } from '../kit/hooks.ts';
import { createMemo } from '../kit/memo.ts';
import { knowing } from './vectors/checkpoint.ts';
import { closed, resting } from './vectors/foreign.ts';
import { GOOD_LISTS } from './vectors/ima.ts';
import { GOOD_LOGS } from './vectors/logs.ts';
import { ROTATIONS } from './vectors/rotation.ts';
import { chained, stamped } from './vectors/timestamp.ts';
import { byOne, chainedBy, witnessed } from './vectors/witness.ts';

const THOROUGH = process.env.ATTESTD_THOROUGH === '1';
let bundle: Uint8Array;
let trust: Trust;
const tools = createMemo();
const verify = (bytes: Uint8Array) => verifyBundle(bytes, trust, { tools });

beforeAll(async () => {
  useSha256((data) => new Uint8Array(createHash('sha256').update(data).digest()));
  const forged = await forge();
  bundle = bundleOf(forged.raw);
  // The lowest level that covers every byte: whatever is in the file must count.
  trust = parseTrust(utf8(JSON.stringify({ ...forged.trust, minimumLevel: 1 })));
});

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
/** Bytes that could stand in place of this one: the next of its kind, the other case, a flipped bit. */
function mutations(b: number): number[] {
  const c = String.fromCharCode(b);
  const out = new Set<number>([b ^ 0x01, b ^ 0x10]);
  const at = ALPHABET.indexOf(c);
  if (at >= 0) {
    out.add(ALPHABET.charCodeAt((at + 1) % 64));
    out.add(ALPHABET.charCodeAt((at + 32) % 64));
  }
  if (/[0-9]/.test(c)) out.add(0x30 + ((b - 0x30 + 1) % 10));
  if (/[0-9a-f]/.test(c)) out.add('0123456789abcdef'.charCodeAt(('0123456789abcdef'.indexOf(c) + 1) % 16));
  if (/[A-Za-z]/.test(c)) out.add(b ^ 0x20);
  out.delete(b);
  return [...out];
}

test('the bundle itself is verified', async () => {
  expect(await verify(bundle)).toMatchObject({ verdict: 'verified', level: 4 });
});

test('no change of one byte is verified', async () => {
  const survivors: string[] = [];
  let tried = 0;
  let readable = 0;
  for (let i = 0; i < bundle.length; i++) {
    const original = bundle[i] as number;
    const all = mutations(original);
    const some = THOROUGH ? all : [all[i % all.length], all[(i + 1) % all.length]];
    for (const b of new Set(some)) {
      if (b === undefined) continue;
      bundle[i] = b;
      const report = await verify(bundle);
      tried++;
      if (!report.malformed) readable++;
      if (report.verdict === 'verified') survivors.push(`${i}: ${original} -> ${b}`);
    }
    bundle[i] = original;
  }
  console.info(`${bundle.length} bytes, ${tried} mutations, ${readable} still a bundle`);
  expect(survivors).toEqual([]);
  expect(readable).toBeGreaterThan(bundle.length / 2);
}, 1_800_000);

test('no proper prefix is a bundle', async () => {
  for (let n = 0; n < bundle.length; n++) {
    const report = await verify(bundle.subarray(0, n));
    if (!report.malformed || report.verdict !== 'rejected') expect.fail(`a prefix of ${n} bytes was read`);
  }
});

test('whatever the bytes, there is a report and it is not verified', async () => {
  const edits = fc.array(
    fc.tuple(fc.nat(), fc.constantFrom(...new TextEncoder().encode(`${ALPHABET}"{}[]:,=\n`))),
    {
      minLength: 1,
      maxLength: 8,
    },
  );
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 300 }), edits), async (input) => {
      let bytes: Uint8Array;
      if (input instanceof Uint8Array) bytes = input;
      else {
        bytes = bundle.slice();
        for (const [at, b] of input) bytes[at % bytes.length] = b;
        if (bytes.every((b, i) => b === bundle[i])) return;
      }
      expect((await verify(bytes)).verdict).not.toBe('verified');
    }),
    { numRuns: runs(2000) },
  );
});

test('no change of one byte of a log is verified', async () => {
  const survivors: string[] = [];
  for (const [name, hooks] of Object.entries({ ...GOOD_LOGS, list: GOOD_LISTS.list })) {
    const forged = await forge(hooks);
    const logged = bundleOf(forged.raw);
    const file = parseTrust(utf8(JSON.stringify({ ...forged.trust, minimumLevel: 1 })));
    expect(await verifyBundle(logged, file, { tools })).toMatchObject({ verdict: 'verified', level: 4 });
    const text = new TextDecoder().decode(logged);
    const from = text.indexOf('"logs":');
    const to = text.indexOf(',"measurements":');
    expect(to).toBeGreaterThan(from + 100);
    for (let i = from; i < to; i++) {
      const original = logged[i] as number;
      const [first] = mutations(original);
      logged[i] = first as number;
      if ((await verifyBundle(logged, file, { tools })).verdict === 'verified')
        survivors.push(`${name} ${i}`);
      logged[i] = original;
    }
  }
  expect(survivors).toEqual([]);
}, 600_000);

/** What a bundle may carry beside the rest: each where it is needed, and the member in which it stands. */
const CARRIED: Readonly<Record<string, { member: string; hooks: () => Hooks | Promise<Hooks> }>> = {
  'a timestamp': { member: 'timestamps', hooks: () => stamped() },
  'a timestamp over a later seal': { member: 'timestamps', hooks: () => chained },
  'a cosignature': { member: 'record', hooks: () => witnessed({ own: byOne }) },
  'a later checkpoint with a cosignature': {
    member: 'witnessed',
    hooks: () => witnessed({ later: chainedBy(byOne) }),
  },
  'evidence of another host': { member: 'foreign', hooks: async () => closed(await resting()) },
  'a certificate for a checkpoint of another host': { member: 'foreignChains', hooks: () => knowing() },
  'changes of both keys': {
    member: 'keyChanges',
    hooks: () => ROTATIONS['another AK, which certifies another record key'] as Hooks,
  },
};

/** A whole bundle inside a bundle, or a chain, every byte of which tests change elsewhere: some of them will do. */
const SKIPPED: Readonly<Record<string, number>> = { foreign: 11, foreignChains: 5 };

test.each(Object.keys(CARRIED))(
  'no change of one byte is verified in %s',
  async (name) => {
    const { member, hooks } = CARRIED[name] as (typeof CARRIED)[string];
    const forged = await forge(await hooks());
    const bytes = bundleOf(forged.raw);
    const file = parseTrust(utf8(JSON.stringify({ ...forged.trust, minimumLevel: 1 })));
    expect(await verifyBundle(bytes, file, { tools })).toMatchObject({ verdict: 'verified' });
    const text = new TextDecoder().decode(bytes);
    const value = JSON.stringify((JSON.parse(text) as Record<string, unknown>)[member]);
    const from = text.indexOf(`"${member}":`);
    expect(text.startsWith(value, from + member.length + 3)).toBe(true);
    const survivors: string[] = [];
    const step = THOROUGH ? 1 : (SKIPPED[member] ?? 1);
    for (let i = from; i < from + member.length + 3 + value.length; i += step) {
      const original = bytes[i] as number;
      const all = mutations(original);
      for (const b of THOROUGH ? all : [all[i % all.length] as number]) {
        bytes[i] = b;
        if ((await verifyBundle(bytes, file, { tools })).verdict === 'verified')
          survivors.push(`${i}: ${original} -> ${b}: ${text.slice(i - 20, i + 20)}`);
      }
      bytes[i] = original;
    }
    expect(survivors).toEqual([]);
  },
  600_000,
);
