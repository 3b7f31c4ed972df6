/** Each rule of the audit with a log that breaks it and no other. */
import { createHash } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { toHex, ZERO32 } from '../../src/core/bytes.ts';
import { sha256, useSha256 } from '../../src/core/hash.ts';
import { type JsonObject, jcsBytes } from '../../src/core/json.ts';
import { PAYLOAD_TYPE } from '../../src/core/namespace.ts';
import { pae, parseEntry, recordDigest } from '../../src/evidence/dsse.ts';
import { makeAttributes } from '../../src/evidence/tpm/attributes.ts';
import { Audit } from '../../src/verify/audit/audit.ts';
import { readStretch } from '../../src/verify/audit/stretch.ts';
import { flip } from '../kit/forge.ts';
import { NONCE, T0 } from '../kit/hooks.ts';
import { type AuditHooks, auditOf, forgeLog, type Step } from './auditlog.ts';

beforeAll(() => useSha256((data) => new Uint8Array(createHash('sha256').update(data).digest())));

/** 0 genesis, 1 boot, 2 anchor, seal 1; 3, 4, seal 2; 5, 6, seal 3; 7 boot, 8 anchor, 9, seal 4. */
const only =
  <T, R extends T = T>(at: number, change: (v: T) => R) =>
  (v: T, here: number) =>
    here === at ? change(v) : v;
const again = (steps: Step[], from: number, to = from) => [...steps.slice(0, to + 1), ...steps.slice(from)];

/** The entry with another predicate that its subject binds again. */
function rewritten(entry: Uint8Array, change: (p: JsonObject) => JsonObject): Uint8Array {
  const statement = parseEntry(entry).json as {
    predicate: JsonObject;
    subject: [{ digest: { sha256: string } }];
  };
  statement.predicate = change(statement.predicate);
  statement.subject[0].digest.sha256 = toHex(sha256(jcsBytes(statement.predicate)));
  return pae(PAYLOAD_TYPE, jcsBytes(statement));
}

/** Entries from 3 on are of these kinds; a body may name the digests of those before it. */
function governed(
  ...plan: readonly (readonly [kind: string, body: (digests: string[]) => JsonObject])[]
): AuditHooks {
  const digests: string[] = [];
  const refs = () => plan.map((_, i) => digests[3 + i] as string);
  return {
    kind: (k, at) => plan[at - 3]?.[0] ?? k,
    body: (b, at) => {
      const [kind, more] = plan[at - 3] ?? [];
      const caller = { observed: (b.caller as JsonObject | undefined)?.observed } as JsonObject;
      if (kind === 'execution') return { ...b, ...more?.(refs()) };
      return kind === undefined ? b : { caller, ...more?.(refs()) };
    },
    entry: (e, at) => {
      digests[at] = toHex(recordDigest(e));
      return e;
    },
  };
}
const ID = '01KAE3X5V0N9S8QX1Z7M2R4B6C';
const ref = (digest: string | undefined) => ({ id: ID, digest: digest as string });
const LATER = '2027-01-01T00:00:00.000Z';
const grant = (maxUses: number, more: (d: string[]) => JsonObject = () => ({})) =>
  [
    'grant',
    (d: string[]) => ({
      scope: [{ type: 'exec', name: 'make' }],
      holder: { uid: 1000 },
      maxUses,
      seconds: 60,
      notBefore: '2026-01-01T00:00:00.000Z',
      notAfter: LATER,
      breakGlass: { reason: 'night' },
      ...more(d),
    }),
  ] as const;
const use = (n: number, phase: 'attempted' | 'completed', ends?: number) =>
  [
    'execution',
    (d: string[]) => ({
      phase,
      authorization: { grant: ref(d[0]), use: { n, prev: ref(d[0]) }, checkedAt: LATER },
      ...(ends === undefined ? {} : { parents: [{ rel: 'completes', digest: d[ends] as string }] }),
    }),
  ] as const;
const approval = ['approval', () => ({ request: ref('ab'.repeat(32)), notAfter: LATER })] as const;
const approved = grant(1, (d) => ({ approvals: [{ ...ref(d[0]), uid: 1001 }] }));

const BOTH = { roles: ['ak', 'record'] } as const;

const VECTORS: readonly (readonly [string, string, AuditHooks])[] = [
  ['entry-form', 'an entry that is none', { entry: only(5, (e) => e.slice(0, -1)) }],
  [
    'entry-schema',
    'a member that is none',
    { entry: only(5, (e) => rewritten(e, (p) => ({ ...p, zzz: 1 }))) },
  ],
  [
    'entry-log',
    'an entry of another log',
    { frame: (f, at) => (at === 5 ? { ...f, log: 'fleet/other/7' } : f) },
  ],
  [
    'entry-run',
    'an entry of another run',
    { frame: (f, at) => (at === 5 ? { ...f, boot: 'ab'.repeat(32) } : f) },
  ],
  ['time-order', 'a time that goes back', { frame: (f, at) => (at === 5 ? { ...f, timeMs: T0 + 1 } : f) }],
  [
    'genesis-anchor',
    'a counter certified over something else',
    { genesisAttest: (a) => ({ ...a, extraData: NONCE }) },
  ],
  [
    'genesis-epoch',
    'an epoch that the origin does not name',
    { body: only(0, (b) => ({ ...b, epoch: '8' })) },
  ],
  [
    'boot-clock',
    'a TPM clock that stood later before',
    {
      body: only(7, (b) => ({ ...b, reset: { ...(b.reset as object), resetCount: 3, clock: '1' } })),
      quote: only(4, (a) => ({ ...a, clockInfo: { ...a.clockInfo, resetCount: 3 } })),
    },
  ],
  [
    'boot-recovered',
    'recovered entries that were sealed',
    { body: only(7, (b) => ({ ...b, recovered: { from: 3, size: 2 } })) },
  ],
  ['anchor-order', 'an anchor behind another', { anchor: only(8, (a) => ({ ...a, prev: ZERO32 })) }],
  ['anchor-head', 'an anchor of another root', { anchor: only(8, (a) => ({ ...a, root: flip(a.root, 0) })) }],
  [
    'anchor-signature',
    'an anchor that the TPM certified over something else',
    {
      anchorAttest: only(8, (a) => ({ ...a, extraData: NONCE })),
    },
  ],
  ['seal-form', 'a note that is none', { note: only(4, (n) => n.slice(0, -2)) }],
  ['seal-order', 'a seq that is left out', { header: only(4, (h) => ({ ...h, seq: 9 })) }],
  ['seal-order', 'another seal before it', { header: only(4, (h) => ({ ...h, prevSeal: NONCE })) }],
  ['seal-root', 'another root', { head: only(4, (h) => ({ ...h, root: flip(h.root, 0) })) }],
  ['seal-time', 'a date before the last', { header: only(4, (h) => ({ ...h, timeMs: T0 })) }],
  ['seal-anchor', 'another anchor', { header: only(4, (h) => ({ ...h, anchorCtr: 3n })) }],
  ['seal-boot', 'another boot entry', { header: only(4, (h) => ({ ...h, bootIndex: 1 })) }],
  [
    'seal-clock',
    'a reset that no boot entry names',
    {
      quote: only(4, (a) => ({ ...a, clockInfo: { ...a.clockInfo, resetCount: 5 } })),
    },
  ],
  [
    'seal-clock',
    'a clock that goes back',
    {
      quote: only(3, (a) => ({ ...a, clockInfo: { ...a.clockInfo, clock: 1n } })),
    },
  ],
  ['seal-quote', 'a quote over something else', { quote: only(4, (a) => ({ ...a, extraData: NONCE })) }],
  ['grant-use', 'a use that is taken twice', governed(grant(3), use(1, 'attempted'), use(1, 'attempted'))],
  ['grant-use', 'a use beyond the last', governed(grant(1), use(1, 'completed'), use(2, 'completed'))],
  [
    'grant-use',
    'an attempt with two ends',
    governed(grant(3), use(1, 'attempted'), use(1, 'completed', 1), use(1, 'completed', 1)),
  ],
  [
    'grant-use',
    'an end of another attempt',
    governed(grant(3), use(1, 'attempted'), use(2, 'attempted'), use(1, 'completed', 2)),
  ],
  [
    'grant-use',
    'uses that a delegation took',
    governed(
      grant(3),
      grant(2, (d) => ({ delegation: { grant: ref(d[0]), use: { n: 1, prev: ref(d[0]), count: 2 } } })),
      use(2, 'completed'),
    ),
  ],
  [
    'grant-use',
    'more uses delegated than there are',
    governed(
      grant(3),
      grant(4, (d) => ({ delegation: { grant: ref(d[0]), use: { n: 1, prev: ref(d[0]), count: 4 } } })),
    ),
  ],
  ['approval-use', 'an approval that stands for two grants', governed(approval, approved, approved)],
  ['seal-quote', 'no structure of a TPM', { quote: only(4, (a) => ({ ...a, magic: 1 })) }],
];

/** Rules of the host's own keys and of those of callers. */
const KEY_VECTORS: typeof VECTORS = [
  [
    'key-order',
    'a change that names another one before it',
    {
      rotation: {
        ...BOTH,
        body: (b) =>
          b.role === 'ak' ? { ...b, prev: { ...(b.prev as object), digest: 'ab'.repeat(32) } } : b,
      },
    },
  ],
  ['key-order', 'a change back to a retired key', { rotation: { roles: ['ak', 'back'] } }],
  ['key-order', 'a change in the middle of a run', { rotation: { ...BOTH, late: true } }],
  [
    'key-succession',
    'a change by a key that is not in force',
    { rotation: { ...BOTH, signs: (k, which, w) => (which === 'ak' ? w.other : k) } },
  ],
  [
    'key-succession',
    'a new AK that did not sign for the old one',
    { rotation: { ...BOTH, signs: (k, which, w) => (which === 'retired' ? w.other : k) } },
  ],
  [
    'key-attributes',
    'a record key that can leave the TPM',
    {
      rotation: {
        ...BOTH,
        recordPublic: (p) => ({ ...p, attributes: makeAttributes('userWithAuth', 'sign') }),
      },
    },
  ],
  [
    'seal-form',
    'an AK that seals after its retirement',
    { rotation: { roles: ['ak'] }, sealKey: (w, n) => (n === 4 ? w.ak : undefined) },
  ],
  [
    'workload-key',
    'a key of a caller that was certified for another role',
    {
      kind: only(5, () => 'keychange'),
      body: (() => {
        let key: JsonObject = {};
        return (b: JsonObject, at: number) => {
          if (at === 0) key = b.recordKey as JsonObject;
          return at === 5 ? { change: 'added', role: 'workload', reason: 'asked for', key } : b;
        };
      })(),
    },
  ],
];

test('the log that nothing is altered in is verified', async () => {
  expect(await auditOf(await forgeLog())).toMatchObject({
    verdict: 'verified',
    entries: 10,
    sealed: 10,
    seals: 4,
    runs: 2,
    findings: [],
  });
});

test('so is one whose keys were replaced at the start of a run', async () => {
  const steps = await forgeLog({ rotation: BOTH });
  const report = await auditOf(steps);
  expect(report).toMatchObject({ verdict: 'verified', entries: 12, seals: 4, findings: [] });
  expect(
    await auditOf(
      steps,
      steps.map((_, i) => i),
    ),
  ).toEqual(report);
});

test.each([...VECTORS, ...KEY_VECTORS])('%s: %s', async (id, _, hooks) => {
  const { verdict, findings } = await auditOf(await forgeLog(hooks));
  expect([verdict, [...new Set(findings.map((f) => f.id))]]).toEqual(['rejected', [id]]);
});

test('a signature that is changed', async () => {
  const steps = await forgeLog();
  const last = steps.at(-1)?.seal as Uint8Array;
  // Twelve characters before the end of the line: a byte of s, in the same base64.
  const text = new TextDecoder().decode(last);
  const at = text.length - 12;
  const changed = text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);
  const { findings } = await auditOf([...steps.slice(0, -1), { seal: new TextEncoder().encode(changed) }]);
  expect(findings.map((f) => f.id)).toEqual(['seal-signature']);
});

test('what is out of its place', async () => {
  const steps = await forgeLog();
  const ids = async (changed: Step[]) => (await auditOf(changed)).findings.map((f) => f.id);
  expect(await ids([])).toEqual(['genesis-place']);
  expect(await ids(again(steps, 0))).toContain('genesis-place');
  expect(await ids([steps[0] as Step, ...steps.slice(2)])).toContain('boot-missing');
  expect(await ids(again(steps, 3))).toContain('seal-order');
});

test('two roots that are sealed for one size', async () => {
  const good = await forgeLog();
  const other = await forgeLog({ head: only(4, (h) => ({ ...h, root: flip(h.root, 0) })) });
  const { findings } = await auditOf([...good, other.at(-1) as Step]);
  expect(findings.map((f) => f.id)).toContain('seal-fork');
});

test('a log that nothing is sealed in is indeterminate', async () => {
  const steps = (await forgeLog()).filter((s) => s.entry !== undefined);
  expect(await auditOf(steps.slice(0, 5))).toMatchObject({ verdict: 'indeterminate', findings: [] });
});

test('uses within their bounds hold, with holes too, and so do their ends and approvals', async () => {
  const good = [
    governed(grant(3), use(1, 'attempted'), use(1, 'completed', 1), use(3, 'completed')),
    governed(grant(2), use(1, 'attempted'), use(2, 'attempted'), use(1, 'completed', 1)),
    governed(approval, approved, grant(1), approval),
    // An attempt that is not governed may be what a use completes.
    governed(grant(1), ['execution', () => ({ phase: 'attempted' })], use(1, 'completed', 1)),
  ];
  for (const hooks of good) {
    const steps = await forgeLog(hooks);
    expect((await auditOf(steps)).findings).toEqual([]);
    expect(
      (
        await auditOf(
          steps,
          steps.map((_, i) => i),
        )
      ).findings,
    ).toEqual([]);
  }
});

test('an audit that is fed in stretches says the same as one that looks at each entry', async () => {
  let taken = 0;
  for (const hooks of [{}, ...VECTORS.map(([, , h]) => h)]) {
    const steps = await forgeLog(hooks);
    const expected = JSON.stringify(await auditOf(steps));
    for (const width of [1, 2, 3]) {
      const audit = new Audit();
      let gathered: Uint8Array[] = [];
      const place = () => {
        const stretch = gathered.length === 0 ? undefined : readStretch(gathered);
        if (stretch !== undefined && audit.stretch(stretch)) taken++;
        else for (const entry of gathered) audit.entry(entry);
        gathered = [];
      };
      for (const { entry, seal } of steps) {
        if (entry !== undefined) gathered.push(entry);
        if (seal !== undefined || gathered.length === width) place();
        if (seal !== undefined) await audit.seal(seal);
      }
      place();
      expect(JSON.stringify(await audit.finish())).toBe(expected);
    }
  }
  expect(taken).toBeGreaterThan(VECTORS.length);
});

test('an audit that is saved and restored behind every step says the same', async () => {
  for (const hooks of [{}, ...VECTORS.map(([, , h]) => h)]) {
    const steps = await forgeLog(hooks);
    const breaks = steps.map((_, i) => i);
    expect(JSON.stringify(await auditOf(steps, breaks))).toBe(JSON.stringify(await auditOf(steps)));
  }
});
