/**
 * 10,000 attempts on one grant by 64 processes that begin at one moment: of a grant with N uses exactly N are taken, each
 * once, and everybody else is refused for that reason, on record.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Daemon } from '../../src/daemon/daemon.ts';
import { readStatement, type Statement } from '../../src/evidence/statement.ts';
import { type Host, makeHost } from '../daemon/kit.ts';
import { ACT, makePolicies, POLICIES, type PolicyFolder, post, request } from './kit.ts';

/** What an entry says, unchecked. */
function plainly(entry: Uint8Array): Statement {
  const text = Buffer.from(entry).toString();
  const { predicateType, predicate } = JSON.parse(text.slice(text.indexOf('{')));
  return { kind: /\/([a-z]+)\/v1$/.exec(predicateType)?.[1], predicate } as Statement;
}

const PROCESSES = 64;
let policies: PolicyFolder;
let host: Host;
let daemon: Daemon;
let dir: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-stampede-'));
  const source = fileURLToPath(new URL('stampede.c', import.meta.url));
  execFileSync('cc', ['-O1', '-Wall', '-Werror', '-o', join(dir, 'stampede'), source]);
  policies = makePolicies(POLICIES);
  host = await makeHost({
    policy: { directory: policies.directory, keys: [policies.publicKey], max_unsealed_ms: 60_000 },
  });
  await host.init();
  daemon = await host.start();
  await daemon.started;
}, 120_000);
afterAll(async () => {
  await host?.remove();
  rmSync(policies.directory, { recursive: true, force: true });
  rmSync(dir, { recursive: true, force: true });
});

it.each([
  { maxUses: 1, times: 157 },
  { maxUses: 100, times: 10 },
])(
  'of $maxUses uses exactly $maxUses are taken, by $times attempts of each process',
  async ({ maxUses, times }) => {
    const { path } = host.config.socket;
    const grant = await post(path, '/v1/grants?wait=durable', request({ maxUses }));
    expect(grant.status, grant.text).toBe(201);
    const body = JSON.stringify({ grant: grant.json.id, ...ACT });
    const head = ['POST /v1/executions?wait=durable HTTP/1.1', 'host: attestd', 'attestd-client: t/1'];
    const type = ['content-type: application/json', `content-length: ${Buffer.byteLength(body)}`];
    const file = join(dir, `request-${maxUses}`);
    writeFileSync(file, [...head, ...type, '', body].join('\r\n'));
    const from = daemon.service.store?.size ?? 0;
    const args = [path, file, String(PROCESSES), String(times)];
    const { stdout } = await promisify(execFile)(join(dir, 'stampede'), args, { maxBuffer: 16 << 20 });
    const counts: Record<string, number> = {};
    for (const line of stdout.trim().split('\n')) counts[line] = (counts[line] ?? 0) + 1;
    expect(counts).toEqual({ '201': maxUses, '403 SCOPE_EXCEEDED': PROCESSES * times - maxUses });
    // The log says the same: each use once, by processes of their own, and each refusal.
    const uses: number[] = [];
    const pids = new Set<number>();
    let denials = 0;
    let read = 0;
    for (const entry of daemon.service.store?.entries(from) ?? []) {
      // All are read, and each fiftieth is held to its schema: checking takes as long as the stampede.
      const s = read++ % 50 === 0 ? readStatement(Uint8Array.from(entry)) : plainly(entry);
      if (s.kind === 'execution' && s.predicate.authorization !== 'ungoverned')
        uses.push(s.predicate.authorization.use.n);
      if (s.kind === 'denial') {
        denials++;
        pids.add(s.predicate.caller.observed.pid);
      }
    }
    expect(uses).toEqual(Array.from({ length: maxUses }, (_, i) => i + 1));
    expect(denials).toBe(PROCESSES * times - maxUses);
    expect(pids.size).toBe(PROCESSES);
  },
  300_000,
);
