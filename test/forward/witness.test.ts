/**
 * From a seal to a bundle that a witness vouches for: a real daemon with a TPM simulator, and litewitness, which is
 * nobody's code here. What else a witness may answer is played by a server of the test's own.
 */

import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { loadForwardConfig } from '../../src/forward/config.ts';
import { createForward } from '../../src/forward/forward.ts';
import { askWitness, type WitnessConfig } from '../../src/forward/witness.ts';
import { printCheckpoint } from '../../src/log/checkpoint.ts';
import { printSignature } from '../../src/log/note.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';
import type { DaemonProcess } from '../kit/host.ts';
import { type Litewitness, startLitewitness } from '../kit/litewitness.ts';
import { cosign, makeWitness } from '../kit/witness.ts';

const dir = mkdtempSync(join(tmpdir(), 'attestd-cosigs-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const random = (n: number) => new Uint8Array(randomBytes(n));
const configOf = (text: string) => {
  const file = join(dir, 'forward.toml');
  writeFileSync(file, text);
  return loadForwardConfig(file);
};

describe('a witness that answers', () => {
  const witness = makeWitness('witness.example/one');
  const text = printCheckpoint({ origin: 'test/host-1/7', size: 5, root: new Uint8Array(32).fill(1) });
  const line = (w = witness, over = text) => printSignature(cosign(w, over, 1_800_000_000));
  let server: Server;
  let answers: { status: number; body: string }[] = [];
  let asked: string[] = [];
  beforeAll(async () => {
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (b: Buffer) => chunks.push(b));
      request.on('end', () => {
        asked.push(`${request.url} ${Buffer.concat(chunks).toString()}`);
        const { status, body } = answers.shift() ?? { status: 500, body: '' };
        response.writeHead(status).end(body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => server?.close());
  const ask = (list: typeof answers, seen = 0) => {
    answers = list;
    asked = [];
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/w`;
    const config: WitnessConfig = { name: 'one', url, key: witness.key, timeoutMs: 5000 };
    const consistency = async (from: number) => [new Uint8Array(32).fill(from)];
    return askWitness(config, { size: 5, text, note: utf8(`${text}\n— x AAAAAAA=\n`), consistency }, seen);
  };

  test('with another size is asked once more from there, with the proof', async () => {
    const made = await ask([
      { status: 409, body: '3\n' },
      { status: 200, body: line() },
    ]);
    expect(made.name).toBe('witness.example/one');
    expect(asked[0]).toMatch(/^\/w\/add-checkpoint old 0\n\ntest\/host-1\/7\n5\n/);
    expect(asked[1]).toMatch(/^\/w\/add-checkpoint old 3\nAwMD[A-Za-z0-9+/]+=\n\ntest\/host-1\/7\n5\n/);
  });
  test.each([
    ['a log that it does not know', [{ status: 404, body: '' }], 'WITNESS_REFUSED', /does not know this log/],
    ['a key that it does not know', [{ status: 403, body: '' }], 'WITNESS_REFUSED', /no key that signed/],
    ['a proof that leads elsewhere', [{ status: 422, body: '' }], 'WITNESS_REFUSED', /proof/],
    ['more entries than there are', [{ status: 409, body: '9\n' }], 'WITNESS_REFUSED', /put back/],
    [
      'two other sizes',
      [
        { status: 409, body: '3\n' },
        { status: 409, body: '4\n' },
      ],
      'WITNESS_REFUSED',
      /another size/,
    ],
    ['an error of its own', [{ status: 503, body: 'busy' }], 'WITNESS_UNAVAILABLE', /busy/],
    ['too much', [{ status: 200, body: 'x'.repeat(20_000) }], 'WITNESS_UNAVAILABLE', /16384/],
    ['no line', [{ status: 200, body: 'thanks\n' }], 'WITNESS_REFUSED', /signature line/],
    [
      'the line of another key',
      [{ status: 200, body: line(makeWitness('witness.example/one')) }],
      'WITNESS_REFUSED',
      /not by the key/,
    ],
    [
      'a cosignature of another text',
      [{ status: 200, body: line(witness, 'another\n') }],
      'WITNESS_REFUSED',
      /does not verify/,
    ],
    [
      'a time of zero',
      [{ status: 200, body: printSignature(cosign(witness, text, 0)) }],
      'WITNESS_REFUSED',
      /does not verify/,
    ],
  ])('with %s', async (_, list, code, why) => {
    await expect(ask(list)).rejects.toMatchObject({ code, message: expect.stringMatching(why) });
  });
  test.each([
    ['a key of another type', `vkey = "test+00000000+AbC="`],
    ['no key', ''],
    ['a slash at the end', `vkey = "${witness.vkey}"\nurl = "https://w.example/"`],
  ])('is not configured with %s', (_, more) => {
    const url = more.includes('url') ? '' : 'url = "https://w.example"\n';
    expect(() => configOf(`[[witness]]\nname = "one"\n${url}${more}\n`)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
  });
});

describe('a host with a witness', () => {
  let host: EnrolledHost;
  let daemon: DaemonProcess;
  let witness: Litewitness;
  const drop = () => join(dir, 'drop');
  beforeAll(async () => {
    witness = await startLitewitness('witness.test/lite');
    host = await makeEnrolledHost({
      timestamps: [`drop_dir = "${drop()}"`],
      seal: ['published_ms = 100', 'ed25519_line = true'],
    });
    daemon = await host.up();
    const { log, vkeys } = JSON.parse((await host.ctl(['status', '--json'])).stdout) as {
      log: string;
      vkeys: string[];
    };
    expect(vkeys).toHaveLength(2);
    witness.know(log, vkeys[1] as string);
  }, 900_000);
  afterAll(async () => {
    await daemon?.stop();
    await host?.remove();
    await witness?.close();
  });

  /** Has the newest checkpoint cosigned. */
  async function cosigned(): Promise<void> {
    const config = configOf(
      `socket = "${host.socket}"\ndrop_dir = "${drop()}"\n[[witness]]\nname = "lite"\nurl = "${witness.url}"\nvkey = "${witness.vkey}"\n`,
    );
    const said: [string, unknown][] = [];
    const forward = createForward({
      config,
      random,
      say: (_, what, facts) => said.push([what, facts]),
      firstWaitMs: 50,
    });
    const end = Date.now() + 60_000;
    while (!said.some(([what]) => what === 'cosigned') && Date.now() < end) {
      await forward.look();
      await sleep(50);
    }
    await forward.stop();
    expect(said.map(([what]) => what)).toContain('cosigned');
  }
  async function verdict(bundle: string, change: (t: Record<string, unknown>) => object = (t) => t) {
    const trust = JSON.parse(readFileSync(await host.trust(bundle), 'utf8')) as Record<string, unknown>;
    const witnesses = { keys: [witness.vkey], required: 1 };
    writeFileSync(host.at('w.json'), JSON.stringify(change({ ...trust, acceptHostTime: false, witnesses })));
    const told = await host.ctl(['verify', bundle, '--trust', host.at('w.json'), '--json']);
    return JSON.parse(told.stdout) as {
      verdict: string;
      checks: { id: string; status: string; required: boolean; sentence: string }[];
    };
  }

  test('shows in a bundle that the witness saw its log, and proves its time by that', async () => {
    const id = await host.recorded('true');
    expect((await verdict(await host.bundle(id))).verdict).toBe('indeterminate');
    let bundle = '';
    do {
      // The published checkpoint may still be one before the record.
      await host.recorded('true');
      await cosigned();
      bundle = await host.bundle(id, 'witnessed.attest.json');
    } while (!/"witnessed"|witness\.test\/lite/.test(readFileSync(bundle, 'utf8')));
    const report = await verdict(bundle);
    expect([report.verdict, report.checks.filter((c) => c.required && c.status !== 'pass')]).toEqual([
      'verified',
      [],
    ]);
    expect(report.checks.find((c) => c.id === 'witness')?.sentence).toMatch(/A witness saw this log/);
    // A second checkpoint goes to it with a proof that the first is its beginning.
    const count = () => readdirSync(join(drop(), readdirSync(drop())[0] as string)).length;
    for (const before = count(); count() === before; ) {
      await host.recorded('true');
      await cosigned();
    }
    const other = makeWitness('witness.test/lite').vkey;
    const strange = await verdict(bundle, (t) => ({ ...t, witnesses: { keys: [other], required: 1 } }));
    expect(strange.verdict).toBe('indeterminate');
  });

  test('the same key opens after a restart, and a forged line is left where it is', async () => {
    const before = JSON.parse((await host.ctl(['status', '--json'])).stdout) as { vkeys: string[] };
    await daemon.stop();
    daemon = await host.up();
    const after = JSON.parse((await host.ctl(['status', '--json'])).stdout) as { vkeys: string[] };
    expect(after.vkeys).toEqual(before.vkeys);
    const [epoch = ''] = readdirSync(drop());
    const [good = ''] = readdirSync(join(drop(), epoch)).filter((n) => n.endsWith('.cosig'));
    const [at = ''] = good.split('.');
    const forged = makeWitness('witness.test/lite');
    const size = Number(at.split('-')[0]);
    const text = printCheckpoint({ origin: 'x/y/1', size, root: new Uint8Array(32) });
    writeFileSync(
      join(drop(), epoch, `${at}.forged.cosig`),
      `${forged.vkey}\n${printSignature(cosign(forged, text, 1_800_000_000))}`,
    );
    writeFileSync(join(drop(), epoch, `${at}.noise.cosig`), 'noise');
    await host.bundle(await host.recorded('true'));
    const kept = readdirSync(join(host.config.state_dir, 'timestamps', epoch));
    expect(kept.filter((n) => /forged|noise/.test(n))).toEqual([]);
    expect(kept).toContain(good);
  });
});
