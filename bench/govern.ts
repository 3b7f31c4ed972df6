/** What permission costs: a governed flow against plain records, and a decision among many policies against few. */
import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createDecider } from '../src/daemon/govern/cedar.ts';
import type { Entity, Question } from '../src/daemon/govern/vocabulary.ts';
import { load, rate } from './callers.ts';
import { type Host, type HostOptions, makeHost, ROOT } from './host.ts';
import { type Figure, median } from './report.ts';
import type { Shape } from './scenarios.ts';

const run = promisify(execFile);
const CALLERS = 64;

/** Work on a host whose policy permits every tool call. */
export async function withGovernedHost<T>(
  work: (host: Host) => Promise<T>,
  options: HostOptions = {},
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'attestd-bench-policies-'));
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const [key, open] = [join(folder, 'key.pem'), join(folder, 'public.pem')];
  writeFileSync(key, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
  writeFileSync(open, publicKey.export({ format: 'pem', type: 'spki' }));
  writeFileSync(join(folder, 'all.cedar'), 'permit(principal, action, resource in Kind::"tool.call");\n');
  const policy = `[policy]\ndirectory = "${folder}"\nkeys = ["${open}"]\ngrants_per_second = 1000000`;
  const host = await makeHost({ ...options, sections: [...(options.sections ?? []), policy] });
  try {
    await host.ctl('policy', 'sign', folder, '--key', key, '--id', 'bench@1');
    await host.start();
    host.delay(200);
    return await work(host);
  } finally {
    await host.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Grant, begin and complete against three plain durable records. */
export const flow = ({ runs, seconds }: Shape): Promise<Figure> =>
  withGovernedHost(async (host) => {
    const plainOnce = () =>
      load({
        socket: host.socket,
        path: '/v1/records?wait=durable',
        mode: 'serial',
        connections: CALLERS,
        seconds,
      });
    const flowOnce = async () => {
      const input = JSON.stringify({ socket: host.socket, connections: CALLERS, seconds });
      const { stdout } = await run('node', [join(ROOT, 'build/tools/bench/flow.js'), input]);
      const out = JSON.parse(stdout) as { flows: number; refused: number; seconds: number };
      if (out.refused > 0) throw new Error(`${out.refused} requests were refused`);
      return out.flows / out.seconds;
    };
    await plainOnce();
    await flowOnce();
    const ratios: number[] = [];
    const numbers = { plain: [] as number[], flows: [] as number[] };
    for (let i = 0; i < runs; i++) {
      const plain = rate(await plainOnce());
      const flows = await flowOnce();
      ratios.push(flows / (plain / 3));
      numbers.plain.push(plain);
      numbers.flows.push(flows);
    }
    return {
      name: 'governed-flow',
      what: 'grant + begin + complete ÷ three plain durable records',
      value: median(ratios),
      runs: ratios,
      bound: { kind: 'at least', value: 0.6 },
      facts: { 'flows/s': median(numbers.flows), 'records/s': median(numbers.plain) },
    };
  });

/** Milliseconds of a decision that was never made before. */
async function decisionTime(policies: number, entities: number): Promise<number> {
  const text = Array.from(
    { length: policies },
    (_, i) =>
      `permit(principal in Group::"team${i}", action, resource in Kind::"tool.call") when { context.log.continuous };`,
  ).join('\n');
  const stored: Entity[] = Array.from({ length: entities }, (_, i) => ({
    uid: { type: 'Caller', id: String(i) },
    attrs: {},
    parents: [{ type: 'Group', id: `team${i % policies}` }],
  }));
  const decider = await createDecider([{ name: 'bench.cedar', text }], stored);
  const question = (i: number): Question => ({
    action: 'execute',
    observed: {
      uid: i % Math.min(entities, 10),
      gid: 100,
      pid: 1,
      startTicks: 1,
      exe: 'unreadable',
      exeMethod: '/proc/pid/exe',
      cgroup: '/system.slice/agent.service',
      unit: 'agent.service',
      method: 'SO_PEERCRED',
    },
    claimed: {},
    row: { type: 'tool.call', name: 'refund.approve', target: 'crm:order/17' },
    parameters: {},
    ask: { maxUses: 1, seconds: 60 },
    forAnother: false,
    approvers: [],
    environment: {
      epoch: '7',
      boot: 'b'.repeat(64),
      simulated: false,
      pcrs: {},
      tpm: { clockSafe: true, resetCount: 5, restartCount: 0, firmwareVersion: '0001000200030004' },
    },
    log: { continuous: true, sealAge: 0 },
    lineage: { parents: 0, delegated: false },
    // Another second each time, so that no answer is one that was given before.
    now: Date.UTC(2026, 0, 1) + i * 1000,
  });
  for (let i = 0; i < 300; i++) decider.decide(question(i));
  const from = performance.now();
  const count = 1000;
  for (let i = 0; i < count; i++) {
    if (!decider.decide(question(1000 + i)).permitted) throw new Error('a decision was a refusal');
  }
  return (performance.now() - from) / count;
}

/** 1,000 policies and 100,000 stored entities against 10 and 10. */
export async function decisions({ runs }: Shape): Promise<Figure> {
  const ratios: number[] = [];
  const numbers = { few: [] as number[], many: [] as number[] };
  for (let i = 0; i < runs; i++) {
    const few = await decisionTime(10, 10);
    const many = await decisionTime(1000, 100_000);
    ratios.push(many / few);
    numbers.few.push(few);
    numbers.many.push(many);
  }
  return {
    name: 'decision',
    what: 'decision among 1,000 policies and 100,000 entities ÷ among 10 and 10',
    value: median(ratios),
    runs: ratios,
    bound: { kind: 'at most', value: 2 },
    facts: { 'ms among many': median(numbers.many), 'ms among few': median(numbers.few) },
  };
}
