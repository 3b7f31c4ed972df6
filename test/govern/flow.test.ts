/**
 * Governed execution against a real daemon and TPM: what is asked, granted, used, ended, refused. Each refusal is a
 * record, and the answer names it.
 */

import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { Type } from 'typebox';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromBase64 } from '../../src/core/bytes.ts';
import type { Daemon } from '../../src/daemon/daemon.ts';
import { printFile } from '../../src/evidence/jsonfile.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { ask, type Host, makeHost, until } from '../daemon/kit.ts';
import { may } from '../kit/privilege.ts';
import { extendCommand } from '../kit/wire.ts';
import { ACT, code, makePolicies, POLICIES, type PolicyFolder, post, request } from './kit.ts';
import { asUid, OTHER } from './other.ts';

let policies: PolicyFolder;
let host: Host;
let daemon: Daemon;
let socket: string;
let admin: string;

beforeAll(async () => {
  policies = makePolicies(POLICIES);
  host = await makeHost({
    socket: { mode: '0666' },
    policy: {
      directory: policies.directory,
      keys: [policies.publicKey],
      break_glass: true,
    },
  });
  chmodSync(host.dir, 0o755);
  socket = host.config.socket.path;
  admin = host.config.admin_socket.path;
  await host.init();
  daemon = await host.start();
  await daemon.started;
}, 120_000);
afterAll(async () => {
  await host?.remove();
  rmSync(policies.directory, { recursive: true, force: true });
});

const D = '?wait=durable';
const grant = async (more: Record<string, unknown> = {}) => {
  const answer = await post(socket, `/v1/grants${D}`, request(more));
  expect(answer.status, answer.text).toBe(201);
  return answer.json as { id: string; digest: string; index: number };
};
const begin = (id: string, more: Record<string, unknown> = {}) =>
  post(socket, `/v1/executions${D}`, { grant: id, ...ACT, ...more });
const predicateOf = async (id: string, at = admin) => {
  const { json } = await ask(at, `/v1/records/${id}`);
  const { kind, predicate } = readStatement(fromBase64(json.entry));
  // biome-ignore lint/suspicious/noExplicitAny: predicates are read in many shapes
  return { kind, predicate: predicate as any };
};
/** The answer is a refusal with this code, and the denial that it names says the same. */
async function denied(answer: Awaited<ReturnType<typeof post>>, expected: string) {
  expect([code(answer), answer.status], answer.text).toEqual([expected, answer.status]);
  expect(answer.status).toBeGreaterThanOrEqual(400);
  const { id, digest } = answer.json.denial;
  const { json } = await ask(admin, `/v1/records/${id}`);
  expect(json.digest).toBe(digest);
  const { kind, predicate } = await predicateOf(id);
  expect(kind).toBe('denial');
  expect(predicate.reason).toBe(expected);
  expect(predicate.condition).toBe(answer.json.detail);
  return predicate;
}

describe('a grant', () => {
  it('is a record before its lease is: asked, used, ended', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const call = (path: string, body: unknown) =>
      new Promise<{ id: string; digest: string; index: number }>((resolve, reject) => {
        const text = JSON.stringify(body);
        const headers = {
          'attestd-client': 't/1',
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
        };
        const r = httpRequest({ socketPath: socket, path, method: 'POST', agent, headers }, (res) => {
          let out = '';
          res.setEncoding('utf8').on('data', (c: string) => {
            out += c;
          });
          res.on('end', () => (res.statusCode === 201 ? resolve(JSON.parse(out)) : reject(new Error(out))));
        });
        r.on('error', reject);
        r.end(text);
      });
    const g = await call(
      `/v1/grants${D}`,
      request({ parameters: { customer: 'Ann' }, claimed: { sub: 'agent:x' } }),
    );
    const a = await call(`/v1/executions${D}`, { grant: g.id, ...ACT, inputs: { prompt: 'secret' } });
    const c = await call(`/v1/executions/${a.id}/complete`, {
      outcome: { status: 'succeeded', effect: 'confirmed' },
      outputs: { result: 'done' },
    });
    agent.destroy();
    expect([g.index < a.index, a.index < c.index]).toEqual([true, true]);
    const granted = (await predicateOf(g.id)).predicate;
    const attempted = (await predicateOf(a.id)).predicate;
    const completed = (await predicateOf(c.id)).predicate;
    expect(granted.policy).toMatchObject({ id: 'test@1', engine: expect.stringMatching(/^cedar-4\./) });
    expect(granted.parameters._sd).toHaveLength(1);
    expect(granted.holder.uid).toBe(process.getuid?.());
    expect(attempted).toMatchObject({
      phase: 'attempted',
      authorization: { grant: { id: g.id, digest: g.digest }, use: { n: 1 } },
    });
    expect(completed).toMatchObject({
      phase: 'completed',
      parents: [{ rel: 'completes', digest: a.digest }],
    });
    expect(completed.authorization).toEqual(attempted.authorization);
    expect((await ask(socket, `/v1/grants/${g.id}`)).json).toMatchObject({ state: 'used', used: 1 });
    const again = await post(socket, `/v1/executions/${a.id}/complete`, {
      outcome: { status: 'failed', effect: 'unknown' },
    });
    expect(code(again)).toBe('EXISTS');
  });

  it('counts its uses, in one step too, and each follows the one before', async () => {
    const g = await grant({ maxUses: 2 });
    const record = { phase: 'completed', ...ACT, grant: g.id };
    const one = await post(socket, `/v1/records${D}`, record);
    const two = await begin(g.id);
    expect([one.status, two.status]).toEqual([201, 201]);
    const { use } = (await predicateOf(two.json.id)).predicate.authorization;
    expect(use).toEqual({ n: 2, prev: { id: one.json.id, digest: one.json.digest } });
    await denied(await begin(g.id), 'SCOPE_EXCEEDED');
  });

  it('is delegated narrower only, out of its own uses', async () => {
    const g = await grant({ maxUses: 3, delegable: { depth: 1 } });
    const narrow = [
      {
        type: 'tool.call',
        name: 'refund.approve',
        target: 'crm:order/*',
        parameters: { amount: { max: 50 } },
      },
    ];
    const from = { delegatedFrom: g.id, maxUses: 2, scope: narrow, seconds: 60 };
    const wide = { ...from, scope: [{ type: 'tool.call', name: '*', target: 'crm:*' }] };
    await denied(await post(socket, `/v1/grants${D}`, request(wide)), 'SCOPE_EXCEEDED');
    const child = await grant(from);
    expect((await predicateOf(child.id)).predicate.delegation).toMatchObject({
      grant: { id: g.id },
      use: { n: 1, count: 2 },
    });
    await denied(await post(socket, `/v1/grants${D}`, request(from)), 'SCOPE_EXCEEDED');
    expect((await begin(child.id)).status).toBe(201);
    const { use } = (await predicateOf((await begin(g.id)).json.id)).predicate.authorization;
    expect(use).toMatchObject({ n: 3, prev: { id: child.id } });
  });

  it('is good for nothing once it is revoked', async () => {
    const g = await grant({ maxUses: 5 });
    const revoked = await ask(socket, `/v1/grants/${g.id}?wait=durable&reason=done`, { method: 'DELETE' });
    expect(revoked.status, revoked.text).toBe(200);
    expect(await predicateOf(revoked.json.id)).toMatchObject({
      kind: 'revocation',
      predicate: { grant: { id: g.id }, reason: 'done' },
    });
    await denied(await begin(g.id), 'GRANT_EXPIRED');
    const again = await ask(socket, `/v1/grants/${g.id}?wait=durable`, { method: 'DELETE' });
    expect(code(again)).toBe('NOT_FOUND');
  });

  it('takes with it what was taken out of it', async () => {
    const g = await grant({ maxUses: 3, delegable: { depth: 2 } });
    const from = (id: string, more = {}) => grant({ delegatedFrom: id, seconds: 60, ...more });
    const child = await from(g.id, { maxUses: 2, delegable: { depth: 1 } });
    const grandchild = await from(child.id, { seconds: 30 });
    expect((await begin(child.id)).status).toBe(201);
    // All of it has been given away, so the one above has no use left, and can be revoked all the same.
    expect((await begin(g.id)).status).toBe(201);
    const state = async (id: string) => (await ask(socket, `/v1/grants/${id}`)).json.state;
    expect(await Promise.all([g.id, child.id, grandchild.id].map(state))).toEqual(['used', 'used', 'live']);
    const revoked = await ask(socket, `/v1/grants/${g.id}?wait=durable`, { method: 'DELETE' });
    expect(revoked.status, revoked.text).toBe(200);
    expect(await state(grandchild.id)).toBe('revoked');
    await denied(await begin(grandchild.id), 'GRANT_EXPIRED');
  });

  it('past the policy is given on the admin socket alone, and says why', async () => {
    const glass = request({ scope: [{ type: 'exec', name: 'rm' }], breakGlass: { reason: 'the pager' } });
    expect(code(await post(socket, `/v1/grants${D}`, glass))).toBe('FORBIDDEN');
    const given = await post(admin, `/v1/grants${D}`, glass);
    expect((await predicateOf(given.json.id)).predicate).toMatchObject({
      breakGlass: { reason: 'the pager' },
    });
  });
});

describe('fail closed: each condition has its code, and its refusal is a record', () => {
  it('POLICY_DENY: no policy permits it, or one forbids it', async () => {
    const none = await denied(
      await post(socket, `/v1/grants${D}`, request({ scope: [{ type: 'exec', name: 'rm' }] })),
      'POLICY_DENY',
    );
    expect(none).toMatchObject({
      policy: { id: 'test@1' },
      requested: { what: 'grant', ask: { maxUses: 1 } },
    });
    const closed = request({ scope: [{ type: 'tool.call', name: 'x', target: 'crm:closed' }] });
    expect((await denied(await post(socket, `/v1/grants${D}`, closed), 'POLICY_DENY')).condition).toMatch(
      /forbids/,
    );
  });

  it('GRANT_EXPIRED and GRANT_NOT_YET_VALID', async () => {
    const short = await grant({ seconds: 1 });
    const later = await grant({ notBefore: new Date(Date.now() + 3_600_000).toISOString() });
    await denied(await begin(later.id), 'GRANT_NOT_YET_VALID');
    await until(async () => code(await begin(short.id)) === 'GRANT_EXPIRED');
    await denied(await begin(short.id), 'GRANT_EXPIRED');
  });

  it('SCOPE_EXCEEDED: action, target, parameters', async () => {
    const g = await grant({ maxUses: 9 });
    await denied(await begin(g.id, { action: { ...ACT.action, name: 'user.delete' } }), 'SCOPE_EXCEEDED');
    await denied(await begin(g.id, { action: { ...ACT.action, target: 'hr:1' } }), 'SCOPE_EXCEEDED');
    await denied(await begin(g.id, { plain: { parameters: { amount: 101 } } }), 'SCOPE_EXCEEDED');
    await denied(await begin(g.id, { plain: {}, parameters: { amount: 1 } }), 'SCOPE_EXCEEDED');
  });

  it('EVIDENCE_CHAIN_INVALID: a grant that this log does not know', async () => {
    await denied(await begin('01JABCDEFGHJKMNPQRSTVWXY00'), 'EVIDENCE_CHAIN_INVALID');
  });

  it('LINEAGE_DISCONTINUITY: a parent that this log does not hold', async () => {
    const g = await grant();
    const parents = [{ rel: 'derivedFrom', digest: 'a'.repeat(64) }];
    await denied(await begin(g.id, { parents }), 'LINEAGE_DISCONTINUITY');
    await denied(await post(socket, `/v1/grants${D}`, request({ parents })), 'LINEAGE_DISCONTINUITY');
    expect((await begin(g.id, { parents: [{ rel: 'after', digest: g.digest }] })).status).toBe(201);
  });

  it('ENVIRONMENT_MISMATCH: another run, another PCR, not sealed', async () => {
    const boot = await grant({ environment: { boot: '0'.repeat(64) } });
    await denied(await begin(boot.id), 'ENVIRONMENT_MISMATCH');
    const pcr = await grant({ environment: { pcrs: { sha256: { 7: 'f'.repeat(64) } } } });
    await denied(await begin(pcr.id), 'ENVIRONMENT_MISMATCH');
    const sealed = await grant({ environment: { sealed: true } });
    await until(async () => (await begin(sealed.id)).status === 201);
  });

  it('IDENTITY_MISMATCH: the grant is bound to another unit; another connection of this process may complete', async () => {
    const g = await grant({ holder: { uid: process.getuid?.() ?? 0, unit: 'other.service' } });
    await denied(await begin(g.id), 'IDENTITY_MISMATCH');
  });

  it.runIf(may('root'))('IDENTITY_MISMATCH: another process completes; another uid uses', async () => {
    const g = await grant({ maxUses: 2 });
    const a = await begin(g.id);
    const end = { outcome: { status: 'succeeded', effect: 'confirmed' } };
    const other = await asUid(0, admin, `/v1/executions/${a.json.id}/complete`, end);
    expect(code(other)).toBe('IDENTITY_MISMATCH');
    expect(code(await asUid(OTHER, socket, `/v1/executions${D}`, { grant: g.id, ...ACT }))).toBe(
      'IDENTITY_MISMATCH',
    );
  });

  it.runIf(may('root'))('an approval is another person’s, for this very request, once', async () => {
    const scope = [{ type: 'tool.call', name: 'danger.drop', target: 'crm:1' }];
    const refused = await post(socket, `/v1/grants${D}`, request({ scope }));
    const { id } = refused.json.denial;
    await denied(await post(socket, `/v1/approvals${D}`, { request: id, seconds: 600 }), 'IDENTITY_MISMATCH');
    const approved = await asUid(OTHER, socket, `/v1/approvals${D}`, { request: id, seconds: 600 });
    expect(approved.status, approved.text).toBe(201);
    const approvals = [approved.json.id];
    const other = request({ scope, approvals, maxUses: 2 });
    await denied(await post(socket, `/v1/grants${D}`, other), 'EVIDENCE_CHAIN_INVALID');
    // Asked for at one moment by many: one gets it.
    const many = await Promise.all(
      Array.from({ length: 8 }, () => post(socket, `/v1/grants${D}`, request({ scope, approvals }))),
    );
    expect(many.map((a) => a.status).sort()).toEqual([201, ...Array(7).fill(403)]);
    const g = many.find((a) => a.status === 201)?.json;
    expect((await predicateOf(g.id)).predicate.approvals).toMatchObject([
      { uid: OTHER, id: approved.json.id },
    ]);
    await denied(
      await post(socket, `/v1/grants${D}`, request({ scope, approvals })),
      'EVIDENCE_CHAIN_INVALID',
    );
  });
});

describe('the policy in force', () => {
  it('forbids on registers and on the health of the TPM, as the newest seal shows them', async () => {
    const engine = daemon.gate.engine;
    const lives = engine?.run()?.resetCount ?? 0;
    policies.write(
      `${POLICIES}
      forbid(principal, action, resource)
        unless { context.environment.platform.hasTag("8") && context.environment.platform.getTag("8") == "${'0'.repeat(64)}" };
      forbid(principal, action, resource) when { context.environment.tpm.resetCount > ${lives} };`,
      'machine@1',
    );
    await engine?.governor.reload();
    expect((await predicateOf((await grant()).id)).predicate.policy.id).toBe('machine@1');
    const refused = () =>
      until(async () => {
        const a = await post(socket, `/v1/grants${D}`, request());
        return code(a) === 'POLICY_DENY' && a;
      });
    // Something else was started: register 8 is another one.
    await host.tpm.send([extendCommand(8, new Uint8Array(32).fill(0x11))]);
    expect((await predicateOf((await refused()).json.denial.id)).predicate).toMatchObject({
      reason: 'POLICY_DENY',
      policy: { id: 'machine@1' },
    });
    // A reset brings the register back, and the TPM was reset once more than the policy allows.
    await host.tpm.reset();
    await until(() => (daemon.gate.engine?.run()?.resetCount ?? 0) > lives);
    await refused();
    policies.write(POLICIES, 'test@1');
    await daemon.gate.engine?.governor.reload();
    await until(async () => (await post(socket, `/v1/grants${D}`, request())).status === 201);
  });
  const file = () => join(policies.directory, 'policy.json');
  const other = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  /** The signed manifest with its signature as `change` makes it; the policies are those that were signed. */
  const resigned = (change: (signature: Buffer) => { sig: string }[]) => {
    policies.write(`${POLICIES} permit(principal, action, resource);`, 'evil@1');
    const envelope = JSON.parse(readFileSync(file(), 'utf8'));
    envelope.signatures = change(Buffer.from(envelope.signatures[0].sig, 'base64'));
    writeFileSync(file(), printFile('policy manifest', Type.Any(), envelope));
  };
  const flipped = (signature: Buffer) => {
    signature.writeUInt8(signature.readUInt8(20) ^ 1, 20);
    return [{ sig: signature.toString('base64') }];
  };

  it.each([
    [
      'of another key',
      'CONFIG_INVALID',
      () => policies.write('permit(principal, action, resource);', 'evil@1', other()),
    ],
    ['with a flipped bit', 'CONFIG_INVALID', () => resigned(flipped)],
    ['of nobody', 'MALFORMED', () => resigned(() => [])],
    ['of an empty text', 'MALFORMED', () => resigned(() => [{ sig: '' }])],
    [
      'of one of two',
      'MALFORMED',
      () => resigned((s) => [{ sig: s.toString('base64') }, { sig: s.toString('base64') }]),
    ],
    ['that is not there', 'CONFIG_INVALID', () => rmSync(file())],
    [
      'of what it was before',
      'CONFIG_INVALID',
      () => writeFileSync(join(policies.directory, 'test.cedar'), 'permit(principal, action, resource);'),
    ],
  ] as const)(
    'stays where the new one has a signature %s, and the refusal is told by its code',
    async (_what, expected, spoil) => {
      const changes = () =>
        [...(daemon.service.store?.entries() ?? [])].filter(
          (e) => readStatement(Uint8Array.from(e)).kind === 'policychange',
        ).length;
      policies.write(POLICIES);
      await daemon.gate.engine?.governor.reload();
      const before = changes();
      const lines = host.lines.length;
      spoil();
      await daemon.gate.engine?.governor.reload();
      expect(host.lines.slice(lines)).toContainEqual(
        expect.objectContaining({
          level: 50,
          msg: 'the policies are not taken; those in force stay',
          error: expect.objectContaining({ code: expected }),
        }),
      );
      // Nothing more is allowed than before, by the set that is named.
      expect((await predicateOf((await grant()).id)).predicate.policy.id).toBe('test@1');
      await denied(
        await post(socket, `/v1/grants${D}`, request({ scope: [{ type: 'exec', name: 'rm' }] })),
        'POLICY_DENY',
      );
      expect(changes()).toBe(before);
      policies.write(POLICIES);
    },
  );

  it('is none after a start that finds only one that nobody signed', async () => {
    policies.write('permit(principal, action, resource);', 'evil@1', other());
    await host.stop();
    daemon = await host.start();
    await daemon.started;
    const refused = await post(socket, `/v1/grants${D}`, request());
    expect([code(refused), refused.json.detail]).toEqual([
      'POLICY_DENY',
      'no policy is in force on this host',
    ]);
    policies.write(POLICIES);
    await daemon.gate.engine?.governor.reload();
    expect((await predicateOf((await grant()).id)).predicate.policy.id).toBe('test@1');
  });

  it('stays when a broken one is loaded, and changes on record', async () => {
    const engine = daemon.gate.engine;
    policies.write('permit(principal, action, resource) when { resource.nothing };', 'broken@2');
    await engine?.governor.reload();
    expect(host.lines.some((l) => String(l.msg).includes('those in force stay'))).toBe(true);
    expect((await predicateOf((await grant()).id)).predicate.policy.id).toBe('test@1');
    policies.write(POLICIES, 'test@3');
    writeFileSync(join(policies.directory, 'more.cedar'), 'permit(principal, action, resource);');
    await engine?.governor.reload();
    expect((await predicateOf((await grant()).id)).predicate.policy.id).toBe('test@1');
    rmSync(join(policies.directory, 'more.cedar'));
    await engine?.governor.reload();
    const { policy } = (await predicateOf((await grant()).id)).predicate;
    expect(policy.id).toBe('test@3');
    const change = await predicateOf(policy.change.id);
    expect(change).toMatchObject({
      kind: 'policychange',
      predicate: { policy: { id: 'test@3' }, previous: { id: expect.any(String) } },
    });
  });
});

describe('a restart', () => {
  it('ends what was open, and forgets no use', async () => {
    const g = await grant({ maxUses: 2 });
    const a = await begin(g.id);
    await host.stop();
    daemon = await host.start();
    await daemon.started;
    const attempts = await post(socket, `/v1/executions/${a.json.id}/complete`, {
      outcome: { status: 'succeeded', effect: 'confirmed' },
    });
    expect(code(attempts)).toBe('EXISTS');
    const statements = [...(daemon.service.store?.entries() ?? [])].map((e) =>
      readStatement(Uint8Array.from(e)),
    );
    const ends = statements.filter(
      (s) =>
        s.kind === 'execution' &&
        s.predicate.parents?.some((p) => p.rel === 'completes' && p.digest === a.json.digest),
    );
    expect(ends.map((s) => s.kind === 'execution' && s.predicate.phase)).toEqual(['interrupted']);
    expect((await begin(g.id)).status).toBe(201);
    await denied(await begin(g.id), 'SCOPE_EXCEEDED');
  });
});
