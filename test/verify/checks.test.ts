import { describe, expect, test } from 'vitest';
import { concat, toHex, utf8 } from '../../src/core/bytes.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { sealKeyId } from '../../src/evidence/seal.ts';
import { printVkey } from '../../src/log/keys.ts';
import { type NoteSignature, parseNote, printNote } from '../../src/log/note.ts';
import { SEAL_CHECKS } from '../../src/verify/foreign/seal.ts';
import { judge } from '../../src/verify/judge.ts';
import { broken, got } from '../../src/verify/outcome.ts';
import { readBundle } from '../../src/verify/read.ts';
import { exitStatus, type Report } from '../../src/verify/report.ts';
import { CHECKS } from '../../src/verify/table.ts';
import { parseTrust } from '../../src/verify/trust.ts';
import { makeCrl } from '../kit/authority.ts';
import { BOOT, bootedWith, hash, printLog } from '../kit/bootlog.ts';
import { bundleOf } from '../kit/bundled.ts';
import { forge } from '../kit/forge.ts';
import { governed } from '../kit/governed.ts';
import type { Hooks, World } from '../kit/hooks.ts';
import { cosign, noteText } from '../kit/witness.ts';
import { ANCHORS_VECTORS } from './vectors/anchors.ts';
import { APPRAISAL_VECTORS, appraised } from './vectors/appraisal.ts';
import { CERTIFICATE_VECTORS } from './vectors/certificate.ts';
import { checkpointVectors, knowing, sealedOnly } from './vectors/checkpoint.ts';
import { ENTRIES_VECTORS } from './vectors/entries.ts';
import { closed, foreignVectors, OTHER_LOG, resting } from './vectors/foreign.ts';
import { forkVectors, ONE_LOG } from './vectors/fork.ts';
import { BOUND_EXECUTABLE, GOVERNED_VECTORS } from './vectors/governed.ts';
import { GOOD_LISTS, IMA_VECTORS } from './vectors/ima.ts';
import { IMPORT_VECTORS, imported } from './vectors/imports.ts';
import { BOUND_RECORD_KEY, KEYS_VECTORS } from './vectors/keys.ts';
import { GOOD_LOGS, LOG_VECTORS } from './vectors/logs.ts';
import { MACHINE_VECTORS } from './vectors/machine.ts';
import { MEASURED_VECTORS } from './vectors/measured.ts';
import { keyMade, ROTATION_VECTORS, ROTATIONS } from './vectors/rotation.ts';
import { SEAL_VECTORS } from './vectors/seal.ts';
import { demand, TEE_VALID, TEE_VECTORS } from './vectors/tee.ts';
import { believing, chained, STAMPED, stamped, TIMESTAMP_VECTORS } from './vectors/timestamp.ts';

import {
  byBoth,
  byOne,
  chainedBy,
  ONE,
  SEEN,
  TWO,
  UNANCHORED,
  WITNESS_VECTORS,
  witnessed,
} from './vectors/witness.ts';

const VECTORS = [
  ...ENTRIES_VECTORS,
  ...SEAL_VECTORS,
  ...CERTIFICATE_VECTORS,
  ...KEYS_VECTORS,
  ...ROTATION_VECTORS,
  ...MACHINE_VECTORS,
  ...LOG_VECTORS,
  ...MEASURED_VECTORS,
  ...APPRAISAL_VECTORS,
  ...IMA_VECTORS,
  ...ANCHORS_VECTORS,
  ...GOVERNED_VECTORS,
  ...IMPORT_VECTORS,
  ...TEE_VECTORS,
  ...TIMESTAMP_VECTORS,
  ...(await foreignVectors()),
  ...(await checkpointVectors()),
  ...(await forkVectors()),
  ...WITNESS_VECTORS,
];

test('a record key that is bound to a policy passes every check, and the verdict names the policy and no more', async () => {
  const said = async (hooks: Hooks) => {
    const report = await judged(hooks);
    expect([ids(report, 'fail'), ids(report, 'unknown'), report.level]).toEqual([[], [], 4]);
    return report.checks.find((c) => c.id === 'record-key')?.sentence;
  };
  expect(await said(BOUND_RECORD_KEY)).toMatch(
    /lets it sign only as the policy (a5){32} allows; what that is does not stand here\.$/,
  );
  const accepting: Hooks['trust'] = (t) => ({ ...t, recordKeyPolicies: ['5a'.repeat(32), 'a5'.repeat(32)] });
  expect(await said({ ...BOUND_RECORD_KEY, trust: accepting })).toMatch(
    /only as the policy (a5){32} allows, which the trust file accepts\.$/,
  );
});

async function judged(hooks: Hooks, now?: number): Promise<Report> {
  const { raw, trust } = await forge(hooks);
  return judge(got(raw), parseTrust(utf8(JSON.stringify(trust))), now === undefined ? {} : { now });
}
const ids = (r: Report, status: string) => r.checks.filter((c) => c.status === status).map((c) => c.id);

test('a valid bundle passes every check and reaches level 4', async () => {
  const report = await judged({});
  expect(ids(report, 'fail')).toEqual([]);
  expect(ids(report, 'unknown')).toEqual([]);
  expect(report).toMatchObject({ verdict: 'verified', level: 4, simulated: false, malformed: false });
  expect(exitStatus(report)).toBe(0);
});

test.each([
  ['', {}],
  [', also where its grants are for one executable', BOUND_EXECUTABLE],
])('a governed bundle passes every check%s', async (_, hooks) => {
  const report = await judged({ governed: governed(hooks) as NonNullable<Hooks['governed']> });
  const sentences = report.checks.filter((c) => c.status !== 'pass').map((c) => `${c.id}: ${c.sentence}`);
  expect(sentences).toEqual([]);
  expect(report).toMatchObject({ verdict: 'verified', level: 4 });
});

test('a record that rests on one of another host verifies with the evidence of it, edge by edge', async () => {
  const hooks = closed(await resting());
  const report = await judged(hooks);
  expect(report.checks.filter((c) => c.status !== 'pass').map((c) => `${c.id}: ${c.sentence}`)).toEqual([]);
  expect(report).toMatchObject({ verdict: 'verified', level: 4 });
  expect(report.checks.find((c) => c.id === 'foreign-lineage')?.sentence).toMatch(/^Of 1 records .* of 1 is/);
  // And through one more host: what the other rests on is judged as well, and its fault is ours.
  const { raw } = await forge(await resting({ other: { header: (h) => ({ ...h, timeMs: 1 }) } }));
  const { raw: good } = await forge(hooks);
  expect(readBundle(bundleOf(good))).toEqual(good);
  const nested = await judged(
    await resting({
      edit: (r) => ({ ...r, ...(raw.foreign === undefined ? {} : { foreign: raw.foreign }) }),
    }),
  );
  expect(nested.checks.find((c) => c.status === 'fail')).toMatchObject({
    id: 'foreign-lineage',
    sentence: expect.stringMatching(
      new RegExp(`^The evidence of ${OTHER_LOG} is rejected: foreign-lineage: `),
    ),
  });
});

test('a record that knows one of another host by a checkpoint verifies, and says how much that shows', async () => {
  const hooks = await knowing();
  const report = await judged(hooks);
  expect(report.checks.filter((c) => c.status !== 'pass').map((c) => `${c.id}: ${c.sentence}`)).toEqual([]);
  expect(report).toMatchObject({ verdict: 'verified', level: 4 });
  const said = (r: Report) => r.checks.find((c) => c.id === 'foreign-checkpoint')?.sentence;
  expect(said(report)).toMatch(/^Of 1 records .* by a checkpoint, 1 stand under a seal .* not shown/);
  const { raw } = await forge(hooks);
  expect(readBundle(bundleOf(raw))).toEqual(raw);
  // Without the certificate of that host the proof is held to itself alone, and nothing is claimed of the seal.
  const open = await judged(await knowing({ chains: () => [] }));
  expect([open.verdict, said(open)]).toEqual(['verified', expect.stringMatching(/, 0 stand under a seal/)]);
  expect([ids(open, 'unknown'), open.level]).toEqual([['foreign-seal'], 4]);
  expect((await judged(sealedOnly(hooks))).verdict).toBe('verified');
  // The evidence of that host brings its certificate with it, and agrees.
  const both = await judged(await knowing({ chains: () => [], foreign: (other) => [other] }));
  expect([both.verdict, said(both)]).toEqual(['verified', expect.stringMatching(/, 1 stand under a seal/)]);
});

test.each(Object.entries(ONE_LOG))('a log that agrees with itself is one: %s', async (_, hooks) => {
  const report = await judged(await hooks());
  expect(report.checks.filter((c) => c.status !== 'pass').map((c) => `${c.id}: ${c.sentence}`)).toEqual([]);
  expect(report).toMatchObject({ verdict: 'verified', level: 4 });
});

test('the decision behind a record is derived again, with at least 30 ways to break it', () => {
  expect(GOVERNED_VECTORS.length).toBeGreaterThanOrEqual(30);
});

test('without its evidence a record of another host is named, and nothing is said of it', async () => {
  const report = await judged(await resting({ given: false }));
  expect(report.verdict).toBe('verified');
  expect(report.checks.find((c) => c.id === 'foreign-lineage')?.sentence).toMatch(
    /the evidence of 0 is given/,
  );
});

test.each([
  ['that nobody signed', {}, 'integrity-only'],
  ['that a node signed', { signed: true }, 'node-signed'],
] as const)('an import of a CER %s verifies, and shows what it proved', async (_name, wish, proved) => {
  const report = await judged(imported(wish));
  const sentences = report.checks.filter((c) => c.status !== 'pass').map((c) => `${c.id}: ${c.sentence}`);
  expect(sentences).toEqual([]);
  expect(report).toMatchObject({
    verdict: 'verified',
    level: 4,
    record: { kind: 'import', imported: { proved } },
  });
  expect(report.checks.find((c) => c.id === 'import-content')?.sentence).toMatch(
    proved === 'node-signed'
      ? /key k1 of the node nexart-node-1 signed/
      : /integrity alone: nobody signed it/,
  );
});

test('of an import whose CER is not shown, what it proved is the word of the host, and that is said', async () => {
  const report = await judged(imported({ undisclosed: true }));
  expect(report).toMatchObject({ verdict: 'verified', level: 4 });
  expect(ids(report, 'unknown')).toEqual(['import-content']);
});

test.each(Object.entries({ ...ROTATIONS, 'a key for a caller': keyMade() }))(
  'a bundle with %s passes every check, and reads back from its file',
  async (_, hooks) => {
    const report = await judged(hooks);
    const sentences = report.checks.filter((c) => c.status !== 'pass').map((c) => `${c.id}: ${c.sentence}`);
    expect(sentences).toEqual([]);
    expect(report).toMatchObject({ verdict: 'verified', level: 4 });
    const { raw } = await forge(hooks);
    expect(readBundle(bundleOf(raw))).toEqual(raw);
  },
);

describe('whose seal it is', () => {
  const rotation = { roles: ['ak'] } as const;
  test('a bundle that leaves the change out shows another key than the certificate', async () => {
    const report = await judged({ rotation, raw: ({ keyChanges: _, ...r }) => r });
    expect([report.verdict, ids(report, 'fail')]).toEqual([
      'rejected',
      expect.arrayContaining(['ak-key', 'seal-signer']),
    ]);
  });
  test('an AK that seals after its retirement is not the one in force, with its good certificate', async () => {
    const report = await judged({
      rotation,
      certificate: (c, w) => ({ ...c, key: w.ak }),
      sealKey: (_, w) => w.ak,
      lines: ([l], w) => [
        { ...(l as NoteSignature), keyId: sealKeyId((l as NoteSignature).name, w.ak.spki) },
      ],
    });
    expect([report.verdict, ids(report, 'fail')]).toEqual(['rejected', expect.arrayContaining(['ak-key'])]);
  });
});

test.each(Object.entries(TEE_VALID))(
  'a host inside %s passes every check, and the report says so',
  async (name, hooks) => {
    const report = await judged(hooks);
    const sentences = report.checks.filter((c) => c.status !== 'pass').map((c) => `${c.id}: ${c.sentence}`);
    expect(sentences).toEqual([]);
    expect(report).toMatchObject({ verdict: 'verified', level: 4 });
    expect(report.checks.find((c) => c.id === 'tee-report')?.sentence).toContain(name);
    expect(report.confidential?.measurement).toMatch(/7$/);
  },
);

test('where no confidential machine is demanded, its absence changes no verdict', async () => {
  const report = await judged({ trust: demand((t) => ({ ...t, required: false })) });
  expect(report).toMatchObject({ verdict: 'verified', level: 4 });
  expect(report.confidential).toBeUndefined();
  expect(ids(report, 'unknown').every((id) => id.startsWith('tee-'))).toBe(true);
});

test('a report of a confidential machine that nobody asks about is not looked at', async () => {
  const report = await judged({ tee: TEE_VALID['Intel TDX'].tee });
  expect(report.verdict).toBe('verified');
  expect(report.checks.some((c) => c.id.startsWith('tee-'))).toBe(false);
});

describe('proven time', () => {
  const validity = (r: Report) => r.checks.find((c) => c.id === 'ak-certificate-validity')?.sentence;

  test('a timestamp over the seal proves it, and the word of the host is not needed', async () => {
    const report = await judged(stamped({ accuracy: 1 }));
    expect([report.verdict, ids(report, 'fail'), ids(report, 'unknown')]).toEqual(['verified', [], []]);
    expect(validity(report)).toContain(new Date(STAMPED + 1000).toISOString());
  });

  test('a timestamp over a later seal proves it too, and by the clock of the TPM how much earlier it was', async () => {
    const report = await judged(chained);
    expect([report.verdict, ids(report, 'fail'), ids(report, 'unknown')]).toEqual(['verified', [], []]);
    // The clock of a TPM can be set forward by its owner: of itself it only says which seal came first.
    expect(validity(report)).toContain(new Date(STAMPED).toISOString());
    const rated = (t: JsonObject, w: World) => {
      const { timestamps, ...rest } = believing(t, w);
      return { ...rest, timestamps: { ...(timestamps as JsonObject), clockRate: 1.5 } };
    };
    // One minute between the seals by a clock that may be fast by half.
    expect(validity(await judged({ ...chained, trust: rated }))).toContain(
      new Date(STAMPED - 40_000).toISOString(),
    );
  });

  test('what expired or was revoked after the stamp changes nothing, whatever time it is now', async () => {
    const serial = Uint8Array.of(0x61, 0x62);
    const revoked = (at: number, reason?: number): Hooks => ({
      ...stamped(),
      certificate: (c) => ({ ...c, serial, notAfter: STAMPED + 60_000 }),
      crls: async (l, w) => [
        await makeCrl(w.middle, [{ serial, at, ...(reason === undefined ? {} : { reason }) }], at),
        ...l.slice(1),
      ],
    });
    const now = Date.UTC(2040, 0);
    expect(await judged(revoked(STAMPED + 1000), now)).toMatchObject({ verdict: 'verified' });
    expect(await judged(revoked(STAMPED + 1000, 1), now)).toMatchObject({ verdict: 'verified' });
    const before = await judged(revoked(STAMPED - 1000), now);
    expect(ids(before, 'fail')).toEqual(['ak-certificate-revocation']);
    // Only the host says that the seal is older than the loss of its key.
    const claimed: Hooks = { ...revoked(STAMPED + 1000, 1), timestamps: async () => [], trust: (t) => t };
    const { timestamps: _, ...unstamped } = claimed;
    expect(ids(await judged(unstamped, now), 'fail')).toEqual(['ak-certificate-revocation']);
  });

  test('a timestamp of an authority that the auditor does not name is unknown, and needed by nobody', async () => {
    const report = await judged({ ...stamped(), trust: (t) => t });
    expect([report.verdict, ids(report, 'unknown')]).toEqual(['verified', ['timestamp']]);
  });

  test('a bundle with timestamps reads back from its file', async () => {
    const { raw } = await forge(chained);
    expect(readBundle(bundleOf(raw))).toEqual(raw);
  });
});
test.each(Object.entries({ ...GOOD_LOGS, policy: appraised(BOOT) }))(
  'so does one with logs: %s',
  async (_, hooks) => {
    const report = await judged(hooks);
    expect(ids(report, 'fail')).toEqual([]);
    expect(ids(report, 'unknown')).toEqual([]);
    const replayed = report.checks.find((c) => c.id === 'log-replay');
    expect(replayed?.sentence).toMatch(/lead to the quoted values of PCR .*11/);
    expect(report).toMatchObject({ verdict: 'verified', level: 4 });
  },
);

test('what is odd about the firmware log is told, and refuses nothing', async () => {
  const log = concat(printLog(BOOT), new Uint8Array(40).fill(0xff));
  const report = await judged(
    bootedWith(BOOT, {
      boot: (b) => ({ ...b, firmwareLog: { sha256: toHex(hash(log)), size: log.length } }),
      raw: (r) => ({ ...r, logs: { firmware: log } }),
    }),
  );
  const check = report.checks.find((c) => c.id === 'firmware-log');
  expect(check?.sentence).toMatch(/Odd about it: 40 filler bytes after the last event \(padding\)\.$/);
  expect(report.verdict).toBe('verified');
});

test.each(Object.entries(GOOD_LISTS))('so does one with an IMA list: %s', async (_, hooks) => {
  const report = await judged(hooks);
  const sentences = report.checks.filter((c) => c.status !== 'pass').map((c) => `${c.id}: ${c.sentence}`);
  expect(sentences).toEqual([]);
  expect(report.checks.find((c) => c.id === 'log-replay')?.sentence).toMatch(/quoted values of PCR .*10/);
  expect(report).toMatchObject({ verdict: 'verified', level: 4 });
});

describe('witnesses', () => {
  const faults = (r: Report) =>
    r.checks.filter((c) => c.status !== 'pass').map((c) => `${c.id}: ${c.sentence}`);
  const sentence = (r: Report, id: string) => r.checks.find((c) => c.id === id)?.sentence;

  test.each([
    ['in its own note', witnessed({ own: byOne })],
    ['over a later checkpoint', witnessed({ later: chainedBy(byOne) })],
    ['of both, one here and one there', witnessed({ required: 2, own: byOne, later: chainedBy(byBoth) })],
  ])('a bundle with cosignatures %s passes every check, and they prove time', async (_, hooks) => {
    const report = await judged(hooks);
    expect(faults(report)).toEqual([]);
    expect(report).toMatchObject({ verdict: 'verified', level: 4 });
    expect(sentence(report, 'ak-certificate-validity')).toContain('when witnesses had seen the sealed log');
  });

  test('the time is that by which as many had signed as are asked for', async () => {
    const at = async (required: number) =>
      sentence(await judged(witnessed({ required, own: byBoth })), 'witness');
    expect(await at(1)).toContain(new Date(SEEN * 1000 + 999).toISOString());
    expect(await at(2)).toContain(new Date((SEEN + 60) * 1000 + 999).toISOString());
  });

  test('without anchors, and without a counter at all, they show that the log continued: level 4', async () => {
    const report = await judged(UNANCHORED);
    expect(faults(report)).toEqual([]);
    expect(report).toMatchObject({ verdict: 'verified', level: 4 });
    expect(sentence(report, 'anchor-step')).toMatch(/a witness saw the log continue/);
    const counterless = await judged(witnessed({ own: byOne }, { counterless: true }));
    expect(counterless).toMatchObject({ verdict: 'verified', level: 4 });
    const { trust: _, ...unbelieved } = UNANCHORED;
    expect((await judged(unbelieved)).level).toBe(3);
  });

  test('those of strangers prove nothing and spoil nothing', async () => {
    const { trust: _, ...hooks } = witnessed({ own: byBoth });
    const report = await judged(hooks);
    expect([report.verdict, ids(report, 'unknown')]).toEqual(['verified', ['witness']]);
  });

  test('one key under two names is one witness, in the trust file and in the count', async () => {
    const { raw, trust } = await forge(witnessed({ required: 2, own: byBoth }));
    const again = printVkey({ ...ONE.key, name: 'witness.example/alias' });
    const keys = (...list: string[]) =>
      utf8(JSON.stringify({ ...trust, witnesses: { keys: list, required: 2 } }));
    expect(() => parseTrust(keys(ONE.vkey, again))).toThrow(/another name/);
    const forced = {
      ...parseTrust(keys(ONE.vkey, TWO.vkey)),
      witnesses: { keys: [ONE.key, { ...ONE.key, name: TWO.key.name }], required: 2 },
    };
    const alias = cosign({ ...ONE, key: { ...ONE.key, name: TWO.key.name } }, noteText(raw.note), SEEN);
    const { text, signatures } = parseNote(raw.note);
    const lines = [...signatures.filter((s) => s.name !== TWO.key.name), alias];
    const note = utf8(printNote({ text, signatures: lines }));
    const report = await judge(got({ ...raw, note }), forced);
    expect(ids(report, 'fail')).toEqual([]);
    expect(ids(report, 'unknown')).toContain('witness');
  });

  test('a bundle with cosignatures reads back from its file', async () => {
    const { raw } = await forge(witnessed({ own: byOne, later: chainedBy(byBoth) }));
    expect(readBundle(bundleOf(raw))).toEqual(raw);
  });
});

describe('each vector breaks one check and no other', () => {
  test.each(VECTORS.map((v) => [`${v.id}: ${v.name}`, v] as const))('%s', async (_, v) => {
    const report = await judged(v.hooks, v.now);
    const sentences = report.checks.filter((c) => c.status !== 'pass').map((c) => `${c.id}: ${c.sentence}`);
    const failed = v.status === 'unknown' ? [] : [v.id];
    expect(ids(report, 'fail'), sentences.join('\n')).toEqual(failed);
    const unknown = [...(v.blocked ?? []), ...(v.status === 'unknown' ? [v.id] : [])].sort();
    expect(ids(report, 'unknown').sort(), sentences.join('\n')).toEqual(unknown);
    expect(report.verdict).toBe(v.status === 'unknown' ? 'indeterminate' : 'rejected');
    expect(exitStatus(report)).toBe(v.status === 'unknown' ? 4 : 1);
    if (v.says !== undefined) expect(report.checks.find((c) => c.id === v.id)?.sentence).toMatch(v.says);
  });
});

test('every check has a vector', () => {
  const covered = new Set([...VECTORS.map((v) => v.id), 'bundle-format']);
  expect(CHECKS.map((c) => c.id).filter((id) => !covered.has(id))).toEqual([]);
  expect([...covered].filter((id) => !CHECKS.some((c) => c.id === id))).toEqual([]);
  expect(new Set(CHECKS.map((c) => c.id)).size).toBe(CHECKS.length);
  // And everything that the seal of another host is held to, inside the one check that says so.
  const said = VECTORS.filter((v) => v.id === 'foreign-checkpoint').map((v) => v.says?.source ?? '');
  expect(SEAL_CHECKS.map((c) => c.id).filter((id) => !said.some((s) => s.includes(`hold: ${id}:`)))).toEqual(
    [],
  );
});

test('what is no bundle fails that check alone, and is called malformed', async () => {
  const { trust } = await forge();
  const report = await judge(broken('not JSON'), parseTrust(utf8(JSON.stringify(trust))));
  expect(ids(report, 'fail')).toEqual(['bundle-format']);
  expect(ids(report, 'pass')).toEqual([]);
  expect(report).toMatchObject({ verdict: 'rejected', malformed: true, level: 0 });
  expect(exitStatus(report)).toBe(3);
});
