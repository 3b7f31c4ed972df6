/**
 * The daemon killed, at a later moment each time, while attempts are under way: afterwards each has one end, written by its caller or by the daemon,
 * what was acknowledged is what stands (a completion as completed, a refusal as that denial), and no use of a grant was
 * taken twice.
 */
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect } from '../../src/client/client.ts';
import { toHex } from '../../src/core/bytes.ts';
import { isAttestdError } from '../../src/core/errors.ts';
import { recordDigest } from '../../src/evidence/dsse.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { readLog } from '../../src/store/reader.ts';
import { makeProcessHost, type ProcessHost } from '../kit/host.ts';
import { ACT, makePolicies, POLICIES, type PolicyFolder, request } from './kit.ts';

const KILLS = 8;
const USES = 1000;
let policies: PolicyFolder;
let host: ProcessHost;
beforeAll(async () => {
  policies = makePolicies(POLICIES);
  host = await makeProcessHost({
    policy: [`directory = "${policies.directory}"`, `keys = ["${policies.publicKey}"]`],
  });
}, 120_000);
afterAll(async () => {
  await host?.remove();
  rmSync(policies.directory, { recursive: true, force: true });
});

/** Digests by what the daemon acknowledged: of attempts whose end was answered, of ends, of denials. */
interface Acknowledged {
  readonly attempts: string[];
  readonly ends: string[];
  readonly denials: string[];
}

async function check(acknowledged: Acknowledged): Promise<void> {
  const completions = new Set<string>();
  const denials = new Map<string, string>();
  const ends = new Map<string, string[]>();
  const uses = new Set<string>();
  for await (const frame of readLog(host.logDir).frames()) {
    if (frame.kind !== 'entries') continue;
    for (let i = 0; i < frame.batch.count; i++) {
      const entry = Uint8Array.from(frame.batch.entry(i));
      const s = readStatement(entry);
      const digest = toHex(recordDigest(entry));
      if (s.kind === 'denial') {
        expect(denials.has(digest)).toBe(false);
        denials.set(digest, s.predicate.reason);
      }
      if (s.kind !== 'execution' || s.predicate.authorization === 'ungoverned') continue;
      const attempt = s.predicate.parents?.find((p) => p.rel === 'completes')?.digest;
      if (attempt !== undefined) {
        ends.get(attempt)?.push(s.predicate.phase);
        if (s.predicate.phase === 'completed') completions.add(digest);
        continue;
      }
      const { grant, use } = s.predicate.authorization;
      const name = `${grant.digest} ${use.n}`;
      expect(uses.has(name), `use ${use.n} was taken twice`).toBe(false);
      uses.add(name);
      ends.set(digest, []);
    }
  }
  const phases = [...ends.values()].map((e) => e.join());
  expect(phases.filter((p) => p !== 'completed' && p !== 'interrupted')).toEqual([]);
  expect(phases).toContain('interrupted');
  expect(acknowledged.attempts.filter((d) => ends.get(d)?.join() !== 'completed')).toEqual([]);
  expect(acknowledged.ends.filter((d) => !completions.has(d))).toEqual([]);
  expect(acknowledged.denials.filter((d) => denials.get(d) !== 'SCOPE_EXCEEDED')).toEqual([]);
  for (const list of Object.values(acknowledged)) expect(list.length).toBeGreaterThan(KILLS);
}

it(`at ${KILLS} moments, each attempt is completed or interrupted or denied, never open, never twice, as it was acknowledged`, async () => {
  const acknowledged: Acknowledged = { attempts: [], ends: [], denials: [] };
  for (let round = 0; round < KILLS; round++) {
    const daemon = host.start();
    await daemon.ready();
    const client = connect({ socket: host.socket, client: 'kill/1' });
    const grant = await client.grant(request({ maxUses: USES }) as never, { wait: 'durable' });
    let stopped = false;
    // Killed in the midst of work, later each time, however long the work takes on this machine.
    const before = acknowledged.ends.length;
    const due = () => acknowledged.ends.length >= before + 1 + 3 * round;
    const callers = Array.from({ length: 8 }, async () => {
      while (!stopped) {
        try {
          const attempt = await client.begin({ grant: grant.id, ...ACT });
          const end = await client.complete(
            attempt.id,
            { outcome: { status: 'succeeded', effect: 'confirmed' } },
            { wait: 'durable' },
          );
          acknowledged.attempts.push(attempt.digest);
          acknowledged.ends.push(end.digest);
        } catch {
          stopped = true;
        }
      }
    });
    const refused = Array.from({ length: 2 }, async () => {
      while (!stopped) {
        const beyond = { ...ACT, action: { ...ACT.action, name: 'elsewhere' } };
        const e = await client.begin({ grant: grant.id, ...beyond }).catch((e) => e);
        if (!isAttestdError(e, 'SCOPE_EXCEEDED')) break;
        acknowledged.denials.push(String(e.facts.denial?.digest));
      }
    });
    for (const until = Date.now() + 30_000; !due() && Date.now() < until; ) await sleep(1 + (round % 3));
    await daemon.kill();
    stopped = true;
    await Promise.all([...callers, ...refused]);
    client.close();
  }
  const daemon = host.start();
  await daemon.ready();
  await daemon.stop();
  await check(acknowledged);
}, 600_000);
