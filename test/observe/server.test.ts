/** The helper's socket, by real connections: whom it answers, what it puts up with, and what it says of processes and files. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createExecutableReader } from '../../src/measure/executable.ts';
import { takeFirmwareLog } from '../../src/measure/firmware.ts';
import { createObserver } from '../../src/measure/observer/observer.ts';
import { startTicks } from '../../src/measure/process.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { createObserveServer } from '../../src/observe/server.ts';
import { may } from '../kit/privilege.ts';

const dir = mkdtempSync(join(tmpdir(), 'attestd-observe-'));
const socket = join(dir, 'observe.sock');
const observer = createObserver(socket);
const cuts: string[] = [];
const ima = new Uint8Array(3_000_000).map((_, i) => i * 7);
const sha256 = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
const started = (pid: number) => startTicks(readFileSync(`/proc/${pid}/stat`, 'utf8')) as number;
let server: Server;

beforeAll(async () => {
  chmodSync(dir, 0o755);
  writeFileSync(join(dir, 'firmware'), 'events');
  writeFileSync(join(dir, 'ima'), ima);
  server = createObserveServer({
    native: loadAddon(),
    uid: process.getuid?.() ?? -1,
    sources: {
      executables: createExecutableReader(8, 50_000_000),
      logs: { firmware: join(dir, 'firmware'), ima: join(dir, 'ima'), systemd: join(dir, 'none') },
      tsm: join(dir, 'no-tsm'),
      random: (n) => new Uint8Array(n),
    },
    onCut: (why) => cuts.push(why),
    patienceMs: 300,
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  chmodSync(socket, 0o777);
});
afterAll(() => {
  server.close();
  rmSync(dir, { recursive: true });
});

/** What comes back for these bytes until the end of the connection. */
function exchange(...chunks: string[]): Promise<string> {
  return new Promise((resolve) => {
    const s = connect(socket);
    let said = '';
    s.on('data', (b) => {
      said += b.toString('latin1');
    });
    s.on('error', () => undefined);
    s.on('close', () => resolve(said));
    for (const c of chunks) s.write(c);
  });
}

describe('the helper', () => {
  it('says what a process executes', async () => {
    const program = join(dir, 'sleep');
    copyFileSync('/bin/sleep', program);
    const child = spawn(program, ['60']);
    const pid = child.pid as number;
    const at = started(pid);
    const expected = { path: program, sha256: sha256('/bin/sleep') };
    expect(await observer.executable(pid, at)).toEqual(expected);
    // Another process had this pid then.
    expect(await exchange(`exe ${pid} ${at - 1}\n`)).toBe('-gone\n');
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    expect(await exchange(`exe ${pid} ${at}\n`)).toBe('-gone\n');
    expect(await observer.executable(pid, at)).toBe('unreadable');
  });

  it('reads no executable that is too long, and none of a kernel thread', async () => {
    // Node itself has more than the bound of this test.
    expect(await exchange(`exe ${process.pid} ${started(process.pid)}\n`)).toBe('-unreadable\n');
    if (process.getuid?.() === 0)
      expect(await exchange(`exe 2 ${started(2)}\n`)).toMatch(/^-(?:gone|unreadable)\n$/);
  });

  it('hands out logs whole, and says why where there is none', async () => {
    expect(Buffer.compare(Buffer.from((await observer.log('ima', 4_000_000)) as Uint8Array), ima)).toBe(0);
    expect(await observer.log('ima', 2_000_000)).toBe('unreadable');
    expect(await observer.log('systemd', 100)).toBe('absent');
    expect(await observer.report(new Uint8Array(64))).toBeUndefined();
  });

  it('stands in where the daemon may not read the firmware log', async () => {
    const named = { sha256: sha256(join(dir, 'firmware')), size: 6 };
    expect((await takeFirmwareLog(dir, observer)).named).toEqual(named);
    expect((await takeFirmwareLog(dir, createObserver(join(dir, 'nobody')))).named).toBe('unreadable');
    expect((await takeFirmwareLog(join(dir, 'none'), observer)).named).toBe('absent');
  });

  it('is asked for it again when it answers late, and not for ever', async () => {
    let asked = 0;
    const late = (times: number) => ({
      ...observer,
      log: async (name: 'firmware' | 'ima' | 'systemd', max: number) =>
        ++asked > times ? observer.log(name, max) : ('unreadable' as const),
    });
    expect((await takeFirmwareLog(dir, late(2))).named).toMatchObject({ size: 6 });
    asked = 0;
    expect((await takeFirmwareLog(dir, late(9))).named).toBe('unreadable');
    expect(asked).toBe(3);
  });
});

describe('it puts up with nothing else:', () => {
  it.each([
    ['another question', 'etc/shadow\n', /not spelt/],
    ['a line that does not end', 'x'.repeat(161), /not spelt/],
    ['two questions', 'ima\nima\n', /not spelt/],
    ['silence', '', /silent/],
    ['half a question', 'firm', /silent/],
  ])('%s', async (_what, bytes, why) => {
    cuts.length = 0;
    expect(await exchange(...(bytes === '' ? [] : [bytes]))).toBe('');
    expect(cuts).toEqual([expect.stringMatching(why)]);
  });

  it.runIf(may('root'))('another uid, root’s child or not', async () => {
    cuts.length = 0;
    const script = `const s = require('net').connect(${JSON.stringify(socket)}); let n = 0; s.on('data', (b) => n += b.length); s.on('error', () => 0); s.on('close', () => process.stdout.write('got ' + n)); s.write('ima\\n');`;
    const child = spawn(process.execPath, ['-e', script], { uid: 65534, gid: 65534, cwd: '/' });
    let said = '';
    for await (const b of child.stdout) said += b;
    expect(said).toBe('got 0');
    expect(cuts).toEqual(['a peer is not the one that is answered']);
  });
});
