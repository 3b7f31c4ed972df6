/** Answers to an auditor's nonce: each rule broken alone, no byte uncovered, and no mixing with seals. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { concat, u64, utf8 } from '../../src/core/bytes.ts';
import { useSha256 } from '../../src/core/hash.ts';
import { sealExtraData } from '../../src/evidence/binding.ts';
import { ATTEST_NV } from '../../src/evidence/tpm/attest.ts';
import { freshChecks } from '../../src/verify/checks/fresh.ts';
import type { Report } from '../../src/verify/report.ts';
import { FRESH_NOW, FRESH_STATE } from '../../src/verify/table.ts';
import { parseTrust } from '../../src/verify/trust.ts';
import { verifyBundle, verifyFresh } from '../../src/verify/verify.ts';
import { bundleOf, freshOf } from '../kit/bundled.ts';
import { flip, forge } from '../kit/forge.ts';
import { type Hooks, NONCE } from '../kit/hooks.ts';
import { createMemo } from '../kit/memo.ts';
import { makeToken } from '../kit/timestamp.ts';
import { believing, STAMPED } from './vectors/timestamp.ts';

async function answered(hooks: Hooks, nonce: Uint8Array = NONCE): Promise<Report> {
  const { fresh, trust } = await forge(hooks);
  return verifyFresh(freshOf(fresh), nonce, parseTrust(utf8(JSON.stringify(trust))));
}
const ids = (r: Report, status: string) => r.checks.filter((c) => c.status === status).map((c) => c.id);

test('an honest answer passes every check and reaches level 4', async () => {
  const report = await answered({});
  expect(ids(report, 'fail')).toEqual([]);
  expect(ids(report, 'unknown')).toEqual([]);
  expect(report).toMatchObject({ verdict: 'verified', level: 4 });
});

describe('an answer with a timestamp over its seal', () => {
  const with_ = (over: (seal: Uint8Array) => Uint8Array): Hooks => {
    let token: Uint8Array = new Uint8Array();
    return {
      trust: believing,
      timestamps: async ({ seal }, w) => {
        token = await makeToken(w.tsa.signer, over(seal), { genTime: STAMPED });
        return [];
      },
      fresh: (f) => ({ ...f, state: { ...f.state, timestamps: [{ token }] } }),
    };
  };
  test('proves its time by that, without the word of the host', async () => {
    const report = await answered(with_((seal) => seal));
    expect([ids(report, 'fail'), ids(report, 'unknown'), report.verdict]).toEqual([[], [], 'verified']);
  });
  test('is rejected when the token is over something else', async () => {
    const report = await answered(with_(() => new Uint8Array(40)));
    expect(ids(report, 'fail')).toEqual(['timestamp']);
  });
  test('and without one it is as before, whatever a bundle would need', async () => {
    const report = await answered({ trust: (t, w) => ({ ...believing(t, w), acceptHostTime: true }) });
    expect(report.verdict).toBe('verified');
  });
});

const ENVIRONMENT = ['seal-selection', 'seal-pcr-digest', 'firmware-pcrs', 'pcr-allow-list', 'self-measured'];
const header = { timeMs: 1, seq: 2, bootIndex: 1, anchorCtr: 0n, prevSeal: new Uint8Array(32).fill(1) };
const vectors: { id: string; name: string; hooks: Hooks; unknown?: string[]; status?: 'unknown' }[] = [
  {
    id: 'fresh-nonce',
    name: 'the file names another nonce',
    hooks: { fresh: (f) => ({ ...f, nonce: flip(f.nonce, 0) }) },
  },
  { id: 'fresh-quote', name: 'another magic', hooks: { freshQuote: (q) => ({ ...q, magic: 1 }) } },
  {
    id: 'fresh-quote',
    name: 'another signer',
    hooks: { freshQuote: (q) => ({ ...q, qualifiedSigner: flip(q.qualifiedSigner, 4) }) },
  },
  {
    id: 'fresh-quote',
    name: 'a certified index in place of a quote',
    hooks: {
      freshQuote: (q) => ({
        ...q,
        type: ATTEST_NV,
        attested: { kind: 'nv', indexName: new Uint8Array(34), offset: 0, contents: new Uint8Array(8) },
      }),
    },
    unknown: ENVIRONMENT,
  },
  {
    id: 'fresh-quote',
    name: 'another signature',
    hooks: { fresh: (f) => ({ ...f, quote: { ...f.quote, signature: flip(f.quote.signature, -1) } }) },
  },
  {
    id: 'fresh-extradata',
    name: 'a quote for another nonce',
    hooks: { freshQuote: (q) => ({ ...q, extraData: flip(q.extraData, 0) }) },
  },
  {
    id: 'fresh-extradata',
    name: 'a seal in place of an answer',
    hooks: { freshQuote: (q) => ({ ...q, extraData: sealExtraData(header, 'fleet/host-1/7\n') }) },
  },
  {
    id: 'fresh-clock',
    name: 'the quote is older than the seal',
    hooks: { freshQuote: (q) => ({ ...q, clockInfo: { ...q.clockInfo, clock: 4000n } }) },
  },
  {
    id: 'fresh-anchor',
    name: 'the newest anchor is withheld',
    hooks: { fresh: (f) => ({ ...f, state: (({ anchor: _, ...s }) => s)(f.state) }) },
    unknown: ['inclusion-anchors'],
  },
  {
    id: 'fresh-anchor',
    name: 'the seal knows a newer anchor',
    hooks: { header: (h) => ({ ...h, anchorCtr: 10n }) },
    unknown: [],
  },
  {
    id: 'fresh-counter',
    name: 'the certified counter is for another nonce',
    hooks: { freshCounter: (a) => ({ ...a, extraData: flip(a.extraData, 0) }) },
  },
  {
    id: 'fresh-counter',
    name: 'the counter stands beyond the newest anchor',
    hooks: {
      freshCounter: (a) =>
        a.attested.kind === 'nv' ? { ...a, attested: { ...a.attested, contents: u64(12n) } } : a,
    },
    status: 'unknown',
    unknown: ['fresh-counter'],
  },
  {
    id: 'fresh-counter',
    name: 'the counter is not certified',
    hooks: { fresh: ({ counter: _, ...f }) => f },
    status: 'unknown',
    unknown: ['fresh-counter'],
  },
  {
    id: 'pcr-allow-list',
    name: 'the machine is in another state now',
    hooks: { trust: (t) => ({ ...t, pcrs: [{ name: 'other', sha256: { 0: ['ab'.repeat(32)] } }] }) },
  },
  {
    id: 'seal-pcr-digest',
    name: 'the values are not those quoted over the nonce',
    hooks: { fresh: (f) => ({ ...f, pcrs: { sha256: { ...f.pcrs?.sha256, 3: '7'.repeat(64) } } }) },
    unknown: ['firmware-pcrs', 'pcr-allow-list', 'self-measured'],
  },
  {
    id: 'inclusion-related',
    name: 'a measurement is not in the log',
    hooks: {
      fresh: (f) => {
        const [first, ...others] = f.state.measurements;
        if (first === undefined) throw new Error('no measurement is given');
        const hashes = first.hashes.map((h) => flip(h, 0));
        return { ...f, state: { ...f.state, measurements: [{ ...first, hashes }, ...others] } };
      },
    },
  },
  {
    id: 'measurements',
    name: 'what is given as a measurement is another entry',
    hooks: {
      fresh: (f) => ({
        ...f,
        state: { ...f.state, measurements: [f.state.boot, ...f.state.measurements] },
      }),
    },
    unknown: ['self-measured'],
  },
  {
    id: 'seal-extradata',
    name: 'the seal beneath commits to something else',
    hooks: { quote: (q) => ({ ...q, extraData: flip(q.extraData, 0) }) },
  },
];

describe('each vector breaks one check and no other', () => {
  test.each(vectors.map((v) => [`${v.id}: ${v.name}`, v] as const))('%s', async (_, v) => {
    const report = await answered(v.hooks);
    const sentences = report.checks.filter((c) => c.status !== 'pass').map((c) => `${c.id}: ${c.sentence}`);
    const also = v.name === 'the seal knows a newer anchor' ? ['fresh-counter'] : [];
    expect(ids(report, 'fail'), sentences.join('\n')).toEqual(v.status === 'unknown' ? [] : [v.id, ...also]);
    expect(ids(report, 'unknown').sort(), sentences.join('\n')).toEqual([...(v.unknown ?? [])].sort());
  });
  test('every check of the quote has a vector', () => {
    const covered = new Set(vectors.map((v) => v.id));
    expect(freshChecks(NONCE).filter((c) => !covered.has(c.id))).toEqual([]);
    const all = [...FRESH_STATE, ...FRESH_NOW, ...freshChecks(NONCE)].map((c) => c.id);
    expect(new Set(all).size).toBe(all.length);
    // An answer has no record, so nothing that a record rests on is asked of it.
    expect(all.filter((id) => /^(?:foreign-|grant-|lineage$|closure$)/.test(id))).toEqual([]);
  });
});

test('another nonce than the one asked fails, however long it is', async () => {
  for (const nonce of [
    flip(NONCE, 31),
    concat(NONCE, Uint8Array.of(0)),
    NONCE.subarray(0, 16),
    new Uint8Array(),
  ]) {
    expect((await answered({}, nonce)).verdict).toBe('rejected');
  }
});

test('every entry is judged, not thrown at, wherever else in the file it stands', async () => {
  const { raw, fresh, trust } = await forge();
  const level1 = parseTrust(utf8(JSON.stringify({ ...trust, minimumLevel: 1 })));
  const entries = [raw.genesis, raw.boot, raw.record, ...raw.related];
  for (const entry of entries) {
    for (const list of ['measurements', 'related', 'keyChanges'] as const) {
      if (raw[list]?.includes(entry)) continue;
      const with_ = [...(raw[list] ?? []), entry].sort((a, b) => a.index - b.index);
      const report = await verifyBundle(bundleOf({ ...raw, [list]: with_ }), level1);
      expect(report.verdict, `${list} and index ${entry.index}`).toBe('rejected');
      if (list === 'related' || entry === raw.record || raw.related.includes(entry)) continue;
      const state = { ...fresh.state, [list]: [entry, ...(fresh.state[list] ?? [])] };
      const answer = await verifyFresh(freshOf({ ...fresh, state }), NONCE, level1);
      expect(answer.verdict, `answer, ${list} and index ${entry.index}`).toBe('rejected');
    }
  }
});

test('neither kind of file passes for the other', async () => {
  const { fresh, trust } = await forge();
  const file = freshOf(fresh);
  expect(await verifyBundle(file, parseTrust(utf8(JSON.stringify(trust))))).toMatchObject({
    malformed: true,
  });
});

test('no change of one byte of an answer is verified, and no prefix of it is one', async () => {
  useSha256((data) => new Uint8Array(createHash('sha256').update(data).digest()));
  const { fresh, trust } = await forge();
  const file = freshOf(fresh);
  const level1 = parseTrust(utf8(JSON.stringify({ ...trust, minimumLevel: 1 })));
  const tools = createMemo();
  const survivors: number[] = [];
  for (let i = 0; i < file.length; i++) {
    const b = file[i] as number;
    file[i] = /[A-Ya-y0-8]/.test(String.fromCharCode(b)) ? b + 1 : b ^ 1;
    if ((await verifyFresh(file, NONCE, level1, { tools })).verdict === 'verified') survivors.push(i);
    file[i] = b;
    if (!(await verifyFresh(file.subarray(0, i), NONCE, level1, { tools })).malformed) survivors.push(-i);
  }
  expect(survivors).toEqual([]);
}, 600_000);
