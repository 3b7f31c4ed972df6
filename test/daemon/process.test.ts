/** The daemon as systemd runs it: a process with inherited sockets, a notification socket, limits, and an end. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { makeProcessHost, type ProcessHost, until, within } from '../kit/host.ts';
import { ask, body } from './kit.ts';

let host: ProcessHost;
afterEach(() => host.remove());

const ready = (socket: string) =>
  until('the daemon to take records', async () => {
    const a = await ask(socket, '/v1/health').catch(() => undefined);
    return a?.json?.canRecord === true;
  });

describe('the process', () => {
  it('serves on sockets that systemd hands over, and each keeps its meaning', async () => {
    host = await makeProcessHost();
    const [client, admin] = [join(host.dir, 'given.sock'), join(host.dir, 'given-admin.sock')];
    const daemon = host.start([
      'systemd-socket-activate',
      '-l',
      client,
      '-l',
      admin,
      '--fdname=client:admin',
    ]);
    await ready(client);
    const { status, json } = await ask(client, '/v1/records', { body: body() });
    expect([status, json.strength]).toEqual([201, 'sealed']);
    const epoch = json.log.split('/')[2];
    expect((await ask(client, `/v1/log/${epoch}/tile/entries/000.p/1`)).status).toBe(403);
    expect((await ask(admin, `/v1/log/${epoch}/tile/entries/000.p/1`)).status).toBe(200);
    expect(await daemon.stop()).toEqual({ code: 0, signal: null });
  });

  it('writes no core, and ends well on SIGTERM', async () => {
    host = await makeProcessHost();
    const daemon = host.start();
    await daemon.ready();
    const limits = readFileSync(`/proc/${daemon.pid}/limits`, 'utf8');
    expect(limits).toMatch(/^Max core file size\s+0\s+0\s/m);
    expect(await daemon.stop()).toEqual({ code: 0, signal: null });
  });

  it('that cannot write at its start says so to who asks, and only then ends for another try', async () => {
    host = await makeProcessHost();
    const broken = ['-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=EIO'];
    const daemon = host.start(['strace', '-D', '-f', '-o', '/dev/null', ...broken]);
    expect(await daemon.refusal()).toBe('STORAGE_UNAVAILABLE');
    const { status, json } = await ask(host.socket, '/v1/records', { body: body() });
    expect([status, json.type]).toEqual([503, 'urn:attestd:error:STORAGE_UNAVAILABLE']);
    expect(await within('the daemon to end', daemon.ended)).toEqual({ code: 5, signal: null });
    const next = host.start();
    await next.ready();
    expect(await next.stop()).toEqual({ code: 0, signal: null });
  });

  it('that cannot write at its start and is stopped while it says so does not end as if all were well', async () => {
    host = await makeProcessHost();
    const broken = ['-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=EIO'];
    const daemon = host.start(['strace', '-D', '-f', '-o', '/dev/null', ...broken]);
    expect(await daemon.refusal()).toBe('STORAGE_UNAVAILABLE');
    expect(await daemon.stop()).toEqual({ code: 5, signal: null });
  });

  it('says what is wrong with its configuration, and ends with 2', async () => {
    host = await makeProcessHost();
    const main = join(process.env.ATTESTD_DIST ?? 'dist', 'daemon/main.js');
    const run = (...args: string[]) =>
      execFileSync('node', [main, ...args], { encoding: 'utf8', stdio: 'pipe' });
    expect(run('--check-config', '--config', 'systemd/attestd.toml')).toBe('the configuration is valid\n');
    // Policies that would not come into force are a fault of it too.
    const file = join(host.dir, 'check.toml');
    writeFileSync(file, 'fleet = "f"\nhost = "h"\n[policy]\ndirectory = "/nowhere/policies"\n');
    expect(() => run('--check-config', '--config', file)).toThrow(/nowhere\/policies.*CONFIG_INVALID/);
    for (const args of [['--config', '/nowhere.toml'], ['--unknown']]) {
      expect(() => run(...args)).toThrowError(expect.objectContaining({ status: 2 }));
    }
  });

  it('grows by at most 64 MB under a flood of requests, connections and halves of both', async () => {
    host = await makeProcessHost();
    const daemon = host.start();
    await daemon.ready();
    const warm = `${body()}\n`.repeat(20_000);
    const stream = { headers: { 'content-type': 'application/x-ndjson' } };
    await ask(host.socket, '/v1/records?wait=durable', { body: warm, ...stream });
    const anonymous = () =>
      Number(/RssAnon:\s+(\d+) kB/.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))?.[1]) / 1024;
    const before = anonymous();
    let peak = before;
    const watch = setInterval(() => {
      peak = Math.max(peak, anonymous());
    }, 20);
    const large = body({ inputs: { a: 'x'.repeat(60_000) } });
    const head =
      'POST /v1/records HTTP/1.1\r\nhost: x\r\nattestd-client: flood/1\r\ncontent-type: application/json\r\n';
    const sockets = Array.from({ length: 400 }, (_, i) => {
      const s = connect(host.socket);
      s.on('error', () => undefined);
      if (i % 2 === 0) s.pause();
      s.write(i % 4 === 0 ? head : `${head}content-length: 250000\r\n\r\n${'x'.repeat(100_000)}`);
      return s;
    });
    const answers = await Promise.all(
      Array.from({ length: 300 }, () =>
        ask(host.socket, '/v1/records?wait=durable', { body: large }).then(
          (a) => a.status,
          () => 0,
        ),
      ),
    );
    for (const s of sockets) s.destroy();
    clearInterval(watch);
    expect(new Set(answers.filter((s) => ![0, 201, 429, 503].includes(s)))).toEqual(new Set());
    expect(peak - before).toBeLessThanOrEqual(64);
    expect((await ask(host.socket, '/v1/records', { body: body() })).status).toBe(201);
    await daemon.stop();
  });
});
