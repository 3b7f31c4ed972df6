/** The report of a confidential machine in the boot entry: over the very predicate that stands there, or not at all. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { sha256 } from '../../src/core/hash.ts';
import { type JsonObject, jcsBytes } from '../../src/core/json.ts';
import { createJournal } from '../../src/daemon/journal.ts';
import type { Platform } from '../../src/daemon/run.ts';
import { createRuns } from '../../src/daemon/runs.ts';
import { createSequencer, type Sequencer } from '../../src/daemon/sequencer.ts';
import type { Body } from '../../src/evidence/record.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { ask, type Host, makeHost, random } from './kit.ts';

const PLATFORM = {
  clock: { resetCount: 1, restartCount: 0, clock: 5n, safe: true },
  pcrs: { sha256: {} },
  selection: [{ hash: 11, pcrs: [0] }],
  firmwareVersion: '1',
  firmwareLog: { named: 'absent' },
} as unknown as Platform;

type Tee = Body<'boot'>['tee'];
/** A report that holds the digest of what it is over. */
const over = (predicate: Uint8Array): Tee => ({
  platform: 'tdx',
  report: Buffer.from(sha256(predicate)).toString('base64'),
});

async function begin(attest: (predicate: Uint8Array, sequencer: Sequencer) => Promise<Tee>) {
  const entries: Uint8Array[] = [];
  const sequencer = createSequencer({
    store: {
      syncMs: 0,
      poll: () => undefined,
      async commit(items) {
        entries.push(...items.map((i) => i.entry));
        return { first: entries.length - items.length, digests: '', at: 0 };
      },
    },
    size: 0,
    onDurable: () => {},
    onFailure: (e) => {
      throw e;
    },
  });
  const runs = createRuns({
    origin: 'test/host/1',
    random,
    now: () => 1_700_000_000_000,
    sequencer,
    journal: createJournal('error', () => {}),
    hold: () => undefined,
    lives: { broken: undefined, meet: () => undefined },
    sealedSize: () => 0,
    examine: async () => ({ platform: PLATFORM, counter: undefined }),
    attest: (predicate) => attest(predicate, sequencer),
  });
  await runs.begin();
  const index = runs.writing.bootIndex;
  const { tee, ...rest } = readStatement(entries[index] as Uint8Array).predicate as JsonObject;
  return { tee, rest, index };
}
const intruder = { entry: Uint8Array.of(1), id: '01JABCDEFGHJKMNPQRSTVWXYZ0', uid: 0 };

describe('the boot entry', () => {
  it('carries the report over itself without the report', async () => {
    const { tee, rest } = await begin(async (p) => over(p));
    expect(tee).toEqual(over(jcsBytes(rest)));
  });
  it('asks again when entries came meanwhile, so that the report is over what is written', async () => {
    let asked = 0;
    const { tee, rest, index } = await begin(async (p, sequencer) => {
      if (asked++ === 0) await sequencer.appendOne(intruder);
      return over(p);
    });
    expect([asked, index]).toEqual([2, 1]);
    expect(tee).toEqual(over(jcsBytes(rest)));
  });
  it('gives the report up when entries never stop coming', async () => {
    let asked = 0;
    const { tee, index } = await begin(async (p, sequencer) => {
      asked++;
      await sequencer.appendOne(intruder);
      return over(p);
    });
    expect([asked, index, tee]).toEqual([3, 3, 'unreadable']);
  });
  it('is without one on a machine that is none', async () => {
    const { tee, index } = await begin(async (_, sequencer) => {
      await sequencer.appendOne(intruder);
      return undefined;
    });
    expect([tee, index]).toEqual([undefined, 1]);
  });
});

describe('a daemon', () => {
  let host: Host;
  afterEach(() => host.remove());
  it('starts where the report cannot be had, and the boot entry says so', async () => {
    host = await makeHost();
    const path = join(host.dir, 'tsm');
    mkdirSync(join(path, 'attestd'), { recursive: true });
    writeFileSync(join(path, 'attestd/provider'), 'tdx_guest\n');
    Object.assign(host.config, { tee: { report: 'auto', path, nsm: '/nonexistent/nsm' } });
    await host.init();
    await (await host.start()).started;
    const status = await ask(host.config.socket.path, '/v1/status');
    expect(status.status).toBe(200);
    expect(host.lines.some((l) => JSON.stringify(l).includes('confidential machine was not made'))).toBe(
      true,
    );
    expect(host.lines.some((l) => l.tee === 'unreadable')).toBe(true);
  }, 60_000);
});
