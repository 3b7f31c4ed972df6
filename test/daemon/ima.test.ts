/** The IMA list and the log of services in what leaves the daemon, while both grow and the TPM is quoted. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { bundleFromState } from '../../src/daemon/offline.ts';
import { parseBundle } from '../../src/evidence/bundle.ts';
import { MAX_IMA_INSIDE } from '../../src/evidence/schema/bundle.ts';
import type { Attachments } from '../../src/verify/ima/facts.ts';
import type { Report } from '../../src/verify/report.ts';
import { verifyBundle } from '../../src/verify/verify.ts';
import { asBinary, hashed } from '../evidence/kit/imalist.ts';
import { ROOT } from '../kit/ctl.ts';
import { measured } from '../kit/imaboot.ts';
import { extendCommand } from '../kit/wire.ts';
import { enrol, trustFor } from './enrol.ts';
import { type Answer, ask, body, type Host, makeHost } from './kit.ts';

let host: Host;
let root: Uint8Array;
let dir: string;
let list: string;
let services: string;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  // As /sys/kernel/security and /run/log/systemd are laid out.
  dir = mkdtempSync(join(tmpdir(), 'attestd-ima-'));
  mkdirSync(join(dir, 'ima'));
  mkdirSync(join(dir, 'systemd'));
  list = join(dir, 'ima/binary_runtime_measurements');
  services = join(dir, 'systemd/tpm2-measure.log');
  writeFileSync(list, '');
  host = await makeHost(
    { ima: { list }, tpm: { userspace_log: services, deadline_ms: 30_000 } },
    { proxy: true },
  );
  await measure('/usr/bin/node', 'node');
  await phase(11, 'enter-initrd');
  await host.init();
  root = await enrol(host);
  await (await host.start()).started;
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await host.remove();
  rmSync(dir, { recursive: true, force: true });
});

/** The kernel measures a file: the entry first, the register then. */
async function measure(path: string, content: string): Promise<void> {
  const entry = measured(path, content);
  appendFileSync(list, asBinary(entry));
  await host.tpm.send([extendCommand(10, createHash('sha256').update(hashed(entry)).digest())]);
}

/** systemd-pcrextend: the register first, the log then (systemd src/shared/tpm2-util.c). */
async function phase(pcr: number, word: string): Promise<void> {
  const digest = createHash('sha256').update(word).digest();
  await host.tpm.send([extendCommand(pcr, digest)]);
  const content = { string: word, bootId: '0'.repeat(32), timestamp: 1, eventType: 'phase' };
  const digests = [{ hashAlg: 'sha256', digest: digest.toString('hex') }];
  appendFileSync(services, `\x1e${JSON.stringify({ pcr, digests, content_type: 'systemd', content })}\n`);
}

const record = async (): Promise<string> =>
  (await ask(host.config.socket.path, '/v1/records', { body: body() })).json.id;
const bundle = (id: string, query = '?ima=list') =>
  ask(host.config.admin_socket.path, `/v1/records/${id}/bundle${query}`);
const bytesOf = (a: Answer) => {
  if (a.status !== 200) expect.fail(a.text);
  return utf8(a.text);
};
/** Attachments as the admin socket gives them. */
async function fetched(bytes: Uint8Array): Promise<Attachments> {
  const ima = parseBundle(bytes).logs?.ima;
  if (ima === undefined || ima.data !== undefined) return () => undefined;
  const files = await attachment(ima.sha256);
  return (sha256) => (sha256 === ima.sha256 ? files : undefined);
}
async function attachment(sha256: string): Promise<AsyncIterable<Uint8Array>> {
  const { connect } = await import('../../src/client/client.ts');
  const client = connect({ client: 'test/1', socket: host.config.admin_socket.path });
  return client.attachment(sha256);
}
async function verified(bytes: Uint8Array, reference = bytes): Promise<Report> {
  return verifyBundle(bytes, trustFor(root, reference), { attachments: await fetched(bytes) });
}
const check = (r: Report, id: string) => r.checks.find((c) => c.id === id);

describe('a bundle', () => {
  it('has the list where it is asked for, and the events of services always', async () => {
    const id = await record();
    const bytes = bytesOf(await bundle(id));
    const report = await verified(bytes);
    expect(report.checks.filter((c) => c.status === 'fail')).toEqual([]);
    expect(report).toMatchObject({ verdict: 'verified', simulated: true });
    expect(check(report, 'ima-list')?.sentence).toMatch(/^The first 1 entries .* PCR 10/);
    expect(check(report, 'log-replay')?.sentence).toMatch(/quoted values of PCR .*10, 11/);
    expect(parseBundle(bytes).logs?.userspace).toEqual([
      expect.objectContaining({ pcr: 11, content: 'enter-initrd' }),
    ]);
    const without = bytesOf(await bundle(id, ''));
    expect(parseBundle(without).logs?.ima).toBeUndefined();
    expect((await verified(without)).verdict).toBe('verified');
  });

  it('has no list for whoever is not root: it tells what everybody ran', async () => {
    const id = await record();
    const answer = await ask(host.config.socket.path, `/v1/records/${id}/bundle?ima=list`);
    expect([answer.status, answer.json.type]).toEqual([403, 'urn:attestd:error:FORBIDDEN']);
    const other = await ask(host.config.socket.path, `/v1/attachments/${'ab'.repeat(32)}`);
    expect([other.status, other.json.type]).toEqual([403, 'urn:attestd:error:FORBIDDEN']);
    const none = await ask(host.config.admin_socket.path, `/v1/attachments/${'ab'.repeat(32)}`);
    expect(none.status).toBe(404);
  });

  it('has the events of services only as far as its own seal speaks of them', async () => {
    const before = await record();
    await phase(11, 'leave-initrd');
    await phase(12, 'a credential');
    const after = await record();
    const words = async (id: string) =>
      parseBundle(bytesOf(await bundle(id, ''))).logs?.userspace?.map((u) => u.content);
    expect(await words(before)).toEqual(['enter-initrd']);
    expect(await words(after)).toEqual(['enter-initrd', 'leave-initrd', 'a credential']);
    expect((await verified(bytesOf(await bundle(before)))).verdict).toBe('verified');
    expect((await verified(bytesOf(await bundle(after)))).verdict).toBe('verified');
  });

  it('of before and one of after a new entry share the list that has both', async () => {
    const before = await record();
    await measure('/usr/bin/bash', 'bash');
    const after = await record();
    const [b, a] = [bytesOf(await bundle(after)), bytesOf(await bundle(before))];
    expect(parseBundle(a).logs?.ima?.sha256).toBe(parseBundle(b).logs?.ima?.sha256);
    expect(check(await verified(a), 'ima-list')?.sentence).toMatch(/first 1 entries .* goes on behind them/);
    expect(check(await verified(b), 'ima-list')?.sentence).toMatch(/first 2 entries/);
  });
});

describe('two processes extend PCR 10 and 13 while quotes are taken', () => {
  const spawned = async (...args: string[]): Promise<ChildProcess> => {
    const socket = host.tpm.tcti.slice('swtpm:path='.length);
    const child = spawn(process.execPath, [join(ROOT, 'test/kit/extender.mjs'), socket, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.add(child);
    await once(child.stdout as NonNullable<typeof child.stdout>, 'data');
    return child;
  };
  const end = async (child: ChildProcess): Promise<void> => {
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await gone).toEqual([0, null]);
    children.delete(child);
  };

  it('and no bundle has values that are not those of its quote', async () => {
    const reference = bytesOf(await bundle(await record(), ''));
    const kernel = await spawned('10', list);
    const alone: string[] = [];
    for (let i = 0; i < 8; i++) alone.push(await record());
    const other = await spawned('13');
    const both: string[] = [];
    for (let i = 0; i < 8; i++) both.push(await record());
    await Promise.all([end(kernel), end(other)]);
    let raced = 0;
    for (const id of [...alone, ...both]) {
      const bytes = bytesOf(await bundle(id, ''));
      const digest = check(await verified(bytes, reference), 'seal-pcr-digest');
      // Without values, and said so, or with those that were quoted.
      if (parseBundle(bytes).pcrs === undefined) {
        raced++;
        expect([id, digest?.status, digest?.sentence]).toEqual([
          id,
          'unknown',
          expect.stringMatching(/comes without PCR values/),
        ]);
        continue;
      }
      expect([id, digest?.status]).toEqual([id, 'pass']);
      const withList = bytesOf(await bundle(id));
      expect(check(await verified(withList), 'ima-list')).toMatchObject({ status: 'pass' });
    }
    // The list tells the value of PCR 10 however fast it moves, so the kernel alone costs no quote its values.
    for (const id of alone) expect(parseBundle(bytesOf(await bundle(id, ''))).pcrs, id).toBeDefined();
    console.info(`${raced} of ${both.length} quotes went without values while PCR 13 raced too`);
    const calm = bytesOf(await bundle(await record()));
    expect((await verified(calm)).verdict).toBe('verified');
  }, 240_000);
});

it('the list of a boot is kept when the daemon stops, and read without it', async () => {
  const id = await record();
  await host.stop();
  const { bytes, attachment: kept } = await bundleFromState(host.config.state_dir, id, { ima: true });
  const ima = parseBundle(bytes).logs?.ima;
  if (ima !== undefined && ima.data === undefined) expect(ima.size).toBeGreaterThan(MAX_IMA_INSIDE);
  const report = await verifyBundle(bytes, trustFor(root, bytes, 4), {
    attachments: (sha256) => kept(sha256)?.pieces(),
  });
  expect(check(report, 'ima-list')).toMatchObject({ status: 'pass' });
  expect(report.verdict).toBe('verified');
  expect(readdirSync(join(host.config.state_dir, 'ima'))).toHaveLength(1);
});
