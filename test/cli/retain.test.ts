/** `attestctl retain` on a real daemon: what goes, what stays, what is said of it, and kill -9 in the middle. */
import { spawn } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, get as httpGet } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ulid } from '../../src/core/ulid.ts';
import { buildEntry } from '../../src/evidence/record.ts';
import { type Predicate, readStatement } from '../../src/evidence/statement.ts';
import { openStore } from '../../src/store/open.ts';
import { readLog } from '../../src/store/reader.ts';
import { wholeSegment } from '../../src/store/thin.ts';
import { thinSegment } from '../../src/store/thinning.ts';
import { ask, newBody } from '../crash/load.ts';
import { breaking, type Point } from '../crash/trace.ts';
import { CTL, ctl } from '../kit/ctl.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';
import { type DaemonProcess, readIfThere, until } from '../kit/host.ts';

const SECRET = 'what nobody is to read after a year';
let host: EnrolledHost;
let daemon: DaemonProcess;
let admin: string[];
let trust: string;
const told = (stdout: string) => JSON.parse(stdout);
const at = (name: string) => host.at(name);
const retain = (before: number | string, ...more: string[]) =>
  ctl(['retain', '--before', String(before), ...more, ...admin]);
const verify = (file: string) => ctl(['verify', file, '--trust', trust, '--json']);

async function fill(n: number): Promise<void> {
  for (let i = 0; i < n; i++) await ask(host.socket, '/v1/records?wait=durable', { body: newBody(300) });
}
/** The same request as the command makes. */
const asked = (body: object) =>
  ask(host.config.admin_socket.path, '/v1/retention', { body: JSON.stringify(body) });
/** Entries that are sealed and anchored now: all that stood in the log when this was called. */
async function settled(): Promise<number> {
  const { index } = (await ask(host.socket, '/v1/records?wait=sealed', { body: newBody() })).json;
  return until('an anchor over it', async () => {
    // What came between an anchor's head and the anchor waits for the next thing to be recorded.
    await fill(1);
    await sleep(50);
    return (await asked({ before: index, dryRun: true })).status === 200 && (index as number);
  });
}
const filesWith = (dir: string, text: string) =>
  readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => {
    const path = join(dir, name);
    return statSync(path).isFile() && readFileSync(path).includes(text);
  });
const audited = async (args: readonly string[]) => {
  const { status, stdout } = await ctl(['audit', ...args, '--json']);
  return { status, log: told(stdout).logs[0] };
};

beforeAll(async () => {
  host = await makeEnrolledHost({ anchor: ['interval_s = 1'], seal: ['max_age_ms = 50'] });
  admin = ['--socket', host.config.admin_socket.path];
  daemon = await host.up();
});
afterAll(() => host?.remove());

test('old records go, what an audit or a later record needs stays, and everything says so', async () => {
  const old = await host.recorded('echo', SECRET);
  const before = await host.bundle(old, 'before.attest.json');
  trust = await host.trust(before);
  await fill(120);
  // An attempt that stands below the bound and is completed above it.
  const id = at('long.id');
  const wait = `while [ ! -e ${at('go')} ]; do sleep 0.05; done`;
  const child = spawn(process.execPath, [CTL, 'run', '--id-file', id, '--', 'sh', '-c', wait], {
    env: { ...process.env, ATTESTD_SOCKET: host.socket },
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await until('the attempt', async () => {
    const page = (await ask(host.socket, '/v1/records?limit=5')).json;
    return page.records.some((r: { phase?: string }) => r.phase === 'attempted');
  });
  await fill(3);
  const bound = await settled();
  writeFileSync(at('go'), '');
  expect(await ended).toBe(0);
  const last = readFileSync(id, 'utf8').trim();

  const tooMuch = await retain(bound + 100_000, '--yes');
  expect([tooMuch.status, tooMuch.stderr]).toEqual([
    6,
    expect.stringMatching(/not sealed yet \[RETENTION_REFUSED\]/),
  ]);
  const caller = await ctl(['retain', '--before', '1', '--socket', host.socket]);
  expect([caller.status, caller.stderr]).toEqual([6, expect.stringContaining('[FORBIDDEN]')]);
  expect((await retain('yesterday')).status).toBe(2);
  const unsaid = await retain(bound);
  expect([unsaid.status, unsaid.stderr]).toEqual([
    2,
    expect.stringMatching(/not confirmed.*--yes \[USAGE\]/),
  ]);
  const dry = told((await retain(bound, '--dry-run', '--json')).stdout);
  expect(dry).toMatchObject({ before: bound, dryRun: true, freed: 0 });
  expect((await host.shown(old)).digest).toBeDefined();
  const byTime = told((await retain('2000-01-01', '--dry-run', '--json')).stdout);
  expect(byTime).toMatchObject({ before: 0, removed: 0 });

  const { status, stdout, stderr } = await retain(bound, '--yes', '--reason', 'a year is over', '--json');
  expect(status, stderr).toBe(0);
  const done = told(stdout);
  expect(done).toMatchObject({ before: bound, removed: dry.removed, kept: dry.kept });
  expect(done.removed).toBeGreaterThan(120);
  expect(done.freed).toBeGreaterThan(50_000);
  expect((await host.shown(done.tombstone)).statement.predicate).toMatchObject({
    retention: { before: bound },
    reason: 'a year is over',
  });
  expect([
    filesWith(host.config.state_dir, SECRET),
    filesWith(host.config.state_dir, Buffer.from(SECRET).toString('base64url').slice(2, -2)),
  ]).toEqual([[], []]);

  const gone = await ctl(['bundle', old, '-o', at('gone.attest.json'), '--socket', host.socket]);
  expect([gone.status, gone.stderr]).toEqual([2, expect.stringContaining('[RECORD_REMOVED]')]);
  expect((await ask(host.socket, `/v1/records/${old}`)).status).toBe(410);
  expect((await verify(before)).status, 'taken out before').toBe(0);
  expect((await verify(await host.bundle(last))).status, 'its attempt is below the bound').toBe(0);
  expect((await verify(await host.bundle(await host.recorded('true')))).status).toBe(0);
  expect((await ctl(['list', ...admin])).status).toBe(0);
  await until('a seal over all', async () => (await audited(admin)).status === 0);
  const { log: live } = await audited(admin);
  expect(live).toMatchObject({ verdict: 'verified', removed: done.removed });
  const page = await ctl(['audit', ...admin]);
  expect(page.stdout).toContain(`? ${done.removed} entries were removed for their age`);
});

test('after a restart, in a backup, and with index and tiles made anew, it is the same log', async () => {
  await daemon.stop();
  const here = await audited([host.config.state_dir]);
  expect([here.status, here.log.verdict, here.log.findings]).toEqual([0, 'verified', []]);
  expect(here.log.removed).toBeGreaterThan(120);
  await host.must(['backup', at('backup'), '--config', at('attestd.toml')]);
  expect((await audited([at('backup')])).log).toMatchObject({
    verdict: 'verified',
    removed: here.log.removed,
  });
  for (const f of ['tile', 'index.mdb']) rmSync(join(host.logDir, f), { recursive: true, force: true });
  daemon = await host.up();
  expect((await verify(await host.bundle(await host.recorded('true')))).status).toBe(0);
  expect((await audited(admin)).log.removed).toBe(here.log.removed);
});

/** Stands before the admin socket: sees each question, and may change what is answered to it. */
async function between(meddle: (path: string, body: Buffer) => Promise<Buffer> | Buffer) {
  const path = at('between.sock');
  const server = createServer((question, answer) => {
    const { url = '', headers } = question;
    httpGet({ socketPath: host.config.admin_socket.path, path: url, headers }, async (from) => {
      const body = await meddle(url, await buffer(from));
      const { 'content-length': _, 'transfer-encoding': __, ...rest } = from.headers;
      answer.writeHead(from.statusCode ?? 0, { ...rest, 'content-length': body.length }).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { args: ['--socket', path], close: () => new Promise((resolve) => server.close(resolve)) };
}

test('an audit through the socket while entries go finds the log as honest as it is, and never waits for remains', async () => {
  await fill(20);
  const bound = await settled();
  let removed = 0;
  const meanwhile = await between(async (path, body) => {
    if (removed > 0 || !path.includes('/seals')) return body;
    const answer = await asked({ before: bound });
    removed = answer.json.removed;
    return body;
  });
  const { status, log } = await audited(meanwhile.args);
  await meanwhile.close();
  expect(removed).toBeGreaterThan(19);
  expect([status, log.verdict, log.findings]).toEqual([0, 'verified', []]);
  expect(log.removed).toBeGreaterThanOrEqual(removed);
  const cuts: readonly ((b: Buffer) => Buffer)[] = [
    (b) => b.subarray(0, 34),
    () => Buffer.alloc(0),
    (b) => b.subarray(0, -1),
  ];
  for (const cut of cuts) {
    const short = await between((path, body) => (path.includes('/remains/') ? cut(body) : body));
    const told = await ctl(['audit', ...short.args]);
    await short.close();
    expect([told.status, told.stderr]).toEqual([3, expect.stringContaining('[MALFORMED]')]);
  }
});

test('whoever removes entries without a tombstone is found, and so is who removes what must stay', async () => {
  const segments = (dir: string) => {
    const wal = join(dir, 'log', readdirSync(join(dir, 'log'))[0] as string, 'wal');
    return readdirSync(wal)
      .filter((f) => f.endsWith('.wal'))
      .sort()
      .map((f) => join(wal, f));
  };
  const { index: hidden } = (await ask(host.socket, '/v1/records?wait=sealed', { body: newBody() })).json;
  await daemon.stop();
  // Somebody who has the disk writes a tombstone into it, among the last records of the run, and has the next run seal it.
  const store = await openStore(host.logDir);
  const bound = store.size;
  const { boot } = readStatement(store.entry(bound - 1)).predicate as Predicate<'anchor'>;
  const frame = { log: store.origin, boot, timeMs: Date.now(), salt: new Uint8Array(16) };
  const forged = buildEntry(
    'tombstone',
    { retention: { before: bound } },
    { ...frame, id: ulid(Date.now(), new Uint8Array(10)) },
  );
  await store.commit([{ entry: forged.entry, id: forged.id, uid: 0 }]);
  await store.close();
  daemon = await host.up();
  await ask(host.socket, '/v1/records?wait=sealed', { body: newBody() });
  await daemon.stop();
  const { log: whole } = await audited([host.config.state_dir]);
  expect([whole.verdict, whole.recovered]).toEqual(['verified', 1]);
  const size = whole.entries as number;
  let anchor = -1;
  for await (const { index, meta } of readLog(host.logDir).entries())
    if (meta.mark?.kind === 'anchor' && anchor < 0) anchor = index;
  for (const [name, keep, id] of [
    ['hidden', (i: number) => i !== hidden, 'entry-removed'],
    ['anchor', (i: number) => i !== anchor, 'anchor-order'],
  ] as const) {
    const dir = at(name);
    cpSync(host.config.state_dir, dir, { recursive: true });
    for (const file of segments(dir)) {
      const thin = await thinSegment({ path: file, bytes: wholeSegment(readFileSync(file)) }, size, keep);
      if (thin !== undefined) writeFileSync(file, thin.file);
    }
    const { status, log } = await audited([dir]);
    expect([name, status, log.verdict]).toEqual([name, 1, 'rejected']);
    expect(log.findings.map((f: { id: string }) => f.id)).toContain(id);
  }
  daemon = await host.up();
});

test('kill -9 in the middle of it, wherever that is: the log is whole, and the next start goes on', async () => {
  const { logDir } = host;
  await daemon.stop();
  const points: readonly (readonly [string, Omit<Point, 'fault'>, readonly string[]])[] = [
    ['word is left', { call: 'rename', nth: 1 }, ['retention.json.tmp']],
    ['a segment is begun', { call: 'rename', nth: 1 }, ['wal/spare']],
    ['copies are removed', { call: 'unlink', nth: 1 }, ['tile/entries/000']],
    ['a segment is written', { call: 'fsync', nth: 1 }, ['*.wal.tmp']],
    ['a segment is put in place', { call: 'rename', nth: 1 }, ['*.wal.tmp']],
    ['it is said to be done', { call: 'rename', nth: 2 }, ['retention.json.tmp']],
  ];
  const removed: number[] = [];
  for (const [what, point, names] of points) {
    const newest = readdirSync(join(logDir, 'wal'))
      .filter((f) => f.endsWith('.wal'))
      .sort()
      .at(-1) as string;
    const paths = names.map((n) => join(logDir, n === '*.wal.tmp' ? `wal/${newest}.tmp` : n));
    const trace = at('trace');
    daemon = host.start(breaking(trace, { ...point, fault: 'KILL' }, paths));
    await daemon.ready();
    await fill(30);
    const bound = await settled();
    await expect(asked({ before: bound }), `${what}: ${daemon.output()}`).rejects.toThrow();
    expect((await daemon.ended).signal).toBe('SIGKILL');
    const [between] = await host.audit();
    expect([what, between?.verdict, between?.findings]).toEqual([what, 'verified', []]);
    daemon = host.start();
    await daemon.ready();
    // Where no word was left nothing was begun, and the operator says it again.
    const word = () => {
      const bytes = readIfThere(join(logDir, 'retention.json'));
      return bytes === undefined ? { before: -1, done: true } : told(Buffer.from(bytes).toString());
    };
    expect([what, word().before === bound]).toEqual([what, what !== 'word is left']);
    await until(`${what}: done`, () => word().done);
    expect((await asked({ before: bound })).status).toBe(200);
    await daemon.stop();
    const [after] = await host.audit();
    expect([what, after?.verdict, after?.findings]).toEqual([what, 'verified', []]);
    removed.push(after?.removed ?? 0);
  }
  expect(removed.every((n, i) => n >= 30 * (i + 1))).toBe(true);
}, 600_000);
