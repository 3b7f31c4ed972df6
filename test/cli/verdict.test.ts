/** Verdicts as they leave the process: the same status on a terminal, into a pipe and as JSON. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toBase64 } from '../../src/core/bytes.ts';
import { issue } from '../kit/authority.ts';
import { bundleOf, freshOf } from '../kit/bundled.ts';
import { CTL, ctl, runProgram } from '../kit/ctl.ts';
import { flip, forge } from '../kit/forge.ts';
import { NONCE } from '../kit/hooks.ts';

let dir: string;
const at = (name: string) => join(dir, name);
const hex = (b: Uint8Array) => Buffer.from(b).toString('hex');

/** File, trust file, further options, exit status, word. */
const CASES = [
  ['good', 'trust', [], 0, 'VERIFIED'],
  ['forged', 'trust', [], 1, 'REJECTED'],
  ['good', 'other-root', [], 1, 'REJECTED'],
  ['good', 'no-host-time', [], 4, 'INDETERMINATE'],
  ['noise', 'trust', [], 3, 'REJECTED'],
  ['empty', 'trust', [], 3, 'REJECTED'],
  ['fresh', 'trust', ['--nonce', hex(NONCE)], 0, 'VERIFIED'],
  ['fresh', 'trust', ['--nonce', hex(flip(NONCE, 0))], 1, 'REJECTED'],
  ['fresh', 'trust', [], 3, 'REJECTED'],
  ['good', 'trust', ['--nonce', hex(NONCE)], 3, 'REJECTED'],
] as const;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-verdict-'));
  const forged = await forge();
  const good = bundleOf(forged.raw);
  const trust = forged.trust as Record<string, unknown>;
  writeFileSync(at('good'), good);
  // Another signature byte of the seal, in the same encoding.
  const broken = await forge({ sealSignature: (s) => ('r' in s ? { ...s, r: flip(s.r, 5) } : s) });
  writeFileSync(at('forged'), bundleOf(broken.raw));
  writeFileSync(at('fresh'), freshOf(forged.fresh));
  writeFileSync(at('noise'), 'no bundle at all');
  writeFileSync(at('empty'), '');
  writeFileSync(at('trust'), JSON.stringify(trust));
  writeFileSync(at('no-host-time'), JSON.stringify({ ...trust, acceptHostTime: false }));
  const stranger = toBase64((await issue({ subject: 'stranger', ca: {} })).certificate.der);
  writeFileSync(
    at('other-root'),
    JSON.stringify({ ...trust, roots: [{ certificate: stranger, kind: 'hardware' }] }),
  );
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const ESCAPE = '\u001b[';
const words = (file: string, trust: string, more: readonly string[]) => [
  'verify',
  file,
  '--trust',
  trust,
  ...more,
];

describe.each(CASES)('%s under %s %j ends with %i', (file, trust, more, status, word) => {
  test('into a pipe, without colour', async () => {
    const told = await ctl(words(file, trust, more), { cwd: dir });
    expect([told.status, told.stderr]).toEqual([status, '']);
    expect(told.stdout).toMatch(new RegExp(`^${word}(?: \\(malformed\\))?: `, 'm'));
    expect(told.stdout).not.toContain(ESCAPE);
  });

  test('as one JSON document', async () => {
    const told = await ctl([...words(file, trust, more), '--json'], { cwd: dir });
    expect([told.status, told.stderr]).toEqual([status, '']);
    const report = JSON.parse(told.stdout);
    expect([report.schema, report.verdict]).toEqual(['attestd.dev/report/v1', word.toLowerCase()]);
    expect(told.stdout.indexOf('\n')).toBe(told.stdout.length - 1);
  });

  test('from stdin', async () => {
    const stdin = readFileSync(at(file));
    expect((await ctl(words('-', trust, more), { cwd: dir, stdin })).status).toBe(status);
  });

  test('on a terminal, in colour', async () => {
    expect(await onTerminal(words(file, trust, more))).toEqual({ status, word, coloured: true });
  });
});

/** What a person at a terminal sees. */
async function onTerminal(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const typed = [process.execPath, CTL, ...args].join(' ');
  const plain = { NO_COLOR: undefined, FORCE_COLOR: undefined, TERM: 'xterm' };
  const seen = await runProgram(['script', '-qec', typed, '/dev/null'], {
    cwd: dir,
    env: { ...plain, ...env },
  });
  const word = /(VERIFIED|REJECTED|INDETERMINATE)/.exec(seen.stdout)?.[1];
  return { status: seen.status, word, coloured: seen.stdout.includes(ESCAPE) };
}

test.each([
  ['NO_COLOR', [], { NO_COLOR: '1' }, false],
  ['an empty NO_COLOR', [], { NO_COLOR: '' }, true],
  ['a dumb terminal', [], { TERM: 'dumb' }, false],
  ['--no-color', ['--no-color'], {}, false],
])('colour and %s', async (_, more, env, coloured) => {
  const seen = await onTerminal([...words('forged', 'trust', []), ...more], env);
  expect(seen).toEqual({ status: 1, word: 'REJECTED', coloured });
});

test('a level below that of the trust file cannot be asked for; a higher one counts', async () => {
  const low = JSON.parse(readFileSync(at('trust'), 'utf8'));
  writeFileSync(at('level-3'), JSON.stringify({ ...low, minimumLevel: 3 }));
  expect((await ctl([...words('good', 'level-3', []), '--min-level', '2'], { cwd: dir })).status).toBe(2);
  const { stdout } = await ctl([...words('good', 'level-3', []), '--min-level', '4', '--json'], { cwd: dir });
  expect(JSON.parse(stdout)).toMatchObject({ verdict: 'verified', minimumLevel: 4 });
});

test('the trust file may be named by the environment', async () => {
  const env = { ATTESTD_TRUST: at('trust') };
  expect((await ctl(['verify', 'good'], { cwd: dir, env })).status).toBe(0);
});

test('a trust file that is none is malformed input, and a broken pipe is quiet', async () => {
  const { status, stdout, stderr } = await ctl(words('good', 'noise', []), { cwd: dir });
  expect([status, stdout]).toEqual([3, '']);
  expect(stderr).toMatch(
    /^attestctl: error: the input is malformed[^\n]*\[MALFORMED\]\nattestctl: hint: [^\n]+\n$/,
  );
  const line = `${process.execPath} ${CTL} ${words('good', 'trust', []).join(' ')} | head -1`;
  for (const more of ['', ' --json']) {
    const piped = await runProgram(['bash', '-c', line.replace(' |', `${more} |`)], { cwd: dir });
    expect([piped.status, piped.stderr, piped.stdout.split('\n').length]).toEqual([0, '', 2]);
  }
});

test('what is inside a bundle is shown as JSON, from a file and from stdin', async () => {
  const shown = await ctl(['show', 'good', '--json'], { cwd: dir });
  expect([shown.status, JSON.parse(shown.stdout).kind]).toEqual([0, 'execution']);
  expect(shown.stderr).toContain('not verified');
  const piped = await ctl(['show', '-', '--json'], { cwd: dir, stdin: readFileSync(at('good')) });
  expect(piped.stdout).toBe(shown.stdout);
});

test('a trust file is made from a root and a bundle, and is what verify takes', async () => {
  const { roots } = JSON.parse(readFileSync(at('trust'), 'utf8'));
  writeFileSync(at('root.der'), Buffer.from(roots[0].certificate, 'base64'));
  const made = await ctl(
    [
      'trust',
      'init',
      '--root',
      'root.der',
      '--reference',
      'good',
      '--accept-host-time',
      '-o',
      'made',
      '--json',
    ],
    { cwd: dir },
  );
  expect([made.status, JSON.parse(made.stdout)]).toEqual([
    0,
    { schema: 'attestd.dev/written/v1', file: 'made' },
  ]);
  expect((await ctl(words('good', 'made', []), { cwd: dir })).status).toBe(0);
  const shown = await ctl(['trust', 'show', 'made', '--json'], { cwd: dir });
  expect(JSON.parse(shown.stdout)).toMatchObject({ minimumLevel: 3, acceptHostTime: true });
  const printed = await ctl(['trust', 'init', '--root', 'root.der', '--level', '2', '-o', '-', '--json'], {
    cwd: dir,
  });
  expect(JSON.parse(printed.stdout)).toMatchObject({ schema: 'attestd.dev/trust/v1', minimumLevel: 2 });
});
