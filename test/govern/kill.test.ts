/**
 * The daemon killed while attempts are under way: afterwards each has one end, written by its caller or by the daemon,
 * and no use of a grant was taken twice.
 */
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect } from '../../src/client/client.ts';
import { toHex } from '../../src/core/bytes.ts';
import { recordDigest } from '../../src/evidence/dsse.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { readLog } from '../../src/store/reader.ts';
import { makeProcessHost, type ProcessHost } from '../kit/host.ts';
import { ACT, makePolicies, POLICIES, type PolicyFolder, request } from './kit.ts';

const KILLS = 6;
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

async function check(): Promise<{ attempts: number; interrupted: number }> {
  const ends = new Map<string, string[]>();
  const uses = new Set<string>();
  for await (const frame of readLog(host.logDir).frames()) {
    if (frame.kind !== 'entries') continue;
    for (let i = 0; i < frame.batch.count; i++) {
      const entry = Uint8Array.from(frame.batch.entry(i));
      const s = readStatement(entry);
      if (s.kind !== 'execution' || s.predicate.authorization === 'ungoverned') continue;
      const attempt = s.predicate.parents?.find((p) => p.rel === 'completes')?.digest;
      if (attempt !== undefined) {
        ends.get(attempt)?.push(s.predicate.phase);
        continue;
      }
      const { grant, use } = s.predicate.authorization;
      const name = `${grant.digest} ${use.n}`;
      expect(uses.has(name), `use ${use.n} was taken twice`).toBe(false);
      uses.add(name);
      ends.set(toHex(recordDigest(entry)), []);
    }
  }
  const phases = [...ends.values()].map((e) => e.join());
  expect(phases.filter((p) => p !== 'completed' && p !== 'interrupted')).toEqual([]);
  return { attempts: phases.length, interrupted: phases.filter((p) => p === 'interrupted').length };
}

it(`at ${KILLS} moments, each attempt is completed or interrupted, never open, never twice`, async () => {
  let acknowledged = 0;
  for (let round = 0; round < KILLS; round++) {
    const daemon = host.start();
    await daemon.ready();
    const client = connect({ socket: host.socket, client: 'kill/1' });
    const grant = await client.grant(request({ maxUses: USES }) as never, { wait: 'durable' });
    let stopped = false;
    const callers = Array.from({ length: 8 }, async () => {
      while (!stopped) {
        try {
          const attempt = await client.begin({ grant: grant.id, ...ACT });
          await client.complete(
            attempt.id,
            { outcome: { status: 'succeeded', effect: 'confirmed' } },
            { wait: 'durable' },
          );
          acknowledged++;
        } catch {
          stopped = true;
        }
      }
    });
    await sleep(100 + round * 37);
    await daemon.kill();
    stopped = true;
    await Promise.all(callers);
    client.close();
  }
  const daemon = host.start();
  await daemon.ready();
  await daemon.stop();
  const { attempts } = await check();
  expect(attempts).toBeGreaterThanOrEqual(acknowledged);
  expect(acknowledged).toBeGreaterThan(0);
}, 300_000);
