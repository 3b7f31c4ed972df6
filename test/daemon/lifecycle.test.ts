/** Starts, stops, TPMs that come and go, and the counter rule. */
import { cpSync, rmSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { recoverHost } from '../../src/daemon/init.ts';
import { epochOf, layoutOf, readCurrent } from '../../src/daemon/layout.ts';
import { type Predicate, readStatement, type Statement } from '../../src/evidence/statement.ts';
import { openStore } from '../../src/store/open.ts';
import { loadCounter } from '../../src/tpm/counter.ts';
import { openTpm } from '../../src/tpm/tpm.ts';
import { ask, body, type Host, makeHost, random, until } from './kit.ts';

let host: Host;
afterEach(() => host.remove());

const record = (wait = 'sealed') =>
  ask(host.config.socket.path, `/v1/records?wait=${wait}`, { body: body() });
const status = async () => (await ask(host.config.socket.path, '/v1/status')).json;

/** Every statement in the log of the stopped host. */
async function statements(): Promise<Statement[]> {
  const layout = layoutOf(host.config.state_dir);
  const store = await openStore(layout.log(epochOf(readCurrent(layout).origin)));
  try {
    return [...store.entries()].map((e) => readStatement(Uint8Array.from(e)));
  } finally {
    await store.close();
  }
}
const kinds = (all: readonly Statement[]) => all.map((s) => s.kind);
const of = <K extends Statement['kind']>(all: readonly Statement[], kind: K) =>
  all.filter((s) => s.kind === kind).map((s) => s.predicate as Predicate<K>);

/** Increments the counter behind the daemon's back. */
async function count(times: number): Promise<void> {
  const { tcti, deadline_ms } = host.config.tpm;
  const tpm = await openTpm({ tcti, deadlineMs: deadline_ms, sessions: 'password' });
  const counter = await loadCounter(tpm, layoutOf(host.config.state_dir).identity);
  for (let i = 0; i < times; i++) await counter.increment();
  await tpm.close();
}

describe('a start and a clean stop', () => {
  it('write genesis, boot, boot anchor, records, final anchor, and a seal over it all', async () => {
    host = await makeHost();
    const { origin } = await host.init();
    await (await host.start()).started;
    await record();
    await host.stop();
    const layout = layoutOf(host.config.state_dir);
    const store = await openStore(layout.log(epochOf(origin)));
    expect(store.lastSeal()?.size).toBe(store.size);
    await store.close();
    const all = await statements();
    expect(kinds(all)).toEqual(['genesis', 'boot', 'anchor', 'execution', 'anchor']);
    const [first, last] = of(all, 'anchor');
    expect([first?.reason, last?.reason]).toEqual(['boot', 'stop']);
    expect(BigInt(last?.counter ?? 0)).toBe(BigInt(first?.counter ?? 0) + 1n);
    const [boot] = of(all, 'boot');
    expect(boot?.recovered).toBeUndefined();
    expect(Object.keys(boot?.pcrs.sha256 ?? {})).toHaveLength(14);
    expect(of(all, 'execution')[0]?.boot).toMatch(/^[0-9a-f]{64}$/);
  });

  it('is refused without init, and init is refused twice', async () => {
    host = await makeHost();
    await (await host.start()).started;
    expect((await record()).json.type).toBe('urn:attestd:error:NOT_INITIALISED');
    await host.stop();
    await host.init();
    await expect(host.init()).rejects.toMatchObject({ code: 'EXISTS' });
  });

  it('times never go back when the wall clock does', async () => {
    host = await makeHost();
    await host.init();
    await (await host.start()).started;
    await record();
    await host.stop();
    const real = Date.now;
    Date.now = () => real() - 86_400_000;
    try {
      await (await host.start()).started;
      await record();
      // What nobody waits for is sealed by its age all the same.
      const { id } = (await record('durable')).json;
      const path = `/v1/records/${id}`;
      await until(async () => (await ask(host.config.socket.path, path)).json.strength === 'sealed');
      await host.stop();
    } finally {
      Date.now = real;
    }
    const times = (await statements()).map((s) => s.predicate.time);
    expect(times).toEqual([...times].sort());
  });
});

describe('a TPM', () => {
  it('that is absent at start is waited for, and nothing is appended before it comes', async () => {
    host = await makeHost({ tpm: { deadline_ms: 500 } });
    await host.init();
    await host.tpm.kill();
    const daemon = await host.start();
    const answer = await until(async () => {
      const a = await record();
      return a.status === 503 && a;
    });
    expect(answer.json.type).toBe('urn:attestd:error:TPM_UNAVAILABLE');
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect((await status()).entries).toBe(1);
    expect((await ask(host.config.socket.path, '/v1/health')).json).toMatchObject({
      alive: true,
      canRecord: false,
    });
    await host.tpm.powerOn();
    await daemon.started;
    expect((await record()).status).toBe(201);
  });

  it('that is reset under load gets a new boot entry and the next seal without a restart', async () => {
    host = await makeHost();
    await host.init();
    await (await host.start()).started;
    let going = true;
    const answers: { status: number; strength: string; recovered?: boolean }[] = [];
    const load = Array.from({ length: 8 }, async () => {
      while (going) {
        const { status: s, json } = await record();
        answers.push({ status: s, strength: json.strength, recovered: json.recovered });
      }
    });
    await until(() => answers.length > 50);
    await host.tpm.reset();
    const before = answers.length;
    await until(() => answers.length > before + 50);
    going = false;
    await Promise.all(load);
    expect(answers.every((a) => a.status === 201)).toBe(true);
    await host.stop();
    const all = await statements();
    const boots = of(all, 'boot');
    expect(boots).toHaveLength(2);
    expect(boots[1]?.reset.resetCount).toBe((boots[0]?.reset.resetCount ?? 0) + 1);
    // Whoever waited while the run ended was told that its record is recovered, not sealed.
    const recovered = boots[1]?.recovered;
    const lost = answers.filter((a) => a.recovered === true).length;
    expect(lost).toBe(recovered === undefined ? 0 : recovered.size - recovered.from);
    const second = kinds(all).lastIndexOf('boot');
    expect(recovered === undefined || recovered.size === second).toBe(true);
    const runs = (from: number, to: number) =>
      new Set(all.slice(from, to).flatMap((s) => (s.kind === 'execution' ? [s.predicate.boot] : [])));
    const [before0, after0] = [runs(0, second), runs(second, all.length)];
    expect([before0.size, after0.size]).toEqual([1, 1]);
    expect([...before0]).not.toEqual([...after0]);
  });
});

describe('the counter rule', () => {
  it('lets a log go on whose increment was announced and interrupted, and writes a gap', async () => {
    host = await makeHost();
    await host.init();
    await (await host.start()).started;
    await host.stop();
    const layout = layoutOf(host.config.state_dir);
    const store = await openStore(layout.log(epochOf(readCurrent(layout).origin)));
    const { size, root } = store.head();
    const counter = store.recovered.lastAnchor?.counter ?? 0n;
    await store.appendIntent({ kind: 'counter', seq: 0, size, root, counter, body: new Uint8Array(0) });
    await store.close();
    await count(1);
    await (await host.start()).started;
    expect((await record()).status).toBe(201);
    await host.stop();
    const all = await statements();
    expect(of(all, 'gap').map((g) => g.reason)).toEqual(['counter-interrupted']);
    const counters = of(all, 'anchor').map((a) => BigInt(a.counter));
    expect(counters.every((c, i) => i === 0 || c === (counters[i - 1] ?? 0n) + 1n)).toBe(true);
  });

  it.each([
    ['the counter went on without the log', async () => count(1)],
    [
      'an old state of the disk was put back',
      async () => {
        const state = host.config.state_dir;
        cpSync(state, `${state}.old`, { recursive: true });
        await (await host.start()).started;
        await record();
        await host.stop();
        rmSync(state, { recursive: true });
        cpSync(`${state}.old`, state, { recursive: true });
      },
    ],
    [
      'an old state of the TPM was put back',
      async () => {
        const copy = host.tpm.copyState();
        await (await host.start()).started;
        await record();
        await host.stop();
        await host.tpm.restoreState(copy);
      },
    ],
  ])('fails closed when %s, until a new epoch is begun', async (_what, harm) => {
    host = await makeHost();
    const { origin } = await host.init();
    await (await host.start()).started;
    await record();
    await host.stop();
    await harm();
    await (await host.start()).started;
    const refused = await record();
    expect([refused.status, refused.json.type]).toEqual([503, 'urn:attestd:error:AUDIT_CONTINUITY_LOST']);
    const size = (await status()).entries;
    // What is on record is read all the same.
    expect((await ask(host.config.admin_socket.path, '/v1/records')).json.size).toBe(size);
    await host.stop();
    const old = await statements();
    expect(old).toHaveLength(size);
    const made = await recoverHost({ config: host.config, now: Date.now, random }, 'the disk was restored');
    expect(made.origin).not.toBe(origin);
    await (await host.start()).started;
    expect((await record()).json.log).toBe(made.origin);
    await host.stop();
    const all = await statements();
    expect(kinds(all).slice(0, 3)).toEqual(['genesis', 'boot', 'gap']);
    expect(of(all, 'genesis')[0]?.previous?.origin).toBe(origin);
    expect(of(all, 'gap')[0]).toMatchObject({
      reason: 'new-epoch',
      detail: expect.stringContaining('restored'),
    });
  });
});
