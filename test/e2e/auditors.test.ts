/**
 * docs/auditors.md, carried out: every console block, in order, on one host; and what others say of the files that it
 * makes, of good ones and of changed ones.
 */
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CerAiExecutionBundle, verifyCer } from '@nexart/ai-execution';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CTL, type Outcome, ROOT, runProgram } from '../kit/ctl.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';
import { flip } from '../kit/forge.ts';
import { runPeer } from '../kit/go.ts';
import { until } from '../kit/host.ts';
import { makeOperatorAuthority } from '../kit/opca.ts';
import { runExports } from '../kit/peers.ts';
import { installGo } from '../kit/toolchain.ts';

const page = readFileSync(join(ROOT, 'docs/auditors.md'), 'utf8');
const fences = [...page.matchAll(/^```(\w*)\n(.*?)^```$/gms)];
const lines = fences
  .flatMap((m) => (m[2] as string).replaceAll('\\\n', ' ').split('\n'))
  .filter((l) => l.startsWith('$ '))
  .map((l) => l.slice(2));

let host: EnrolledHost;
let id: string;
const at = (name: string) => host.at(name);
const sh = (command: string): Promise<Outcome> =>
  runProgram(['bash', '-c', command], {
    cwd: host.dir,
    env: { PATH: `${at('bin')}:${process.env.PATH}`, ATTESTD_SOCKET: host.socket, HOME: host.dir },
  });
const BESIDES: readonly (readonly [RegExp, string])[] = [[/^attestctl trust init\b/, ' --software']];

beforeAll(async () => {
  const cosign = installGo('cosign', 'github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3');
  host = await makeEnrolledHost({ seal: ['published_ms = 100'] });
  await host.up();
  id = await host.recorded('true');
  makeOperatorAuthority(host.dir);
  mkdirSync(at('bin'));
  symlinkSync(cosign, at('bin/cosign'));
  writeFileSync(at('bin/attestctl'), `#!/bin/sh\nexec ${process.execPath} ${CTL} "$@"\n`, { mode: 0o755 });
  // The page shows a log whose newest checkpoint is published.
  await until('a published checkpoint that covers the record', async () => {
    const { status } = await host.ctl([
      'export',
      'tlog',
      at('probe'),
      '--proof',
      id,
      '--socket',
      at('admin.sock'),
    ]);
    await sh('rm -rf probe');
    return status === 0;
  });
}, 1_800_000);
afterAll(() => host?.remove());

test('the page holds nothing that this test does not run', () => {
  expect(new Set(fences.map((m) => m[1]))).toEqual(new Set(['console']));
  expect(lines.length).toBeGreaterThan(15);
});

describe('docs/auditors.md', () => {
  test.each(lines)('%s', async (line) => {
    const more = BESIDES.filter(([form]) => form.test(line)).map(([, words]) => words);
    const typed = (line + more.join(''))
      .replace(/\b01[0-9A-HJKMNP-TV-Z]{24}\b/g, id)
      .replaceAll('/run/attestd/admin.sock', at('admin.sock'));
    const { status, stderr } = await sh(typed);
    expect([typed, status], stderr).toEqual([typed, 0]);
  });
});

describe('what it made', () => {
  test('the tiles, the checkpoint and the proof are accepted by the Go implementations', () => {
    const vkey = readFileSync(at('log/log.vkey'), 'utf8').trim();
    expect(runPeer(['note-open', vkey, at('log/checkpoint')])).toMatchObject({
      ok: true,
      facts: { verified: 1 },
    });
    expect(runPeer(['tiles', vkey, at('log'), at('log/checkpoint')])).toMatchObject({ ok: true });
    const proof = at(`log/${id}.tlog-proof`);
    expect(runPeer(['proof', vkey, proof, at('by-hand/entry.bin')])).toMatchObject({ ok: true });
    writeFileSync(at('bad'), flip(readFileSync(at('by-hand/entry.bin')), 60));
    expect(runPeer(['proof', vkey, proof, at('bad')]).ok).toBe(false);
  });

  test('the COSE message is accepted by go-cose, and its proof by transparency-dev/merkle', () => {
    const args = ['cose', at('run.cose'), at('record-key.pem'), at('by-hand/entry.bin')];
    expect(runExports(args)).toMatchObject({ ok: true });
  });

  test('the CER is accepted by verifyCer and leads to the record', () => {
    const cer = JSON.parse(readFileSync(at('run.cer.json'), 'utf8')) as CerAiExecutionBundle;
    expect(verifyCer(cer)).toEqual({ ok: true, errors: [] });
    const digest = /^echo '([0-9a-f]{64})/m.exec(readFileSync(at('by-hand/steps.sh'), 'utf8'))?.[1];
    expect(cer.snapshot).toMatchObject({ attestd: { recordDigest: digest } });
  });

  test.each([
    'entry.bin',
    'statement.json',
    'checkpoint.txt',
    'seal-header.bin',
    'quote.attest',
    'ak.pem',
    'record-key.attest',
    'pcrs.txt',
    'sibling-0.bin',
    'leaf.pem',
    'root.pem',
  ])('the steps by hand stop at a changed %s', async (name) => {
    const dir = at(`hand-${name}`);
    cpSync(at('by-hand'), dir, { recursive: true });
    const good = readFileSync(join(dir, name));
    // In PEM and hexadecimal another character of the alphabet.
    const bad = Buffer.from(good);
    // In the list of PCRs the last digit of a value: its middle may be the name of a register.
    const i = name === 'pcrs.txt' ? good.length - 2 : Math.floor(good.length / 2);
    bad[i] =
      good[i] === 0x61
        ? 0x62
        : name.includes('.bin') || name.includes('attest')
          ? (good[i] as number) ^ 1
          : 0x61;
    writeFileSync(join(dir, name), bad);
    expect((await sh(`bash hand-${name}/steps.sh`)).status).not.toBe(0);
  });
});
