/**
 * Who may ask at all, and what it helps to be somebody else afterwards: policies for each caller, a program that executes
 * another once its request is written, claims beside what the kernel saw, and the refusals that hang on who calls.
 */
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { claimsOf } from '../../src/client/token.ts';
import type { Daemon } from '../../src/daemon/daemon.ts';
import { createDecider } from '../../src/daemon/govern/cedar.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { type Host, makeHost, until } from '../daemon/kit.ts';
import { may } from '../kit/privilege.ts';
import { ACT, code, makePolicies, type PolicyFolder, post, request } from './kit.ts';
import { asUid, OTHER } from './other.ts';

const dir = mkdtempSync(join(tmpdir(), 'attestd-callers-'));
let policies: PolicyFolder;
let host: Host;
let daemon: Daemon;
let socket: string;

beforeAll(async () => {
  policies = makePolicies(`
    permit(principal, action, resource in Kind::"tool.call");
    forbid(principal, action, resource) when { resource.name == "not for others" && context.ask.forAnother };
    forbid(principal == Caller::"${OTHER}", action, resource) unless { resource.name == "ping" };
    forbid(principal in Group::"${OTHER}", action == Action::"delegate", resource);
  `);
  host = await makeHost({
    socket: { mode: '0666' },
    policy: { directory: policies.directory, keys: [policies.publicKey], max_unsealed_ms: 60_000 },
  });
  chmodSync(host.dir, 0o755);
  socket = host.config.socket.path;
  await host.init();
  daemon = await host.start();
  await daemon.started;
}, 120_000);
afterAll(async () => {
  await host?.remove();
  rmSync(policies.directory, { recursive: true, force: true });
  rmSync(dir, { recursive: true, force: true });
});

const D = '?wait=durable';
/** The newest records of a kind, the last one last. */
const newest = (kind: string) =>
  [...(daemon.service.store?.entries() ?? [])]
    .map((e) => readStatement(Uint8Array.from(e)))
    .filter((s) => s.kind === kind)
    // biome-ignore lint/suspicious/noExplicitAny: predicates are read in many shapes
    .map((s) => s.predicate as any);

describe.runIf(may('root'))('the policy', () => {
  it('decides for each caller whether it may ask at all', async () => {
    const asked = (uid: number, name: string) =>
      asUid(uid, socket, `/v1/grants${D}`, request({ scope: [{ type: 'tool.call', name }] }));
    expect((await asked(0, 'refund')).status).toBe(201);
    const refused = await asked(OTHER, 'refund');
    expect([code(refused), refused.status]).toEqual(['POLICY_DENY', 403]);
    expect(newest('denial').at(-1)).toMatchObject({
      caller: { observed: { uid: OTHER } },
      condition: expect.stringMatching(/forbids/),
    });
    expect((await asked(OTHER, 'ping')).status).toBe(201);
  }, 60_000);
});

/** Perl that writes a request; `$s` is the connection then. */
const send = `my ($path, $to, $body, @next) = @ARGV; my $s = IO::Socket::UNIX->new(Peer => $to) or die;
    print $s "POST $path HTTP/1.1\\r\\nhost: a\\r\\nattestd-client: p/1\\r\\nconnection: close\\r\\n" .
    "content-type: application/json\\r\\ncontent-length: " . length($body) . "\\r\\n\\r\\n" . $body; $s->flush;`;
const perl = (script: string) => ['-MIO::Socket::UNIX', '-MFcntl', '-e', `${send} ${script}`];
const READ = 'local $/; my $answer = <$s>;';

describe('a grant for one executable', () => {
  const digest = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
  const exe = digest(process.execPath);
  const use = (grant: string) => post(socket, `/v1/executions${D}`, { grant, ...ACT });
  const asked = async (more: Record<string, unknown>) => {
    const answer = await post(socket, `/v1/grants${D}`, request(more));
    expect(answer.status, answer.text).toBe(201);
    return answer.json.id as string;
  };

  it('is for the caller as it is bound anyway, and for that executable', async () => {
    await asked({});
    const plain = newest('grant').at(-1).holder;
    expect(plain).not.toHaveProperty('exeSha256');
    const id = await asked({ holder: { exeSha256: exe } });
    expect(newest('grant').at(-1).holder).toEqual({ ...plain, exeSha256: exe });
    expect((await use(id)).status).toBe(201);
  });

  it('is no good to another program of the same caller, whatever that is called', async () => {
    const own = (await promisify(execFile)('which', ['perl'])).stdout.trim();
    const other = join(dir, 'perl');
    copyFileSync(own, other);
    appendFileSync(other, ' ');
    const id = await asked({ maxUses: 2, holder: { exeSha256: digest(own) } });
    const here = await use(id);
    expect([code(here), here.status, here.json.detail]).toEqual([
      'IDENTITY_MISMATCH',
      403,
      `executable ${exe}, and the grant is for ${digest(own)}`,
    ]);
    const body = JSON.stringify({ grant: id, ...ACT });
    const by = async (file: string) =>
      (
        await promisify(execFile)(file, [
          ...perl(`${READ} print $answer;`),
          `/v1/executions${D}`,
          socket,
          body,
        ])
      ).stdout;
    expect(await by(own)).toMatch(/^HTTP\/1\.1 201 /);
    expect(await by(other)).toMatch(/IDENTITY_MISMATCH/);
    expect(newest('denial').at(-1)).toMatchObject({
      reason: 'IDENTITY_MISMATCH',
      requested: { what: 'execution', grant: { id } },
      caller: { observed: { exe: { path: other, sha256: digest(other) } } },
    });
  }, 60_000);

  it('is handed on by that executable, and to that executable', async () => {
    const delegable = { depth: 1 };
    const elsewhere = await asked({ maxUses: 2, delegable, holder: { exeSha256: 'a'.repeat(64) } });
    const from = (delegatedFrom: string, more = {}) =>
      post(socket, `/v1/grants${D}`, request({ seconds: 60, delegatedFrom, ...more }));
    expect(code(await from(elsewhere))).toBe('IDENTITY_MISMATCH');
    const id = await asked({ maxUses: 2, delegable, holder: { exeSha256: exe } });
    const wide = await from(id);
    expect([code(wide), wide.json.detail]).toEqual([
      'SCOPE_EXCEEDED',
      expect.stringContaining('not bound to the executable'),
    ]);
    expect((await from(id, { holder: { uid: OTHER, exeSha256: exe } })).status).toBe(201);
  });

  it('is for another, as policies see it, unless it is bound as its caller is', async () => {
    await asked({});
    const uid = process.getuid?.() ?? 0;
    const own = newest('grant').at(-1).holder;
    expect(own.unit ?? own.cgroup).toEqual(expect.any(String));
    const name = 'not for others';
    const policy = (more: Record<string, unknown>) =>
      post(socket, `/v1/grants${D}`, request({ scope: [{ type: 'tool.call', name }], ...more }));
    for (const more of [{}, { holder: { exeSha256: exe } }, { holder: { ...own, uid } }])
      expect((await policy(more)).status).toBe(201);
    for (const bound of [
      { uid },
      { uid, unit: 'other.service' },
      { uid, cgroup: '/other' },
      { ...own, uid: OTHER },
    ])
      expect(code(await policy({ holder: bound })), JSON.stringify(bound)).toBe('POLICY_DENY');
  });

  it('says whose, or is its caller’s: a unit without a uid is nobody’s', async () => {
    const answer = await post(socket, `/v1/grants${D}`, request({ holder: { unit: 'a.service' } }));
    expect([code(answer), answer.json.field]).toEqual(['INVALID_REQUEST', '/holder']);
  });
});

describe('a program that executes another after it has written', () => {
  it('gains nothing: the policy was asked about who wrote, and cannot even speak of executables', async () => {
    const before = newest('denial').length;
    const refused = JSON.stringify(request({ scope: [{ type: 'exec', name: 'rm' }] }));
    // It keeps the connection open over the exec, so that what is looked at is a trusted program.
    const keep = 'fcntl($s, F_SETFD, 0); exec @next or die;';
    const child = spawn('perl', [...perl(keep), `/v1/grants${D}`, socket, refused, '/bin/sleep', '60']);
    await until(() => newest('denial').length > before);
    const { pid } = child;
    child.kill('SIGKILL');
    expect(newest('denial').at(-1)).toMatchObject({ reason: 'POLICY_DENY', caller: { observed: { pid } } });
    const text = 'permit(principal, action, resource) when { principal.exe == "/bin/sleep" };';
    await expect(createDecider([{ name: 'a.cedar', text }], [])).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
  }, 60_000);

  it('cannot end what the program before it began, although pid and start are the same', async () => {
    const granted = (await post(socket, `/v1/grants${D}`, request())).json;
    const other = join(dir, 'trusted');
    copyFileSync((await promisify(execFile)('which', ['perl'])).stdout.trim(), other);
    const end = JSON.stringify({ outcome: { status: 'succeeded', effect: 'confirmed' } });
    const then = `${READ} $answer =~ /"id":"([0-9A-Z]+)"/ or die $answer;
      exec $next[0], '-MIO::Socket::UNIX', '-e', $next[1], "/v1/executions/$1/complete${D}", $to, $next[2];`;
    const { stdout } = await promisify(execFile)('perl', [
      ...perl(then),
      `/v1/executions${D}`,
      socket,
      JSON.stringify({ grant: granted.id, ...ACT }),
      other,
      `${send} ${READ} print $answer;`,
      end,
    ]);
    expect(stdout).toMatch(/IDENTITY_MISMATCH/);
    const denial = newest('denial').at(-1);
    expect(denial).toMatchObject({ reason: 'IDENTITY_MISMATCH', requested: { what: 'completion' } });
    const begun = newest('execution').at(-1);
    expect(begun.phase).toBe('attempted');
    const { pid, startTicks, exe } = begun.caller.observed;
    expect(denial.caller.observed).toMatchObject({ pid, startTicks });
    expect(denial.caller.observed.exe).not.toEqual(exe);
  }, 60_000);
});

it('claims of a token stand beside what was observed, and the token is nowhere', async () => {
  const part = (v: unknown) => Buffer.from(JSON.stringify(v)).toString('base64url');
  const claims = { iss: 'https://issuer.example', sub: 'spiffe://example.org/agent', uid: 0, secret: 'hush' };
  const token = `${part({ alg: 'ES256' })}.${part(claims)}.${part('signature')}`;
  const claimed = claimsOf(token, ['iss', 'sub', 'uid']);
  const { json } = await post(socket, `/v1/grants${D}`, request({ claimed }));
  const grant = newest('grant').at(-1);
  expect(grant.id).toBe(json.id);
  expect(grant.caller.claimed).toEqual(claimed);
  expect(grant.caller.observed).toMatchObject({ uid: process.getuid?.(), pid: process.pid });
  expect(Object.keys(grant.caller)).toEqual(['claimed', 'observed']);
  const all = [...(daemon.service.store?.entries() ?? [])].map((e) => Buffer.from(e).toString()).join('');
  for (const hidden of ['hush', token, part(claims)]) expect(all).not.toContain(hidden);
});

describe('RATE_LIMITED', () => {
  it('is a denial once a second, and counts the refusals between', async () => {
    await host.stop();
    host = await makeHost({
      policy: { directory: policies.directory, keys: [policies.publicKey], grants_per_second: 1 },
    });
    await host.init();
    daemon = await host.start();
    await daemon.started;
    const ask = () => post(host.config.socket.path, `/v1/grants${D}`, request());
    const first = await until(async () => {
      const answers = await Promise.all(Array.from({ length: 8 }, ask));
      return answers.find((a) => a.json.denial !== undefined && code(a) === 'RATE_LIMITED');
    });
    expect([first.status, first.headers['retry-after']]).toEqual([429, '1']);
    expect(newest('denial')[0]).toMatchObject({
      reason: 'RATE_LIMITED',
      requested: { what: 'grant', ask: { maxUses: 1 } },
      state: { entries: expect.any(Number) },
    });
    const counted = await until(async () => {
      await ask();
      return newest('denial').find((d) => d.repeated > 0);
    });
    expect(counted.reason).toBe('RATE_LIMITED');
  }, 120_000);
});
