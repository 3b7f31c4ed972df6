/** The bounded queue, its order, and what a TPM that hangs does to callers and to the process. */
import { execFile } from 'node:child_process';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadAddon } from '../../src/native/addon.ts';
import type { TpmContext } from '../../src/native/tpm.ts';
import { type Swtpm, startSwtpm } from '../kit/swtpm.ts';
import { CC } from '../kit/wire.ts';
import * as wire from './wire.ts';

const addon = loadAddon();
let swtpm: Swtpm;
let tpm: TpmContext;
const proxy = () => {
  if (swtpm.proxy === null) throw new Error('the test needs a proxy');
  return swtpm.proxy;
};

beforeEach(async () => {
  swtpm = await startSwtpm({ eks: 'none', proxy: true });
  tpm = await addon.openTpm({ tcti: swtpm.tcti, queue: 4, deadlineMs: 30_000 });
});
afterEach(async () => {
  proxy().clear();
  await tpm.close();
  await swtpm.stop();
});

/** Waits for something that a promise cannot say. */
async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('the queue', () => {
  it('holds so many commands and refuses the next one', async () => {
    proxy().inject({ cc: CC.getRandom, times: 1, delayMs: 300 });
    const running = tpm.getRandom(8);
    await until(() => proxy().seen(CC.getRandom) === 1);
    const waiting = [1, 2, 3, 4].map(() => tpm.readClock());
    expect(tpm.state().queued).toBe(4);
    await expect(tpm.readClock()).rejects.toMatchObject({
      code: 'TPM_UNAVAILABLE',
      reason: 'queue',
      command: 'TPM2_ReadClock',
    });
    expect((await running).length).toBe(8);
    expect(await Promise.all(waiting)).toHaveLength(4);
  });

  it('takes a flush even when it is full', async () => {
    const session = await tpm.startSession({ type: 'hmac' });
    proxy().inject({ cc: CC.getRandom, times: 1, delayMs: 200 });
    const rest = [tpm.getRandom(8)];
    await until(() => proxy().seen(CC.getRandom) === 1);
    for (let i = 0; i < 4; i++) rest.push(tpm.getRandom(1));
    await tpm.flush(session);
    await Promise.all(rest);
    expect(tpm.state().sessions).toBe(0);
  });

  it('runs control before quote before sign', async () => {
    const { handle: key } = await tpm.createPrimary({ hierarchy: 'endorsement', public: wire.SIGNER });
    proxy().inject({ cc: CC.getRandom, times: 1, delayMs: 200 });
    const order: string[] = [];
    const note = (what: string) => () => order.push(what);
    const all = [tpm.getRandom(8).then(note('first'))];
    await until(() => proxy().seen(CC.getRandom) === 1);
    const data = { key, qualifyingData: Buffer.alloc(32), selection: wire.selection([0]) };
    all.push(tpm.sign({ key, digest: Buffer.alloc(32) }).then(note('sign')));
    all.push(tpm.quote(data).then(note('quote')));
    all.push(tpm.readClock().then(note('control')));
    await Promise.all(all);
    expect(order).toEqual(['first', 'control', 'quote', 'sign']);
  });
});

describe('a TPM that hangs', () => {
  it('rejects at the deadline, refuses what comes later, and is usable again when it answers', async () => {
    proxy().inject({ cc: CC.getRandom, times: 1, delayMs: 700 });
    const late = tpm.getRandom(8, { deadlineMs: 100 });
    await expect(late).rejects.toMatchObject({ code: 'TPM_TIMEOUT', command: 'TPM2_GetRandom' });
    expect(tpm.state().stalled).toBe(true);
    const refused = { code: 'TPM_UNAVAILABLE', reason: 'stalled' };
    await expect(tpm.readClock()).rejects.toMatchObject(refused);
    await until(() => !tpm.state().stalled);
    expect((await tpm.getRandom(8)).length).toBe(8);
  });

  it('lets commands in the queue time out without calling the TPM hung', async () => {
    proxy().inject({ cc: CC.getRandom, times: 1, delayMs: 400 });
    const running = tpm.getRandom(8);
    await expect(tpm.readClock({ deadlineMs: 50 })).rejects.toMatchObject({ code: 'TPM_TIMEOUT' });
    expect(tpm.state()).toMatchObject({ stalled: false, queued: 0 });
    await running;
    expect(proxy().seen(CC.readClock)).toBe(0);
  });

  it('does not keep what a late command made', async () => {
    proxy().inject({ cc: CC.createPrimary, times: 1, delayMs: 400 });
    const input = { hierarchy: 'null', public: wire.STORAGE } as const;
    await expect(tpm.createPrimary(input, { deadlineMs: 50 })).rejects.toMatchObject({ code: 'TPM_TIMEOUT' });
    await until(() => !tpm.state().stalled);
    await tpm.readClock();
    await until(() => proxy().seen(CC.flushContext) === 1);
    expect(tpm.state().objects).toBe(0);
  });

  it('closes at once', async () => {
    proxy().inject({ cc: CC.getRandom, hang: true });
    await expect(tpm.getRandom(8, { deadlineMs: 50 })).rejects.toMatchObject({ code: 'TPM_TIMEOUT' });
    await tpm.close();
    await tpm.close();
    await expect(tpm.getRandom(8)).rejects.toMatchObject({ code: 'TPM_UNAVAILABLE', reason: 'closed' });
  });

  it('closes at the deadline when it begins to hang meanwhile', async () => {
    const own = await addon.openTpm({ tcti: swtpm.tcti, queue: 4, deadlineMs: 200 });
    proxy().inject({ cc: CC.getRandom, hang: true });
    const before = proxy().seen(CC.getRandom);
    const never = own.getRandom(8, { deadlineMs: 20_000 });
    const waiting = own.readClock();
    // What no thread has taken yet would be refused by the close itself.
    await expect.poll(() => proxy().seen(CC.getRandom), { interval: 2 }).toBe(before + 1);
    const closed = own.close();
    await expect(waiting).rejects.toMatchObject({ reason: 'closed' });
    await closed;
    proxy().release();
    await expect(never).rejects.toMatchObject({ layer: 'tcti' });
  });
});

describe('a socket that accepts and never answers', () => {
  let servers: Server[] = [];
  const sockets = new Set<Socket>();
  afterEach(async () => {
    for (const s of sockets) s.destroy();
    await Promise.all(servers.map((s) => new Promise((resolve) => s.close(resolve))));
    servers = [];
  });
  const deaf = async (): Promise<string> => {
    const path = join(swtpm.dir, 'deaf');
    for (const p of [path, `${path}.ctrl`]) {
      const server = createServer((s) => sockets.add(s));
      await new Promise<void>((resolve) => server.listen(p, resolve));
      servers.push(server);
    }
    return path;
  };

  it('ends in TPM_TIMEOUT, whether while opening or at the first command', async () => {
    const path = await deaf();
    const attempt = addon
      .openTpm({ tcti: `swtpm:path=${path}`, queue: 1, deadlineMs: 200 })
      .then((t) => t.getRandom(1));
    await expect(attempt).rejects.toMatchObject({ code: 'TPM_TIMEOUT' });
  });

  it('never keeps a process alive or stops it from exiting', async () => {
    const path = await deaf();
    const addonPath = join(import.meta.dirname, '../../build/Release/attestd.node');
    for (const exit of ['', 'process.exit(7)']) {
      const script = `
        const addon = require(${JSON.stringify(addonPath)});
        addon.openTpm({ tcti: ${JSON.stringify(`swtpm:path=${path}`)}, queue: 1, deadlineMs: 100 })
          .then((t) => t.getRandom(1))
          .catch((e) => { console.log(e.code); ${exit} });`;
      // A process that hangs is killed by the timeout, and then the promise rejects with a signal.
      const child = await promisify(execFile)(process.execPath, ['-e', script], { timeout: 60_000 }).catch(
        (e: { code?: number; stdout: string }) => e,
      );
      expect(child.stdout).toBe('TPM_TIMEOUT\n');
      expect('code' in child ? child.code : 0).toBe(exit === '' ? 0 : 7);
    }
  });
});

describe('a broken connection', () => {
  it('is told apart by layer, and poisons the context, as facts', async () => {
    proxy().inject({ cc: CC.getRandom, times: 1, truncate: 11 });
    await expect(tpm.getRandom(8)).rejects.toMatchObject({
      code: 'TPM_ERROR',
      rcName: 'TSS2_TCTI_RC_MALFORMED_RESPONSE',
    });
    await expect(tpm.readClock()).rejects.toMatchObject({
      layer: 'esys',
      rc: 0x70007,
      rcName: 'TSS2_ESYS_RC_BAD_SEQUENCE',
    });
  });

  it('at the end of the stream is an I/O error of the TCTI', async () => {
    proxy().inject({ cc: CC.getRandom, times: 1, eof: 'before' });
    await expect(tpm.getRandom(8)).rejects.toMatchObject({ layer: 'tcti', rcBase: 'TSS2_TCTI_RC_IO_ERROR' });
  });

  it('response codes of the TPM come through with their names', async () => {
    for (const [rc, rcName] of [
      [0x921, 'TPM_RC_LOCKOUT'],
      [0x902, 'TPM_RC_OBJECT_MEMORY'],
      [0x901, 'TPM_RC_CONTEXT_GAP'],
      [0x920, 'TPM_RC_NV_RATE'],
      [0x1df, 'TPM_RC_INTEGRITY (parameter 1)'],
    ] as const) {
      proxy().inject({ cc: CC.readClock, times: 1, rc });
      await expect(tpm.readClock()).rejects.toMatchObject({ code: 'TPM_ERROR', rc, rcName });
    }
  });
});
