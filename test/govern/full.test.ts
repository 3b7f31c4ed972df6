/**
 * A file system that is really full: nothing is allowed any more, by its code, and what was decided meanwhile is on
 * record, marked late and once only, as soon as there is room again, without a start of the daemon.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Daemon } from '../../src/daemon/daemon.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { ask, type Host, makeHost, until } from '../daemon/kit.ts';
import { may } from '../kit/privilege.ts';
import { ACT, code, makePolicies, POLICIES, type PolicyFolder, post, request } from './kit.ts';

let policies: PolicyFolder;
let host: Host;
let daemon: Daemon;
const state = () => host.config.state_dir;
const mount = (...args: string[]) => execFileSync('mount', ['-t', 'tmpfs', ...args, 'attestd-test', state()]);

beforeAll(async () => {
  policies = makePolicies(POLICIES);
  host = await makeHost({
    policy: { directory: policies.directory, keys: [policies.publicKey], max_unsealed_ms: 60_000 },
    seal: { idle_ms: 1000 },
  });
  mkdirSync(state());
  // Room for two segments and not for a third.
  mount('-o', 'size=44m,mode=700');
  await host.init();
  daemon = await host.start();
  await daemon.started;
}, 120_000);
afterAll(async () => {
  await host?.stop();
  execFileSync('umount', ['--lazy', state()]);
  await host?.remove();
  rmSync(policies.directory, { recursive: true, force: true });
});

it.runIf(may('mounts'))(
  'STORAGE_UNAVAILABLE, whoever finds it out; on record late, and once, when there is room again',
  async () => {
    const { path } = host.config.socket;
    const asking = (more = {}) => post(path, '/v1/grants?wait=durable', request(more));
    const using = (grant: string) => post(path, '/v1/executions?wait=durable', { grant, ...ACT });
    const given = await asking({ maxUses: 100 });
    expect(given.status, given.text).toBe(201);
    const grant: string = given.json.id;
    const big = JSON.stringify({
      phase: 'completed',
      action: { type: 'tool.call', name: 'fill' },
      plain: { inputs: { filler: 'x'.repeat(48_000) } },
    });
    const first = await ask(path, '/v1/records?wait=durable', { body: big });
    expect(first.status, first.text).toBe(201);
    // Copies of it fill two segments in a moment; that the next one is refused is seen through the socket again.
    const { id, index, digest } = first.json;
    const entry = Uint8Array.from(daemon.service.store?.entry(index) ?? []);
    const copy = () =>
      new Promise<Error | null>((resolve) => {
        const item = { entry, id, uid: process.getuid?.() ?? 0 };
        daemon.gate.engine?.recorder.submit(item, digest, 'durable', () => undefined, resolve);
      });
    await until(async () => (await Promise.all(Array.from({ length: 16 }, copy))).some((e) => e !== null));
    const last = await until(async () => {
      const answer = await ask(path, '/v1/records?wait=durable', { body: big });
      return answer.status !== 201 && answer;
    });
    expect([code(last), last.status], last.text).toEqual(['STORAGE_UNAVAILABLE', 503]);
    expect(last.json.detail).toMatch(/ENOSPC|no space/i);
    const filled = daemon.service.store?.size ?? 0;
    const { bavail, bsize } = statfsSync(state());
    expect(bavail * bsize).toBeLessThan(16 << 20);

    // Small ones may still fit into the rest of the segment. Each refusal is kept; none names a record that stands.
    const refused: string[] = [];
    const refusal = async (expected: string, act: () => ReturnType<typeof asking>) => {
      const answer = await until(async () => {
        const a = await act();
        if (a.status === 201 || a.json.denial !== undefined) return false;
        refused.push(code(a));
        return code(a) === expected && a;
      });
      if (expected === 'STORAGE_UNAVAILABLE') expect(answer.status, answer.text).toBe(503);
    };
    const forbidden = () => asking({ scope: [{ type: 'exec', name: 'rm' }] });
    await refusal('STORAGE_UNAVAILABLE', () => asking());
    await refusal('STORAGE_UNAVAILABLE', () => using(grant));
    // A seal still fits into what is kept free for it, and nobody takes that for room.
    const { store } = daemon.service;
    await until(() => (store?.lastSeal()?.size ?? 0) === store?.size);
    expect(store?.full).toBeDefined();
    for (const act of [() => asking(), forbidden, () => using(grant)])
      await refusal('STORAGE_UNAVAILABLE', act);
    expect(new Set(refused)).toEqual(new Set(['STORAGE_UNAVAILABLE']));
    expect(host.fatal).toEqual([]);
    const late = () =>
      [...(daemon.service.store?.entries(filled) ?? [])]
        .map((e) => readStatement(Uint8Array.from(e)))
        .flatMap((s) => (s.kind === 'denial' && s.predicate.late ? [s.predicate.reason] : []));

    mount('-o', 'remount,size=96m');
    await until(() => late().length === refused.length);
    expect(late()).toEqual(refused);
    await until(async () => (await asking()).status === 201);
    await host.stop();
    daemon = await host.start();
    await daemon.started;
    expect(daemon.gate.phase).toBe('running');
    expect(late()).toEqual(refused);
  },
  240_000,
);
