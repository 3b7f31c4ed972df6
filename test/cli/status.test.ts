/** Every exit status of the design, each once by a real cause, against a real daemon. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CTL } from '../kit/ctl.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';

let host: EnrolledHost;
let id: string;
const BODY = {
  phase: 'completed',
  action: { type: 'note', name: 'hello' },
  outcome: { status: 'succeeded', effect: 'confirmed' },
};
beforeAll(async () => {
  host = await makeEnrolledHost();
  await host.up();
  id = await host.recorded('true');
});
afterAll(() => host?.remove());

const fault = (code: string) =>
  new RegExp(
    `^(?:attestctl: [^\\n]*\\n)*attestctl: error: [^\\n]+ \\[${code}\\]\\nattestctl: hint: [^\\n]+\\n$`,
  );

test.each([
  ['0 done', ['status'], 0, /^$/],
  ['2 no such record', ['show', '01KAE3X5V0N9S8QX1Z7M2R4B6C'], 2, fault('NOT_FOUND')],
  ['2 a body that does not fit', ['record', 'unfit.json'], 2, fault('INVALID_REQUEST')],
  ['3 input that is no JSON', ['record', 'noise'], 3, fault('MALFORMED')],
  ['3 a name twice', ['record', 'twice.json'], 3, fault('MALFORMED')],
  ['5 nobody at the socket', ['status', '--socket', '/nowhere/x.sock'], 5, fault('DAEMON_UNAVAILABLE')],
  [
    '5 the daemon has the log open',
    ['bundle', 'ID', '--state', 'STATE', '-o', 'x'],
    5,
    fault('STORE_LOCKED'),
  ],
  ['6 the log of all on the socket of callers', ['audit', '--socket', 'SOCKET'], 6, fault('FORBIDDEN')],
  ['2 an empty directory', ['audit', 'nothing'], 2, fault('NOT_FOUND')],
] as const)('%s', async (_, args, status, said) => {
  writeFileSync(host.at('noise'), '{"phase":');
  writeFileSync(host.at('twice.json'), '{"phase":"completed","phase":"completed"}');
  writeFileSync(host.at('unfit.json'), JSON.stringify({ ...BODY, uid: 0 }));
  mkdirSync(host.at('nothing'), { recursive: true });
  const places: Record<string, string> = { ID: id, STATE: host.config.state_dir, SOCKET: host.socket };
  const words = args.map((a) => places[a] ?? a);
  for (const json of [[], ['--json']]) {
    const told = await host.ctl([...words, ...json], { cwd: host.dir });
    expect([words, told.status], told.stderr).toEqual([words, status]);
    expect(told.stderr).toMatch(said);
    // A fault is told on stderr, as text, and stdout stays empty.
    if (status !== 0) expect(told.stdout).toBe('');
  }
});

test('1 and 4 are verdicts, see verdict.test.ts; here on evidence of a daemon', async () => {
  const bundle = await host.bundle(id);
  const trust = await host.trust(bundle, 4);
  expect((await host.ctl(['verify', bundle, '--trust', trust])).status).toBe(4);
});

test('130 an audit that is interrupted', async () => {
  // The admin socket behind one that takes its time.
  const slow = createServer((near) => {
    const far = connect(host.at('admin.sock'));
    near.on('data', (b) => setTimeout(() => far.write(b), 300));
    far.pipe(near);
    near.on('error', () => far.destroy()).on('close', () => far.destroy());
    far.on('error', () => near.destroy());
  });
  slow.listen(host.at('slow.sock'));
  const audit = ['audit', '--socket', host.at('slow.sock'), '--cursor', host.at('cursor'), '--json'];
  const child = spawn(process.execPath, [CTL, ...audit]);
  let stderr = '';
  child.stderr.on('data', (b) => {
    stderr += b;
  });
  await once(slow, 'connection');
  child.kill('SIGINT');
  expect(await once(child, 'close')).toEqual([130, null]);
  expect(stderr).toMatch(fault('INTERRUPTED'));
  slow.close();
  // It goes on from where it was, and says what it would have said.
  const again = await host.must([...audit.slice(0, 2), host.at('admin.sock'), ...audit.slice(3)]);
  expect(again).toBe(await host.must(['audit', '--socket', host.at('admin.sock'), '--json']));
});

describe('one JSON document', () => {
  test.each([
    ['status', ['status']],
    ['show', ['show', 'ID']],
    ['record', ['record', '-']],
    ['bundle', ['bundle', 'ID', '-o', 'a.json']],
    ['bundle to stdout', ['bundle', 'ID', '-o', '-']],
    ['quote', ['quote', '-o', 'b.json']],
    ['audit of a directory', ['audit', 'STATE']],
    ['audit of a socket', ['audit', '--socket', 'ADMIN']],
    ['init --dry-run', ['init', '--dry-run', '--config', 'CONFIG']],
    ['version', ['version']],
  ] as const)('%s', async (_, args) => {
    const places: Record<string, string> = {
      ID: id,
      STATE: host.config.state_dir,
      ADMIN: host.at('admin.sock'),
      CONFIG: host.at('attestd.toml'),
    };
    const words = args.map((a) => places[a] ?? a);
    const stdin = JSON.stringify(BODY);
    const told = await host.ctl([...words, '--json'], { cwd: host.dir, stdin });
    expect(told.status, told.stderr).toBe(0);
    expect(JSON.parse(told.stdout)).toMatchObject({});
    expect(told.stdout.trimEnd()).not.toContain('\n');
  });

  test('a log is audited through the socket as it is from its directory', async () => {
    const reports = [['--socket', host.at('admin.sock')], [host.config.state_dir]].map(async (args) =>
      JSON.parse(await host.must(['audit', ...args, '--json'])),
    );
    const [near, far] = await Promise.all(reports);
    expect(near.verdict).toBe('verified');
    expect(far).toEqual(near);
  });
});
