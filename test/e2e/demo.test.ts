import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT, runProgram } from '../kit/ctl.ts';

let above: string;
let dir: string;
const demo = (...args: string[]) =>
  runProgram([join(ROOT, 'scripts/demo'), ...args], {
    cwd: above,
    env: { ATTESTD_DEMO: dir, NO_COLOR: '1' },
  });

beforeAll(() => {
  above = mkdtempSync(join(tmpdir(), 'attestd-demo-'));
  dir = join(above, 'demo');
});
afterAll(async () => {
  await demo('--clean');
  rmSync(above, { recursive: true, force: true });
});

test.each(['the first time', 'the second time'])('the demonstration runs to its end, %s', async () => {
  const before = readdirSync(ROOT);
  const { status, stdout, stderr } = await demo();
  expect([status, stderr], stderr).toEqual([0, expect.anything()]);
  const steps = [...stderr.matchAll(/^\[ ?(\d+)\] (.+) \(\d+s\)$/gm)];
  expect(steps.map((s) => Number(s[1]))).toEqual(steps.map((_, i) => i + 1));
  expect(steps.at(-1)?.[2]).toContain(`Everything is in ${dir}`);

  expect(stdout).toContain('the workload says: 42');
  const verdicts = stdout.match(/^(?:VERIFIED|REJECTED|INDETERMINATE): .*$/gm);
  expect(verdicts).toEqual([
    'VERIFIED: level 3 reached, 3 required, simulated (software TPM)',
    'REJECTED: level 0 reached, 3 required, simulated (software TPM)',
  ]);
  for (const id of ['seal-signature', 'ak-certificate-path', 'pcr-allow-list', 'inclusion-record']) {
    expect(stdout).toMatch(new RegExp(`^✓ pass {5}${id} `, 'm'));
  }
  expect(stdout).toMatch(/^✗ fail /m);

  // Everything is below the folder that it names, and nothing runs any more.
  expect(readdirSync(above)).toEqual(['demo']);
  expect(readdirSync(ROOT)).toEqual(before);
  expect(existsSync(join(dir, 'run.attest.json'))).toBe(true);
  const { stdout: alive } = await runProgram([
    'bash',
    '-c',
    'ps -eo args | grep -F "$0" | grep -v grep || true',
    dir,
  ]);
  expect(alive.split('\n').filter((l) => !l.includes('bash -c'))).toEqual(['']);
});

test('--clean removes all of it, and nothing that it did not make', async () => {
  const { status, stderr } = await demo('--clean');
  expect([status, existsSync(dir)]).toEqual([0, false]);
  expect(stderr).toContain(`removed ${dir}`);
  mkdirSync(dir);
  writeFileSync(join(dir, 'thesis.txt'), 'mine');
  for (const args of [['--clean'], []]) {
    const refused = await demo(...args);
    expect([refused.status, readdirSync(dir)]).toEqual([1, ['thesis.txt']]);
    expect(refused.stderr).toMatch(/demo: error: .* holds something else/);
  }
  rmSync(dir, { recursive: true });
});

test('an old or absent Node is met with a sentence that says what to install', async () => {
  const bin = join(above, 'bin');
  mkdirSync(bin);
  const need = (path: string) =>
    runProgram(['/bin/bash', '-c', `. ${ROOT}/scripts/lib.sh; need_node`], { env: { PATH: path } });
  for (const tool of ['dirname', 'basename'])
    writeFileSync(join(bin, tool), `#!/bin/sh\nexec /usr/bin/${tool} "$@"\n`, { mode: 0o755 });
  const absent = await need(bin);
  expect(absent.status).toBe(1);
  expect(absent.stderr).toMatch(
    /error: attestd needs Node.js 20.19 or newer, and there is no node here\n.*hint: install/,
  );
  writeFileSync(join(bin, 'node'), '#!/bin/sh\n[ "$1" = --version ] && echo v18.20.4 && exit 0\nexit 1\n', {
    mode: 0o755,
  });
  const old = await need(bin);
  expect(old.status).toBe(1);
  expect(old.stderr).toMatch(
    /error: attestd needs Node.js 20.19 or newer, this is v18.20.4\n.*hint: install/,
  );
  rmSync(bin, { recursive: true });
});
