/** From a seal to a verdict by proven time: a real daemon, a real TPM simulator, openssl as the timestamp authority. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { type ForwardConfig, loadForwardConfig } from '../../src/forward/config.ts';
import { createForward } from '../../src/forward/forward.ts';
import { createQueue } from '../../src/forward/queue.ts';
import { askTsa } from '../../src/forward/tsa.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';
import type { DaemonProcess } from '../kit/host.ts';
import { type HttpTsa, startTsa } from '../kit/tsa.ts';

let tsa: HttpTsa;
let dir: string;
const random = (n: number) => new Uint8Array(randomBytes(n));
beforeAll(async () => {
  tsa = await startTsa();
  dir = mkdtempSync(join(tmpdir(), 'attestd-forward-'));
});
afterAll(async () => {
  await tsa?.close();
  rmSync(dir, { recursive: true, force: true });
});

const configOf = (text: string): ForwardConfig => {
  const file = join(dir, 'forward.toml');
  writeFileSync(file, text);
  return loadForwardConfig(file);
};
const section = (more = '') => `[[tsa]]\nname = "one"\nurl = "${tsa.url}"\nroot = "${tsa.rootFile}"\n${more}`;

describe('the configuration', () => {
  test('has defaults for everything but the authority', () => {
    const c = configOf(section());
    expect(c).toMatchObject({
      socket: '/run/attestd/attestd.sock',
      intervalMs: 600_000,
      every: 1,
      keep: 1000,
      queue: 64,
    });
    expect(c.tsa[0]).toMatchObject({ name: 'one', url: tsa.url, timeoutMs: 20_000 });
  });
  test.each([
    ['an unknown key', () => `proxy = "x"\n${section()}`],
    ['each checkpoint but none of them', () => `every = 0\n${section()}`],
    ['a part of the checkpoints that is no number', () => `every = "10"\n${section()}`],
    ['no authority', () => 'interval_s = 5\n'],
    ['two authorities of one name', () => section() + section()],
    ['a root that is not there', () => section().replace(tsa.rootFile, '/nonexistent/root.pem')],
    ['another scheme', () => section().replace('http:', 'ftp:')],
    ['what is no TOML', () => 'tsa = ['],
  ])('refuses %s', (_, text) => {
    expect(() => configOf(text())).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});

describe('a credential', () => {
  const credential = (content: string) => {
    const file = join(dir, 'forward.toml');
    writeFileSync(file, section('authorization = "tsa-authorization"'));
    writeFileSync(join(dir, 'tsa-authorization'), content);
    return loadForwardConfig(file, dir);
  };
  test('becomes the Authorization header', async () => {
    const [one] = credential('Bearer s3cret\n').tsa;
    await askTsa(one as never, utf8('a seal'), random);
    expect(tsa.headers.authorization).toBe('Bearer s3cret');
  });
  test('must be there, one line, and come by systemd', () => {
    for (const bad of ['', 'a\nb: c', '\u00e9', 'x'.repeat(5000)]) {
      expect(() => credential(bad)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    }
    expect(() => configOf(section('authorization = "tsa-authorization"'))).toThrow(/comes from systemd/);
    expect(() => configOf(section('authorization = "../key"'))).toThrow(/authorization/);
  });
});

describe('an authority', () => {
  test('stamps, and what it gives is checked before it is believed', async () => {
    const {
      tsa: [one],
    } = configOf(section('policy = "1.2.3.4.1"'));
    expect((await askTsa(one as never, utf8('a seal'), random)).length).toBeGreaterThan(500);
    const {
      tsa: [other],
    } = configOf(section('policy = "1.2.3.4.2"'));
    await expect(askTsa(other as never, utf8('a seal'), random)).rejects.toMatchObject({
      code: 'TIMESTAMP_REFUSED',
      message: expect.stringContaining('timestamp-policy'),
    });
  });
  test.each([
    ['an error of the server', { status: 500 }, 'TIMESTAMP_UNAVAILABLE'],
    ['too much', { status: 200, body: new Uint8Array(100_000) }, 'TIMESTAMP_UNAVAILABLE'],
    ['no timestamp', { status: 200, body: utf8('<html>') }, 'TIMESTAMP_REFUSED'],
    ['a refusal', { status: 200, body: Uint8Array.of(0x30, 5, 0x30, 3, 2, 1, 2) }, 'TIMESTAMP_REFUSED'],
  ])('that answers with %s', async (_, instead, code) => {
    const {
      tsa: [one],
    } = configOf(section());
    tsa.instead = instead;
    try {
      await expect(askTsa(one as never, utf8('a seal'), random)).rejects.toMatchObject({ code });
    } finally {
      tsa.instead = undefined;
    }
  });
});

describe('the queue', () => {
  test('tries again until it works, newest first, and lets the oldest go when it is full', async () => {
    const done: number[] = [];
    const waits: number[] = [];
    let failures = 3;
    const queue = createQueue<number>({
      max: 2,
      work: async (n) => {
        if (failures-- > 0) throw new Error('away');
        done.push(n);
      },
      onTrouble: (_, ms) => waits.push(ms),
      jitter: () => 0,
      firstWaitMs: 2,
    });
    for (const n of [1, 2, 3]) queue.push(n);
    while (queue.length > 0) await sleep(5);
    await queue.stop();
    expect([done, waits, queue.dropped]).toEqual([[3, 2], [1, 2, 4], 1]);
  });
  test('stops in the middle of a wait', async () => {
    const queue = createQueue<number>({
      max: 2,
      work: async () => {
        throw new Error('away');
      },
      onTrouble: () => undefined,
      jitter: () => 0,
      firstWaitMs: 3_600_000,
    });
    queue.push(1);
    await sleep(10);
    await queue.stop();
    expect(queue.length).toBe(1);
  });
});

describe('a host with timestamps', () => {
  let host: EnrolledHost;
  let daemon: DaemonProcess;
  const drop = () => join(dir, 'drop');
  beforeAll(async () => {
    host = await makeEnrolledHost({
      timestamps: [`drop_dir = "${drop()}"`],
      seal: ['published_ms = 100'],
    });
    daemon = await host.up();
  });
  afterAll(async () => {
    await daemon?.stop();
    await host?.remove();
  });

  /** Has the newest checkpoint stamped, over and over until one that covers `id` is. */
  async function stamp(): Promise<void> {
    const config = configOf(`socket = "${host.socket}"\ndrop_dir = "${drop()}"\n${section()}`);
    const said: string[] = [];
    const forward = createForward({ config, random, say: (_, what) => said.push(what), firstWaitMs: 50 });
    while (!said.includes('stamped')) {
      await forward.look();
      await sleep(50);
    }
    await forward.stop();
  }
  const proven = async (bundle: string) => {
    const trust = JSON.parse(readFileSync(await host.trust(bundle), 'utf8'));
    const root = readFileSync(tsa.rootFile, 'utf8').replace(/-----[^-]+-----|\s/g, '');
    const timestamps = { authorities: [{ name: 'one', root }], required: 1 };
    writeFileSync(host.at('proven.json'), JSON.stringify({ ...trust, acceptHostTime: false, timestamps }));
    const told = await host.ctl(['verify', bundle, '--trust', host.at('proven.json'), '--json']);
    return JSON.parse(told.stdout) as {
      verdict: string;
      checks: { id: string; status: string; required: boolean; sentence: string }[];
    };
  };

  test('a bundle from before any timestamp is indeterminate by proven time, after it verified', async () => {
    const id = await host.recorded('true');
    expect((await proven(await host.bundle(id))).verdict).toBe('indeterminate');
    // A later seal is stamped: it covers this record as well.
    await host.recorded('true');
    let bundle = '';
    do {
      await stamp();
      bundle = await host.bundle(id, 'stamped.attest.json');
      // The published checkpoint may still have been one before the record.
    } while (!readFileSync(bundle, 'utf8').includes('"timestamps"'));
    const report = await proven(bundle);
    expect([report.verdict, report.checks.filter((c) => c.required && c.status !== 'pass')]).toEqual([
      'verified',
      [],
    ]);
    expect(report.checks.find((c) => c.id === 'timestamp')?.sentence).toMatch(
      /proves that the seal was made before/,
    );
    const { timestamps } = JSON.parse(readFileSync(bundle, 'utf8')) as { timestamps: unknown[] };
    expect(timestamps).toHaveLength(1);
  });

  test('of the checkpoints only each Nth is stamped, across a restart of the forwarder too', async () => {
    const every = 3;
    const into = join(dir, 'each-third');
    const config = configOf(
      `socket = "${host.socket}"\ndrop_dir = "${into}"\nevery = ${every}\n${section()}`,
    );
    const stamped = () =>
      (existsSync(into) ? readdirSync(into) : [])
        .flatMap((epoch) => readdirSync(join(into, epoch)))
        .flatMap((name) => /^\d+-(\d+)\.one\.tst$/.exec(name)?.[1] ?? [])
        .map(Number)
        .sort((a, b) => a - b);
    for (let run = 1; run <= 2; run++) {
      const forward = createForward({ config, random, say: () => undefined, firstWaitMs: 50 });
      // Records are sealed one after the other, so that there are checkpoints to pass by.
      while (stamped().length < run * 2) {
        await host.recorded('true');
        const before = stamped().at(-1);
        const found = await forward.look();
        if (found === undefined) continue;
        if (before !== undefined) expect(found.seq - before).toBeGreaterThanOrEqual(every);
        while (!stamped().includes(found.seq)) await sleep(20);
      }
      await forward.stop();
    }
    const seqs = stamped();
    expect(seqs.length).toBe(4);
    for (const [i, seq] of seqs.slice(1).entries())
      expect(seq - (seqs[i] as number)).toBeGreaterThanOrEqual(every);
  });

  test('a token that is not over a seal of this log is left where it is', async () => {
    const [epoch = ''] = readdirSync(drop());
    const good = readdirSync(join(drop(), epoch)).filter((n) => n.endsWith('.tst'));
    const [at = ''] = (good[0] ?? '').split('.');
    const {
      tsa: [one],
    } = configOf(section());
    const forged = await askTsa(one as never, utf8('another seal'), random);
    writeFileSync(join(drop(), epoch, `${at}.forged.tst`), forged);
    writeFileSync(join(drop(), epoch, `${at}.noise.tst`), 'noise');
    const id = await host.recorded('true');
    await host.bundle(id);
    const kept = readdirSync(join(host.config.state_dir, 'timestamps', epoch));
    expect(kept.sort()).toEqual(good.sort());
  });
});
