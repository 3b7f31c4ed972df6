/**
 * A file system that is really full: nothing is allowed any more, by its code, and what was decided meanwhile is on
 * record, marked late and once only, as soon as there is room again, without a start of the daemon.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Daemon } from '../../src/daemon/daemon.ts';
import { epochOf, layoutOf, readCurrent } from '../../src/daemon/layout.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { parseSegmentName } from '../../src/store/segment.ts';
import { SEGMENT_BYTES } from '../../src/store/segments.ts';
import { type Answer, ask, type Host, makeHost, until } from '../daemon/kit.ts';
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

const socket = () => host.config.socket.path;
const asking = (more = {}) => post(socket(), '/v1/grants?wait=durable', request(more));
const using = (grant: string, plain: Record<string, unknown> = {}) =>
  post(socket(), '/v1/executions?wait=durable', { grant, ...ACT, plain: { ...ACT.plain, ...plain } });
const FILLER = { filler: 'x'.repeat(48_000) };
const action = { type: 'tool.call', name: 'fill' };
const big = JSON.stringify({ phase: 'completed', action, plain: { inputs: FILLER } });
const plainOne = () => ask(socket(), '/v1/records?wait=durable', { body: big });
const size = () => daemon.service.store?.size ?? 0;
const wal = () => {
  const layout = layoutOf(state());
  return join(layout.log(epochOf(readCurrent(layout).origin)), 'wal');
};
/** Index of the first entry of the newest segment, and which one that is. */
function newest(): { readonly first: number; readonly ordinal: number } {
  const segments = readdirSync(wal()).flatMap((name) => parseSegmentName(name) ?? []);
  return segments.reduce((a, b) => (a.ordinal > b.ordinal ? a : b));
}
/** Fills the log with copies of one record until the newest segment is this one, and three quarters full. */
async function fillTo(ordinal: number): Promise<void> {
  const { id, index, digest } = (await plainOne()).json;
  const entry = Uint8Array.from(daemon.service.store?.entry(index) ?? []);
  const item = { entry, id, uid: process.getuid?.() ?? 0 };
  const copy = () =>
    new Promise<void>((resolve, reject) => {
      daemon.gate.engine?.recorder.submit(
        item,
        digest,
        'durable',
        () => undefined,
        (e) => (e === null ? resolve() : reject(e)),
      );
    });
  const entries = Math.floor((SEGMENT_BYTES * 0.75) / entry.length);
  while (newest().ordinal < ordinal || size() < newest().first + entries)
    await Promise.all(Array.from({ length: 16 }, copy));
  expect(newest().ordinal).toBe(ordinal);
}
/** Does it until one is not taken by the log. */
async function untilRefused(act: () => ReturnType<typeof asking>, taken: (a: Answer) => boolean) {
  for (let n = 0; n < 400; n++) {
    const answer = await act();
    if (!taken(answer)) return { answer, n };
  }
  throw new Error('there is always room');
}
const late = (from: number) =>
  [...(daemon.service.store?.entries(from) ?? [])]
    .map((e) => readStatement(Uint8Array.from(e)))
    .flatMap((s) => (s.kind === 'denial' && s.predicate.late ? [s.predicate] : []));

it.runIf(may('mounts'))(
  'STORAGE_UNAVAILABLE, whoever finds it out; on record late, and once, when there is room again',
  async () => {
    const given = await asking({ maxUses: 100 });
    expect(given.status, given.text).toBe(201);
    const grant: string = given.json.id;
    await fillTo(1);
    // A refusal by the policy finds out that the disk is full: it stays that refusal, and is kept.
    const forbidden = (more = {}) => asking({ scope: [{ type: 'exec', name: 'rm' }], ...more });
    const found = await untilRefused(
      () => forbidden({ plain: { parameters: FILLER } }),
      (a) => a.json.denial !== undefined,
    );
    expect(found.n, found.answer.text).toBeGreaterThan(10);
    expect([code(found.answer), found.answer.status, found.answer.json.denial]).toEqual([
      'POLICY_DENY',
      403,
      undefined,
    ]);
    expect(daemon.service.store?.full).toBeDefined();
    const last = await plainOne();
    expect([code(last), last.status], last.text).toEqual(['STORAGE_UNAVAILABLE', 503]);
    expect(last.json.detail).toMatch(/ENOSPC|no space/i);
    const filled = size();
    const { bavail, bsize } = statfsSync(state());
    expect(bavail * bsize).toBeLessThan(SEGMENT_BYTES);

    // A seal still fits into what is kept free for it, and nobody takes that for room.
    const { store } = daemon.service;
    await until(() => (store?.lastSeal()?.size ?? 0) === store?.size);
    expect(store?.full).toBeDefined();
    const refused: string[] = ['POLICY_DENY'];
    for (const act of [() => asking(), forbidden, () => using(grant)]) {
      const answer = await act();
      expect([code(answer), answer.status, answer.json.denial]).toEqual([
        'STORAGE_UNAVAILABLE',
        503,
        undefined,
      ]);
      refused.push('STORAGE_UNAVAILABLE');
    }
    expect(host.fatal).toEqual([]);

    mount('-o', 'remount,size=96m');
    await until(() => late(filled).length === refused.length);
    expect(late(filled).map((d) => d.reason)).toEqual(refused);
    expect(late(filled)[0]).toMatchObject({
      condition: 'no policy permits it',
      policy: { id: 'test@1' },
      requested: { what: 'grant', parameters: FILLER },
    });
    await until(async () => (await asking()).status === 201);
    await host.stop();
    daemon = await host.start();
    await daemon.started;
    expect(daemon.gate.phase).toBe('running');
    expect(late(filled).map((d) => d.reason)).toEqual(refused);
  },
  240_000,
);

it.runIf(may('mounts'))(
  'a use that the full disk refused is as good as not taken: the next has its number, without a start',
  async () => {
    const given = await asking({ maxUses: 1000, delegable: { depth: 1 } });
    expect(given.status, given.text).toBe(201);
    const grant: string = given.json.id;
    // Room for the spare, which is there, and for no other.
    const spare = () => readdirSync(wal()).includes('spare');
    await until(spare);
    const { bavail, blocks, bsize } = statfsSync(state());
    mount('-o', `remount,size=${Math.ceil((blocks - bavail) * bsize + SEGMENT_BYTES / 2)}`);
    await fillTo(newest().ordinal + 1);
    const taken: string[] = [];
    // Several at a time: of those that were under way none must be missing in the chain of the next.
    const several = async () => {
      const answers = await Promise.all(Array.from({ length: 4 }, () => using(grant, { inputs: FILLER })));
      for (const a of answers) if (a.status === 201) taken.push(a.json.id);
      return answers.find((a) => a.status !== 201) ?? (answers[0] as Answer);
    };
    const { answer, n } = await untilRefused(several, (a) => a.status === 201);
    expect([code(answer), answer.status], answer.text).toEqual(['STORAGE_UNAVAILABLE', 503]);
    expect(n, answer.text).toBeGreaterThan(3);
    const used = async () => (await ask(socket(), `/v1/grants/${grant}`)).json.used;
    expect(await used()).toBe(taken.length);
    mount('-o', 'remount,size=192m');
    await until(async () => (await plainOne()).status === 201);
    // Delegation takes uses as well, and goes on from there.
    const child = await asking({ delegatedFrom: grant, seconds: 60, maxUses: 2 });
    expect(child.status, child.text).toBe(201);
    const next = await using(grant);
    expect(next.status, next.text).toBe(201);
    const statement = (id: string) => {
      const entry = daemon.service.store?.entry(daemon.service.store.lookup(id)?.index ?? 0);
      // biome-ignore lint/suspicious/noExplicitAny: predicates are read in many shapes
      return readStatement(Uint8Array.from(entry ?? [])).predicate as any;
    };
    const places = taken.map((id) => statement(id).authorization.use.n).sort((a, b) => a - b);
    expect(places).toEqual(taken.map((_, i) => i + 1));
    const newestUse = taken.find((id) => statement(id).authorization.use.n === taken.length);
    expect(statement(child.json.id).delegation.use).toMatchObject({
      n: taken.length + 1,
      prev: { id: newestUse },
    });
    expect(statement(next.json.id).authorization.use).toMatchObject({
      n: taken.length + 3,
      prev: { id: child.json.id },
    });
    expect(await used()).toBe(taken.length + 3);
  },
  240_000,
);
