/** POST /v1/measurements: who may have something measured, and which file a path names. */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, chmodSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toHex, ZERO32 } from '../../src/core/bytes.ts';
import type { Software } from '../../src/daemon/measured/software.ts';
import { extended, measuredDigest } from '../../src/evidence/measured.ts';
import type { MeasuredEvent } from '../../src/evidence/schema/predicates.ts';
import { may } from '../kit/privilege.ts';
import { CC, command } from '../kit/wire.ts';
import { ask, type Host, makeHost } from './kit.ts';

const START: MeasuredEvent[] = [
  { type: 'start', name: 'attestd 0.1.0, node v20.20.2' },
  { type: 'ready', name: 'attestd' },
];
const software: Software = { events: async () => START, settings: async () => [] };

const INVALID = 'urn:attestd:error:INVALID_REQUEST';

let host: Host;
beforeAll(async () => {
  host = await makeHost({ tpm: { deadline_ms: 60_000 } }, { proxy: true });
  await host.init();
  await (await host.start(undefined, software)).started;
});
afterAll(() => host.remove());

const measure = (what: object, socket = host.config.admin_socket.path) =>
  ask(socket, '/v1/measurements', { body: JSON.stringify(what) });

/** PCR 13 as the TPM has it. */
async function register(): Promise<string> {
  const [answer] = (await host.tpm.send([
    command(CC.pcrRead, Buffer.from([0, 0, 0, 1, 0, 0x0b, 3, 0, 0x20, 0])),
  ])) as [Buffer];
  return answer.subarray(answer.length - 32).toString('hex');
}
const after = (events: readonly MeasuredEvent[]): string =>
  toHex(events.reduce((value, e) => extended(value, measuredDigest(e)), ZERO32));

test('what the administrator names is read, recorded and extended; whoever is not permitted has nothing measured', async () => {
  const name = join(host.dir, 'tool');
  writeFileSync(name, 'a tool\n');
  const event = { type: 'file', name, sha256: createHash('sha256').update('a tool\n').digest('hex') };

  const refused = await measure({ type: 'file', name }, host.config.socket.path);
  expect([refused.status, refused.json.type]).toEqual([403, 'urn:attestd:error:FORBIDDEN']);
  expect(await register()).toBe(after(START));

  const { status, json, text } = await measure({ type: 'file', name });
  expect(status, text).toBe(201);
  expect(json).toMatchObject({ strength: 'sealed', event });
  expect(await register()).toBe(after([...START, event]));
  const { statement } = (await ask(host.config.admin_socket.path, `/v1/records/${json.id}`)).json;
  expect(statement.predicate).toMatchObject({ register: 13, event, caller: { pid: process.pid } });

  const model = { type: 'model', name: 'llama.gguf', sha256: '5e'.repeat(32) };
  expect((await measure(model)).status).toBe(201);
  expect(await register()).toBe(after([...START, event, model]));
});

test('a path that leads elsewhere, no regular file, and a file that is changed while it is read', async () => {
  const before = await register();
  const path = (name: string) => join(host.dir, name);
  writeFileSync(path('plain'), 'x');
  symlinkSync(path('plain'), path('link'));
  execFileSync('mkfifo', [path('pipe')]);
  for (const what of [
    { type: 'file', name: path('link') },
    { type: 'file', name: path('pipe') },
    { type: 'file', name: path('absent') },
    { type: 'file', name: 'plain' },
    { type: 'file', name: `${host.dir}/./plain` },
    { type: 'file', name: path('plain'), sha256: '5e'.repeat(32) },
    { type: 'model', name: 'without a digest' },
  ]) {
    const { status, json } = await measure(what);
    expect([status, json.type], JSON.stringify(what)).toEqual([400, INVALID]);
  }
  writeFileSync(path('growing'), Buffer.alloc(8 << 20));
  let answered = false;
  const answer = measure({ type: 'file', name: path('growing') }).finally(() => {
    answered = true;
  });
  while (!answered) {
    appendFileSync(path('growing'), '.');
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { status, json } = await answer;
  expect([status, json.type, json.detail]).toEqual([400, INVALID, expect.stringContaining('changed')]);
  expect(await register()).toBe(before);
});

/** What a process of another user may have measured. */
const asUid = async (
  uid: number,
  socket: string,
  what: object,
): Promise<{ status: number; text: string }> => {
  const script = `
    const [socketPath, body] = process.argv.slice(1);
    const headers = { 'attestd-client': 'child/1', 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    require('node:http').request({ socketPath, path: '/v1/measurements', method: 'POST', headers }, (res) => {
      let text = '';
      res.on('data', (d) => (text += d));
      res.on('end', () => { console.log(JSON.stringify({ status: res.statusCode, text })); process.exit(0); });
    }).end(body);`;
  const child = spawn(process.execPath, ['-e', script, socket, JSON.stringify(what)], {
    uid,
    gid: uid,
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: '/',
  });
  let out = '';
  for await (const chunk of child.stdout) out += chunk;
  return JSON.parse(out);
};

test.runIf(may('root'))('measure.uids names who else may, and for whose files', async () => {
  const [permitted, other] = [65_534, 65_533];
  const second = await makeHost({ measure: { uids: [permitted] } }, { proxy: true });
  try {
    await second.init();
    await (await second.start(undefined, software)).started;
    const { path } = second.config.socket;
    chmodSync(path, 0o666);
    chmodSync(second.dir, 0o755);
    const model = { type: 'model', name: 'llama.gguf', sha256: '5e'.repeat(32) };
    const made = await asUid(permitted, path, model);
    expect([made.status, JSON.parse(made.text).event], made.text).toEqual([201, model]);
    const { id } = JSON.parse(made.text);
    const { statement } = (await ask(second.config.admin_socket.path, `/v1/records/${id}`)).json;
    expect(statement.predicate).toMatchObject({ caller: { uid: permitted } });
    // Nobody else, root neither, but on the admin socket.
    expect((await asUid(other, path, model)).status).toBe(403);
    expect((await ask(path, '/v1/measurements', { body: JSON.stringify(model) })).status).toBe(403);
    // A file of another user's is not theirs to have measured.
    const closed = join(second.dir, 'closed');
    writeFileSync(closed, 'a secret\n', { mode: 0o600 });
    const refused = await asUid(permitted, path, { type: 'file', name: closed });
    expect([refused.status, JSON.parse(refused.text).type]).toEqual([400, INVALID]);
  } finally {
    await second.remove();
  }
});
