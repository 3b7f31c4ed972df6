/**
 * What the articles behind this project ask of execution evidence, row by row: each is shown on one governed execution
 * of a real host, and judged by the verifier from its bundle alone.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../src/client/client.ts';
import { fromBase64 } from '../../src/core/bytes.ts';
import { type AttestdError, isAttestdError } from '../../src/core/errors.ts';
import { parseBundle, printBundle } from '../../src/evidence/bundle.ts';
import { parseDisclosure } from '../../src/evidence/disclosure.ts';
import type { DENIAL_CODES } from '../../src/evidence/schema/governance.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { parseTrust } from '../../src/verify/trust.ts';
import { verifyBundle } from '../../src/verify/verify.ts';
import { CTL } from '../kit/ctl.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';
import { ACT, makePolicies, POLICIES, type PolicyFolder, request } from './kit.ts';

let policies: PolicyFolder;
let host: EnrolledHost;
let bundle: ReturnType<typeof parseBundle>;
let predicate: Record<string, unknown>;
let attempted: Record<string, unknown>;
let report: { verdict: string; level: number; checks: { id: string; status: string; sentence: string }[] };
let file: string;
let trust: string;

beforeAll(async () => {
  policies = makePolicies(POLICIES);
  host = await makeEnrolledHost({
    policy: [`directory = "${policies.directory}"`, `keys = ["${policies.publicKey}"]`],
  });
  await host.up();
  const client = connect({ socket: host.socket, client: 'acceptance/1' });
  const grant = await client.grant(request({ claimed: { sub: 'agent:x' } }) as never);
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  const attempt = await client.begin({
    grant: grant.id,
    ...ACT,
    claimed: { sub: 'agent:x' },
    inputs: { prompt: 'refund Ann' },
    parameters: { temperature: 0 },
    trace: { traceparent },
    parents: [{ rel: 'after', digest: grant.digest }],
  });
  const done = await client.complete(attempt.id, {
    outcome: { status: 'succeeded', effect: 'confirmed' },
    outputs: { answer: 'approved' },
    artefacts: [{ name: 'receipt.pdf', sha256: 'c'.repeat(64) }],
    capture: { complete: false, omitted: ['stdout over 1 MiB'] },
    trace: { traceparent },
  });
  client.close();
  file = await host.bundle(done.id);
  trust = await host.trust(file, 3);
  bundle = parseBundle(new Uint8Array(readFileSync(file)));
  predicate = readStatement(fromBase64(bundle.record.entry)).predicate as never;
  const begun = await host.shown(attempt.id);
  attempted = begun.statement.predicate as Record<string, unknown>;
  report = JSON.parse((await host.ctl(['verify', file, '--trust', trust, '--json'])).stdout);
}, 600_000);
afterAll(async () => {
  await host?.remove();
  rmSync(policies.directory, { recursive: true, force: true });
});

/** What the verifier says of the bundle with something changed in it. */
async function judge(change: (b: ReturnType<typeof parseBundle>) => void) {
  const copy = structuredClone(bundle);
  change(copy);
  return verifyBundle(printBundle(copy), parseTrust(new Uint8Array(readFileSync(trust))));
}

const related = (kind: string) =>
  bundle.related.map((r) => readStatement(fromBase64(r.entry))).filter((s) => s.kind === kind);
const passes = (...ids: string[]) => {
  for (const id of ids) expect([id, report.checks.find((c) => c.id === id)?.status]).toEqual([id, 'pass']);
};

describe('evidence of one execution', () => {
  it('CER: inputs and parameters', () => {
    expect(attempted).toMatchObject({ inputs: { _sd: [expect.any(String)] }, parameters: { amount: 40 } });
  });
  it('CER: runtime fingerprint', async () => {
    const { kind, predicate } = readStatement(fromBase64(bundle.boot.entry)) as unknown as {
      kind: string;
      predicate: { pcrs: { sha256: Record<string, string> }; daemon: Record<string, string> };
    };
    expect(kind).toBe('boot');
    const registers = Object.entries(predicate.pcrs.sha256);
    expect(registers.map(([n]) => n)).toEqual(expect.arrayContaining(['0', '7', '13']));
    for (const [, value] of registers) expect(value).toMatch(/^[0-9a-f]{64}$/);
    expect(bundle.pcrs?.sha256).toMatchObject({ 0: predicate.pcrs.sha256['0'] });
    passes('seal-signature', 'seal-pcr-digest', 'boot-run');
    // Another machine state under the same seal is seen.
    const { checks } = await judge((b) => Object.assign(b.pcrs?.sha256 ?? {}, { 7: 'e'.repeat(64) }));
    expect(checks.find((c) => c.id === 'seal-pcr-digest')?.status).toBe('fail');
  });
  it('CER: execution context', () => {
    expect(attempted).toMatchObject({
      caller: { observed: { uid: process.getuid?.() }, claimed: { sub: 'agent:x' } },
      action: ACT.action,
      trace: { traceparent: expect.any(String) },
    });
  });
  it('CER: output hash', () => {
    const { artefacts } = readStatement(fromBase64(bundle.record.entry));
    expect(artefacts).toMatchObject([{ name: 'receipt.pdf', annotations: { salted: true } }]);
    const opened = bundle.disclosures.map((d) => parseDisclosure(d).name).sort();
    expect(opened).toEqual(['answer', 'receipt.pdf']);
    passes('disclosures');
  });
  it('CER: certificate identity', () => passes('ak-certificate-path', 'ak-key', 'record-key'));
  it('complete', async () => {
    // What is missing is said by the record itself, and the log has nothing missing before it: the counter shows that.
    expect(predicate.capture).toEqual({ complete: false, omitted: ['stdout over 1 MiB'] });
    passes('counter', 'genesis-anchor', 'inclusion-record', 'completion', 'grant-given');
    // A bundle that leaves out what the record rests on is not taken for whole.
    for (let i = 0; i < bundle.related.length; i++) {
      const { verdict } = await judge((b) => b.related.splice(i, 1));
      expect(verdict, `without entry ${bundle.related[i]?.index}`).not.toBe('verified');
    }
  });
  it('portable, independently verifiable', () => {
    // Two files in an empty folder, no network, nothing of the host's surroundings.
    const alone = mkdtempSync(join(tmpdir(), 'attestd-auditor-'));
    try {
      copyFileSync(file, join(alone, 'evidence.json'));
      copyFileSync(trust, join(alone, 'trust.json'));
      const verify = [CTL, 'verify', 'evidence.json', '--trust', 'trust.json', '--json'];
      const { status, stdout, stderr } = spawnSync('unshare', ['-rn', process.execPath, ...verify], {
        encoding: 'utf8',
        cwd: alone,
        env: { PATH: process.env.PATH ?? '' },
      });
      expect(status, stderr).toBe(0);
      expect(JSON.parse(stdout)).toEqual(report);
      expect(report.verdict).toBe('verified');
    } finally {
      rmSync(alone, { recursive: true, force: true });
    }
  });
  it('tamper-evident', async () => {
    const bytes = readFileSync(file, 'utf8').replace('"index":', '"index":1');
    expect((await host.ctl(['verify', '-', '--trust', trust], { stdin: bytes })).status).not.toBe(0);
    passes('inclusion-record', 'inclusion-related');
  });
  it('prove that it originated from a specific environment', () =>
    expect(report.level).toBeGreaterThanOrEqual(3));
});

describe('governance of it', () => {
  it('authorization artifacts: scope, temporal validity, policy validation, identity binding, signatures, environment', () => {
    const [grant] = related('grant');
    expect(grant?.predicate).toMatchObject({
      scope: [{ type: 'tool.call' }],
      notBefore: expect.any(String),
      notAfter: expect.any(String),
      policy: { id: 'test@1', sha256: expect.any(String), engine: expect.stringMatching(/^cedar-/) },
      holder: { uid: process.getuid?.() },
    });
    passes(
      'grant-scope',
      'grant-window',
      'grant-policy',
      'grant-caller',
      'grant-environment',
      'seal-signature',
    );
  });
  it('pre-execution authorization persistence', () => passes('grant-given', 'grant-order', 'grant-uses'));
  it('execution gateway decisions, denial conditions and outcomes', async () => {
    const refused = await host.ctl(['grant', 'request', '--type', 'exec', '--name', 'rm']);
    expect([refused.status, refused.stderr]).toEqual([6, expect.stringContaining('POLICY_DENY')]);
    const id = /record ([0-9A-Z]{26})/.exec(refused.stderr)?.[1] ?? '';
    expect((await host.shown(id)).statement.predicate).toMatchObject({
      reason: 'POLICY_DENY',
      condition: 'no policy permits it',
    });
    // A record that waits for its seal, so that the denial before it is sealed too.
    await host.recorded('true');
    const other = await host.bundle(id);
    expect((await host.ctl(['verify', other, '--trust', trust])).status).toBe(0);
  });
  it('execution lineage, governance ancestry, distributed inheritance', () => {
    expect(predicate.parents).toMatchObject([{ rel: 'completes' }]);
    expect(attempted.parents).toMatchObject([{ rel: 'after' }]);
    passes('lineage', 'delegation', 'completion');
  });
  // States of the host itself, a lost continuity among them, are made in closed, epoch and full; ATTRIBUTION_FAILED in reuse.
  it('fail-closed audit integrity: one denial code for each condition, on record and verified', async () => {
    const client = connect({ socket: host.socket, client: 'acceptance/1' });
    const ids = new Map<string, string>();
    const refused = async (expected: (typeof DENIAL_CODES)[number], act: () => Promise<unknown>) => {
      const e = await act().then(
        () => undefined,
        (e: unknown) => e,
      );
      expect(isAttestdError(e, expected), `${expected}, not ${e}`).toBe(true);
      ids.set(expected, String((e as AttestdError).facts.denial?.id));
    };
    const grant = async (more: Record<string, unknown> = {}) =>
      (await client.grant(request(more) as never)).id;
    const unheard = '0'.repeat(26);
    const missing = [{ rel: 'after', digest: 'd'.repeat(64) }] as const;
    const elsewhere = { environment: { pcrs: { sha256: { 7: 'e'.repeat(64) } } } };
    const later = { notBefore: new Date(Date.now() + 3_600_000).toISOString() };
    await refused('EVIDENCE_CHAIN_INVALID', () => client.begin({ grant: unheard, ...ACT }));
    await refused('LINEAGE_DISCONTINUITY', () => client.grant(request({ parents: missing }) as never));
    await refused('ENVIRONMENT_MISMATCH', async () =>
      client.begin({ grant: await grant(elsewhere), ...ACT }),
    );
    await refused('GRANT_NOT_YET_VALID', async () => client.begin({ grant: await grant(later), ...ACT }));
    await refused('SCOPE_EXCEEDED', async () =>
      client.begin({ grant: await grant(), action: { ...ACT.action, name: 'elsewhere' } }),
    );
    const holder = { uid: 4711, cgroup: '/nowhere' };
    await refused('IDENTITY_MISMATCH', async () => client.begin({ grant: await grant({ holder }), ...ACT }));
    client.close();
    // A record that waits for its seal, so that the denials before it are sealed too.
    await host.recorded('true');
    for (const [code, id] of ids) {
      const shown = await host.shown(id);
      expect(shown.statement.predicate).toMatchObject({ reason: code, condition: expect.any(String) });
      const verdict = await host.ctl(['verify', await host.bundle(id), '--trust', trust]);
      // What names a parent that nobody has cannot be verified to the end.
      const expected = code === 'LINEAGE_DISCONTINUITY' ? 4 : 0;
      expect.soft([code, verdict.status], verdict.stdout).toEqual([code, expected]);
    }
    expect(ids.size).toBe(6);
  }, 300_000);
  it('governance mesh audit continuity: a record of another host can be a parent', async () => {
    const log = 'fleet/other-host/7';
    const body = {
      phase: 'completed',
      ...ACT,
      parents: [{ rel: 'derivedFrom', digest: 'd'.repeat(64), log }],
    };
    const { id } = JSON.parse(await host.must(['record', '-', '--json'], { stdin: JSON.stringify(body) }));
    expect((await host.shown(id)).statement.predicate.parents).toEqual(body.parents);
    const other = await host.bundle(id);
    expect((await host.ctl(['verify', other, '--trust', trust])).status).toBe(0);
    // Who demands the whole of it misses the evidence of that host; with it, see hosts.test.
    const { status, stdout } = await host.ctl(['verify', other, '--trust', trust, '--closure', '--json']);
    const { verdict, checks } = JSON.parse(stdout) as typeof report;
    expect([status, verdict]).toEqual([4, 'indeterminate']);
    expect(checks.find((c) => c.id === 'closure')).toMatchObject({ status: 'unknown' });
  });
  it('policy authority continuity', () => {
    const [change] = related('policychange');
    expect(change?.predicate).toMatchObject({
      policy: { id: 'test@1' },
      signature: expect.any(String),
      key: expect.any(String),
    });
    passes('policy-signature');
  });
});
