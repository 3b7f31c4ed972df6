/** Who records what, and who sees it: uids, idempotency keys, what is observed. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { may } from '../kit/privilege.ts';
import { type Answer, ask, body, type Host, makeHost } from './kit.ts';

let host: Host;
let socket: string;
beforeAll(async () => {
  host = await makeHost({ socket: { mode: '0666' } });
  chmodSync(host.dir, 0o755);
  await host.init();
  await (await host.start()).started;
  socket = host.config.socket.path;
});
afterAll(() => host.remove());

const NOBODY = 65534;
const post = `
  const [socketPath, path, body, key] = process.argv.slice(1);
  const headers = { 'attestd-client': 'child/1', ...(key ? { 'idempotency-key': key } : {}),
    ...(body ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } : {}) };
  const r = require('node:http').request({ socketPath, path, method: body ? 'POST' : 'GET', headers }, (res) => {
    let t = ''; res.on('data', (d) => t += d); res.on('end', () => { console.log(JSON.stringify([res.statusCode, t])); process.exit(0); });
  });
  r.end(body || undefined);`;

/** One request by a child process under another uid. */
async function asOther(
  path: string,
  content = '',
  key = '',
): Promise<{ status: number; json: Answer['json']; pid: number }> {
  const child = spawn(process.execPath, ['-e', post, socket, path, content, key], {
    uid: NOBODY,
    gid: NOBODY,
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: '/',
  });
  let out = '';
  for await (const chunk of child.stdout) out += chunk;
  const [status, text] = JSON.parse(out);
  return { status, json: JSON.parse(text), pid: child.pid as number };
}

describe('what is observed of a caller', () => {
  it('is in the record, and none of it comes from the request', async () => {
    const { json } = await ask(socket, '/v1/records', { body: body({ claimed: { uid: 0, name: 'root' } }) });
    const { statement } = (await ask(socket, `/v1/records/${json.id}`)).json;
    expect(statement.predicate.caller).toMatchObject({
      claimed: { uid: 0, name: 'root' },
      observed: {
        uid: process.getuid?.(),
        gid: process.getgid?.(),
        // Numbers are the kernel's; what the host calls them stands apart.
        account: {
          user: { name: userInfo().username },
          unresolved: [],
          groups: expect.arrayContaining([{ gid: process.getgid?.(), name: expect.any(String) }]),
        },
        pid: process.pid,
        exe: {
          path: process.execPath,
          sha256: createHash('sha256').update(readFileSync(process.execPath)).digest('hex'),
        },
        exeMethod: '/proc/pid/exe',
      },
    });
    expect(statement.predicate.outcome.observedBy).toBe('caller');
    expect(statement.predicate.caller.observed.method).toMatch(/^SO_PEERCRED/);
  });
});

describe.runIf(may('root'))('a caller under another uid', () => {
  it('records under its own uid, and sees its own records only', async () => {
    const theirs = await asOther('/v1/records', body());
    expect(theirs.status).toBe(201);
    const mine = (await ask(socket, '/v1/records', { body: body() })).json;
    expect(
      (await asOther(`/v1/records/${theirs.json.id}`)).json.statement.predicate.caller.observed.uid,
    ).toBe(NOBODY);
    expect((await asOther(`/v1/records/${mine.id}`)).status).toBe(404);
    expect((await asOther(`/v1/records/${mine.id}/bundle`)).status).toBe(404);
    expect((await ask(socket, `/v1/records/${theirs.json.id}`)).status).toBe(404);
    const admin = host.config.admin_socket.path;
    expect((await ask(admin, `/v1/records/${theirs.json.id}`)).json.id).toBe(theirs.json.id);
  });

  it('has idempotency keys of its own', async () => {
    const headers = { 'idempotency-key': 'shared' };
    const mine = await ask(socket, '/v1/records', { body: body(), headers });
    const theirs = await asOther('/v1/records', body(), 'shared');
    expect([mine.status, theirs.status]).toEqual([201, 201]);
    expect(theirs.json.id).not.toBe(mine.json.id);
  });

  it('sees no difference between what is another caller’s and what is not there', async () => {
    const mine = (await ask(socket, '/v1/records', { body: body() })).json;
    const other = await asOther(`/v1/records/${mine.id}`);
    const none = await asOther('/v1/records/01KAE3X5V0N9S8QX1Z7M2R4B6C');
    const same = (a: typeof other) => ({ ...a.json, detail: '', instance: '' });
    expect(same(other)).toEqual(same(none));
  });
});

describe('an Idempotency-Key', () => {
  it('gives the same record again, sealed or durable, and after a restart', async () => {
    const headers = { 'idempotency-key': 'once' };
    const first = await ask(socket, '/v1/records', { body: body(), headers });
    const again = await ask(socket, '/v1/records', { body: body(), headers });
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(again.json).toEqual(first.json);
    const durable = await ask(socket, '/v1/records?wait=durable', { body: body(), headers });
    expect(durable.json).toMatchObject({ id: first.json.id, digest: first.json.digest, strength: 'durable' });
    await host.stop();
    await (await host.start()).started;
    expect((await ask(socket, '/v1/records', { body: body(), headers })).json).toEqual(first.json);
  });

  it('with another body is refused', async () => {
    const headers = { 'idempotency-key': 'twice' };
    await ask(socket, '/v1/records', { body: body(), headers });
    const answer = await ask(socket, '/v1/records', { body: body({ claimed: { a: 1 } }), headers });
    expect([answer.status, answer.json.type]).toEqual([409, 'urn:attestd:error:IDEMPOTENCY_MISMATCH']);
  });

  it('with another body is refused with the record that it was used for, also while that one is on its way', async () => {
    for (let i = 0; i < 20; i++) {
      const headers = { 'idempotency-key': `twice-at-once-${i}` };
      const answers = await Promise.all(
        [{}, { claimed: { a: 1 } }].map((more) =>
          ask(socket, '/v1/records?wait=durable', { body: body(more), headers }),
        ),
      );
      const made = answers.find((a) => a.status === 201);
      const refused = answers.find((a) => a.status === 409);
      expect(refused?.json.record).toEqual({ id: made?.json.id, digest: made?.json.digest });
    }
  });

  it('sent many times at once makes one record', async () => {
    const headers = { 'idempotency-key': 'at-once' };
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => ask(socket, '/v1/records', { body: body(), headers })),
    );
    expect(new Set(answers.map((a) => a.json.id)).size).toBe(1);
    expect(answers.filter((a) => a.status === 201)).toHaveLength(1);
  });
});
