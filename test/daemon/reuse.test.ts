/**
 * Recycled pids, forced: a process connects, asks and ends, and another takes its pid before the daemon looks. What is
 * asked is refused, on record, and nothing about the second process stands in the record of the first. Thousands of
 * times, on a kernel that pins its peers (SO_PEERPIDFD) and on one that does not.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DenialPredicate } from '../../src/evidence/schema/governance.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { type Addon, loadAddon } from '../../src/native/addon.ts';
import { code, post, request } from '../govern/kit.ts';
import { may } from '../kit/privilege.ts';
import { type Host, makeHost, until } from './kit.ts';

const dir = mkdtempSync(join(tmpdir(), 'attestd-reuse-'));
const program = join(dir, 'reuse');
const asked = join(dir, 'request');
const BATCH = 200;

/** The addon as it is on a kernel before 6.5. */
function older(addon: Addon): Addon {
  const known = {
    peerCredentials(fd: number) {
      const { pidfd, gone: _, ...rest } = addon.peerCredentials(fd);
      if (pidfd !== undefined) addon.closeFd(pidfd);
      return rest;
    },
  };
  return new Proxy(addon, {
    get: (target, name) => (name === 'peerCredentials' ? known.peerCredentials : Reflect.get(target, name)),
  });
}

beforeAll(() => {
  execFileSync('cc', [
    '-O1',
    '-Wall',
    '-Werror',
    '-o',
    program,
    fileURLToPath(new URL('reuse.c', import.meta.url)),
  ]);
  const body = JSON.stringify(request());
  const head = ['POST /v1/grants?wait=durable HTTP/1.1', 'host: attestd', 'attestd-client: reuse/1'];
  const type = ['content-type: application/json', `content-length: ${Buffer.byteLength(body)}`];
  writeFileSync(asked, [...head, ...type, '', body].join('\r\n'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe.runIf(may('pids')).each([
  ['with SO_PEERPIDFD', loadAddon],
  ['without SO_PEERPIDFD', () => older(loadAddon())],
] as const)('a recycled pid, %s', (_what, native) => {
  let host: Host;
  let denials: DenialPredicate[] = [];
  let size = 0;
  beforeAll(async () => {
    host = await makeHost({ limits: { connections_per_caller: 1024 }, policy: { max_unsealed_ms: 60_000 } });
    await host.init();
    const daemon = await host.start(native());
    await daemon.started;
    await until(() => daemon.gate.phase === 'running');
    size = daemon.service.store?.size ?? 0;
    look = () => {
      const store = daemon.service.store;
      const fresh = [...(store?.entries(size) ?? [])].map((e) => readStatement(Uint8Array.from(e)));
      size += fresh.length;
      const kinds = new Set(fresh.map((s) => s.kind));
      expect(kinds).not.toContain('grant');
      for (const s of fresh) if (s.kind === 'denial') denials.push(s.predicate);
      return denials.length;
    };
  }, 60_000);
  afterAll(() => host?.remove());
  let look: () => number = () => 0;

  /** Ends the holder of the connections, and with it those who took the pids over. */
  const release = (said: string): number[] => {
    const [holder, ...pids] = said.trim().split(' ').map(Number);
    process.kill(holder as number, 'SIGKILL');
    return pids;
  };

  it('is never believed, a thousand times', async () => {
    for (let batch = 0; batch < 5; batch++) {
      denials = [];
      // Nothing is accepted while this waits: every pid has changed hands before the daemon can look.
      const said = execFileSync(program, [host.config.socket.path, String(BATCH), asked], {
        encoding: 'utf8',
        timeout: 60_000,
      });
      await until(() => look() >= BATCH);
      const pids = release(said);
      expect(new Set(pids).size).toBe(BATCH);
      expect(denials.map((d) => d.caller.observed.pid).sort()).toEqual(pids.sort());
      for (const { reason, caller } of denials) {
        expect(reason).toBe('ATTRIBUTION_FAILED');
        const { startTicks, exe, cgroup, unit } = caller.observed;
        expect([startTicks, exe, cgroup, unit]).toEqual([
          'unreadable',
          'unreadable',
          'unreadable',
          undefined,
        ]);
      }
    }
  }, 120_000);

  it('is never another, whoever is quicker', async () => {
    denials = [];
    const run = promisify(execFile)(program, [host.config.socket.path, String(BATCH), asked], {
      timeout: 60_000,
    });
    const { stdout } = await run;
    await until(() => look() >= BATCH);
    release(stdout);
    for (const { reason, caller } of denials) {
      const { exe, startTicks } = caller.observed;
      if (startTicks === 'unreadable') expect([reason, exe]).toEqual(['ATTRIBUTION_FAILED', 'unreadable']);
      else expect(exe === 'unreadable' || exe.path === program).toBe(true);
    }
  }, 120_000);

  it('a process that stays is known', async () => {
    // Without a pidfd: once the daemon knows a moment at which nobody waited and we were alive.
    await sleep(100);
    expect(code(await post(host.config.socket.path, '/v1/grants', request()))).toBe('POLICY_DENY');
  });
});
