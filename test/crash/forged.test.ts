/**
 * Somebody who owns the disk while the daemon is down rewrites the tail of the log with the store's own code, and the
 * daemon is started cleanly on it. What was forged is sealed then, but no bundle vouches for an environment in which
 * it was made (design §4, What a seal proves); what was genuine stays so.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connect, type Receipt } from '../../src/client/client.ts';
import { toBase64, toHex, utf8 } from '../../src/core/bytes.ts';
import { jcs } from '../../src/core/json.ts';
import { proved } from '../../src/daemon/bundle.ts';
import { bundleFromState } from '../../src/daemon/offline.ts';
import { parseBundle, printBundle } from '../../src/evidence/bundle.ts';
import { recordDigest } from '../../src/evidence/dsse.ts';
import { createExecutionWriter } from '../../src/evidence/execution.ts';
import { buildEntry, newFrame } from '../../src/evidence/record.ts';
import type { RecordRequest } from '../../src/evidence/schema/request.ts';
import { type Predicate, readStatement } from '../../src/evidence/statement.ts';
import { parseCheckpoint } from '../../src/log/checkpoint.ts';
import { parseNote } from '../../src/log/note.ts';
import { splitProof } from '../../src/log/proof.ts';
import { openStore } from '../../src/store/open.ts';
import { type Cursor, readLog } from '../../src/store/reader.ts';
import { readSealed, type Sealed } from '../../src/store/seal.ts';
import { segmentName } from '../../src/store/segment.ts';
import type { Store } from '../../src/store/store.ts';
import { verifyBundle } from '../../src/verify/verify.ts';
import { enrol, trustFor } from '../daemon/enrol.ts';
import { makeProcessHost, type ProcessHost, random, readIfThere, until } from '../kit/host.ts';
import { ask, newBody } from './load.ts';

let host: ProcessHost;
let root: Uint8Array;

beforeEach(async () => {
  // Only who waits for a seal causes one, so that others stay unsealed.
  host = await makeProcessHost({ seal: ['max_age_ms = 600000'] });
  root = await enrol(host);
});
afterEach(() => host.remove());

async function record(wait: 'durable' | 'sealed'): Promise<Receipt> {
  const { status, json } = await ask(host.socket, `/v1/records?wait=${wait}`, { body: newBody() });
  expect(status).toBe(201);
  return json;
}

async function bundle(id: string): Promise<Uint8Array> {
  const client = connect({ socket: host.config.admin_socket.path, client: 'crash/1' });
  try {
    return await client.bundle(id);
  } finally {
    client.close();
  }
}

async function start() {
  const daemon = host.start();
  await daemon.ready();
  return daemon;
}

/** A record of the run whose boot entry is the last in the log, such as the daemon would have written. */
function forgery(store: Store, boot: string, name: string) {
  const statements = [...store.entries()].map((e) => readStatement(e));
  const genuine = statements.findLast((s) => s.kind === 'execution');
  const time = statements.at(-1)?.predicate.time;
  if (genuine?.kind !== 'execution' || time === undefined) throw new Error('there is no genuine record');
  const { caller } = genuine.predicate;
  const request = { phase: 'completed', action: { type: 'tool.call', name } } as RecordRequest;
  const write = createExecutionWriter({ log: store.origin, boot, random });
  const { entry, id } = write(request, jcs(caller.observed as never), Date.parse(time) + 1);
  return { entry, id, uid: process.getuid?.() ?? 0 };
}

/** Record digest of the newest boot entry, hex. */
function lastBoot(store: Store): string {
  const boot = store.recovered.lastBoot;
  if (boot === undefined) throw new Error('the log has no boot entry');
  return toHex(boot.digest);
}

/** Appends forged records as the store itself would. @returns their ids */
async function forge(count: number, prepare?: (store: Store) => Promise<string>): Promise<string[]> {
  const store = await openStore(host.logDir);
  try {
    const boot = (await prepare?.(store)) ?? lastBoot(store);
    const items = Array.from({ length: count }, (_, i) => forgery(store, boot, `forged.${i}`));
    await store.commit(items);
    return items.map((i) => i.id);
  } finally {
    await store.close();
  }
}

/** Cuts the log off at a place, and takes away what the store itself would notice it by. */
function cut({ place }: Cursor, { witnesses }: { witnesses: boolean }): void {
  expect(place.ordinal, 'these logs have one segment').toBe(0);
  const path = join(host.logDir, 'wal', segmentName(0, 0));
  writeFileSync(path, readFileSync(path).fill(0, place.offset));
  for (const name of ['index.mdb', 'index.mdb-lock']) rmSync(join(host.logDir, name), { force: true });
  if (!witnesses) for (const n of ['checkpoint', 'published']) rmSync(join(host.logDir, n), { force: true });
}

/** Places in front of which the log holds `seals` seals, or behind the entry `index`. */
async function placeBehind(what: { seal: number } | { entry: number }): Promise<Cursor> {
  let seals = 0;
  for await (const frame of readLog(host.logDir).frames()) {
    if (frame.kind === 'seal') seals++;
    const found = 'seal' in what ? seals === what.seal : frame.next.size > what.entry;
    if (found) return frame.next;
  }
  throw new Error('there is no such place');
}

async function countSeals(): Promise<number> {
  let seals = 0;
  for await (const frame of readLog(host.logDir).frames()) if (frame.kind === 'seal') seals++;
  return seals;
}

/** Judges a bundle at level 3, with the state in `reference` as the accepted one. */
const judge = (bytes: Uint8Array, reference: Uint8Array, level = 3) =>
  verifyBundle(bytes, trustFor(root, reference, level));

async function expectForged(bytes: Uint8Array, reference: Uint8Array): Promise<void> {
  const report = await judge(bytes, reference);
  expect(report.verdict).not.toBe('verified');
  expect(report.level).toBeLessThanOrEqual(2);
  const run = report.checks.find((c) => c.id === 'boot-run');
  expect(run?.status).not.toBe('pass');
}

async function expectGenuine(bytes: Uint8Array, reference: Uint8Array): Promise<void> {
  const report = await judge(bytes, reference);
  expect(report.checks.filter((c) => c.status === 'fail')).toEqual([]);
  expect(report.verdict).toBe('verified');
  expect(report.level).toBeGreaterThanOrEqual(3);
}

/** Starts cleanly on what was rewritten and judges everything, by the running daemon and offline. */
async function expectSeenThrough(
  forged: readonly string[],
  genuine: readonly Receipt[],
  reference: Uint8Array,
) {
  const daemon = await start();
  const after = await record('sealed');
  const online = await Promise.all(forged.map(bundle));
  const kept = await Promise.all([...genuine, after].map((r) => bundle(r.id)));
  expect(await daemon.stop()).toEqual({ code: 0, signal: null });
  for (const bytes of online) await expectForged(bytes, reference);
  for (const bytes of kept) await expectGenuine(bytes, reference);
  for (const id of forged)
    await expectForged((await bundleFromState(host.config.state_dir, id)).bytes, reference);
  for (const { id } of [...genuine, after])
    await expectGenuine((await bundleFromState(host.config.state_dir, id)).bytes, reference);
  expect((await host.audit()).map((r) => [r.verdict, r.findings])).toEqual([['verified', []]]);
}

describe('after a clean stop', () => {
  test('forged records behind the last seal are sealed as recovered and nothing more', async () => {
    const daemon = await start();
    const genuine = [await record('sealed'), await record('sealed')];
    const reference = await bundle(genuine[0]?.id as string);
    await daemon.stop();
    await expectSeenThrough(await forge(3), genuine, reference);
  });

  test('a forged boot entry makes no environment for forged records, in whatever bundle', async () => {
    const daemon = await start();
    const genuine = [await record('sealed')];
    const reference = await bundle(genuine[0]?.id as string);
    await daemon.stop();
    let bootIndex = -1;
    const forged = await forge(2, async (store) => {
      const boot = readStatement(store.entry(store.recovered.lastBoot?.index ?? 0));
      const { v, id, log, salt, ...body } = boot.predicate as Predicate<'boot'>;
      const { time } = readStatement(store.entry(store.size - 1)).predicate;
      const at = newFrame({ log }, Date.parse(time) + 1, random);
      const built = buildEntry('boot', body as never, at);
      ({ first: bootIndex } = await store.commit([
        { entry: built.entry, id: built.id, uid: 0, mark: { kind: 'boot' } },
      ]));
      return toHex(built.recordDigest);
    });
    await expectSeenThrough(forged, genuine, reference);
    // The forger makes the bundle too, and puts in the boot entry that would fit.
    for (const id of forged) {
      const made = await withBoot(id, bootIndex);
      expect(parseBundle(made).boot.entry).not.toBe(parseBundle(reference).boot.entry);
      await expectForged(made, reference);
    }
  });
});

/** The seal that a bundle stands under. */
function sealOf(bytes: Uint8Array, log: string): Sealed {
  return readSealed(splitProof(utf8(parseBundle(bytes).record.proof)).note, log);
}

/** The bundle of a record with the boot entry that the forger likes in place of the one of the seal's run. */
async function withBoot(id: string, bootIndex: number): Promise<Uint8Array> {
  const { bytes } = await bundleFromState(host.config.state_dir, id);
  const store = await openStore(host.logDir);
  try {
    return printBundle({
      ...parseBundle(bytes),
      boot: await proved(store, bootIndex, sealOf(bytes, store.origin)),
    });
  } finally {
    await store.close();
  }
}

describe('after kill -9', () => {
  test('unsealed records that were replaced are recovered, as the genuine ones would have been', async () => {
    const daemon = await start();
    const genuine = [await record('sealed'), await record('sealed')];
    const reference = await bundle(genuine[0]?.id as string);
    const unsealed = [await record('durable'), await record('durable')];
    await daemon.kill();
    cut(await placeBehind({ seal: await countSeals() }), { witnesses: true });
    const forged = await forge(2);
    await expectSeenThrough(forged, genuine, reference);
    const store = await openStore(host.logDir);
    for (const { id } of unsealed) expect(store.lookup(id)).toBeUndefined();
    await store.close();
  });

  test('genuine unsealed records are recovered, too: nothing tells them from forged ones', async () => {
    const daemon = await start();
    const genuine = [await record('sealed')];
    const reference = await bundle(genuine[0]?.id as string);
    const unsealed = await record('durable');
    await daemon.kill();
    await expectSeenThrough([unsealed.id, ...(await forge(1))], genuine, reference);
  });

  test('a log that was cut below its last seal is refused as long as a witness of it is left', async () => {
    const daemon = await start();
    await record('sealed');
    const { index } = await record('sealed');
    await until('the checkpoint to follow the seal', () => {
      const note = readIfThere(join(host.logDir, 'checkpoint'));
      return note !== undefined && parseCheckpoint(parseNote(note).text).size > index;
    });
    await daemon.kill();
    cut(await placeBehind({ seal: (await countSeals()) - 1 }), { witnesses: true });
    await expectRefused('STORE_CORRUPT');
  });

  test('a log that was cut below its last anchor is refused, whatever else was taken away', async () => {
    const first = await start();
    const { index } = await record('sealed');
    await first.stop();
    const second = await start();
    await record('sealed');
    await second.kill();
    cut(await placeBehind({ entry: index }), { witnesses: false });
    await expectRefused('AUDIT_CONTINUITY_LOST');
  });

  test('a rewrite behind the last anchor starts, for only a witness could tell, and vouches for nothing', async () => {
    const daemon = await start();
    const kept = await record('sealed');
    const reference = await bundle(kept.id);
    const lost = await record('sealed');
    const before = await bundle(lost.id);
    await daemon.kill();
    cut(await placeBehind({ seal: (await countSeals()) - 1 }), { witnesses: false });
    await expectSeenThrough(await forge(1), [kept], reference);
    // The bundle that was taken before still holds, and shows against the rewritten log that two histories exist.
    await expectGenuine(before, reference);
    const old = sealOf(before, lost.log);
    const store = await openStore(host.logDir);
    expect(toBase64(store.rootAt(old.size))).not.toBe(toBase64(old.root));
    expect(toHex(recordDigest(store.entry(lost.index)))).not.toBe(lost.digest);
    await store.close();
  });
});

async function expectRefused(code: string): Promise<void> {
  const daemon = host.start();
  expect(await daemon.refusal()).toBe(code);
  const { status, json } = await ask(host.socket, '/v1/records', { body: newBody() });
  expect([status, json.type]).toEqual([503, `urn:attestd:error:${code}`]);
  await daemon.stop();
}
