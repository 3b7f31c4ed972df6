import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Command } from '../../src/cli/command.ts';
import { errorHelp } from '../../src/cli/errorhelp.ts';
import { ATTESTCTL } from '../../src/cli/table.ts';
import { VERSION } from '../../src/cli/version.ts';
import { ERRORS } from '../../src/core/errors.ts';
import { VERSION as DAEMON_VERSION } from '../../src/daemon/version.ts';
import { expectKnown } from '../kit/commandline.ts';
import { ctl, ROOT, runProgram } from '../kit/ctl.ts';

interface Named {
  readonly path: readonly string[];
  readonly row: Command;
}
const all = (row: Command, path: readonly string[] = []): Named[] => [
  { path, row },
  ...(row.commands ?? []).flatMap((c) => all(c, [...path, c.name])),
];
const COMMANDS = all(ATTESTCTL);
const text = (file: string) => readFileSync(join(ROOT, file), 'utf8');

describe('help', () => {
  test.each(COMMANDS.map((c) => [c.path.join(' ') || 'attestctl', c] as const))(
    '%s --help begins with examples and ends with 0',
    async (_, { path, row }) => {
      const { status, stdout, stderr } = await ctl([...path, '--help']);
      expect([status, stderr]).toEqual([0, '']);
      expect(stdout.startsWith(`Examples:\n  ${row.examples[0]}\n`)).toBe(true);
      for (const option of row.options ?? []) expect(stdout).toContain(option.flags);
      // And no option that it does not take.
      const printed = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z][a-z-]*)/gm)].map((m) => m[1]);
      const own = (row.options ?? []).map((o) => /--[a-z-]+/.exec(o.flags)?.[0]);
      const common = ['--json', '--no-color', '--help', ...(path.length === 0 ? ['--version'] : [])];
      expect(printed.sort()).toEqual([...own, ...common].sort());
      for (const below of row.commands ?? []) expect(stdout).toContain(`\n  ${below.name} `);
      expect(stdout).toContain('--json');
    },
  );

  const needy = COMMANDS.filter(({ row }) => row.options?.some((o) => o.required));
  test.each(needy.map((c) => [c.path.join(' '), c] as const))(
    '%s names an option that it does not know before one that is missing',
    async (_, { path, row }) => {
      const args = (row.arguments ?? []).map(() => 'x');
      const { status, stderr } = await ctl([...path, ...args, '--older-than', 'x']);
      expect([status, stderr.split('\n')[0]]).toEqual([
        2,
        "attestctl: error: unknown option '--older-than' [USAGE]",
      ]);
      const bare = await ctl([...path, ...args]);
      expect([bare.status, bare.stderr]).toEqual([2, expect.stringContaining(' not specified [USAGE]')]);
    },
  );

  test('every example is of its command and names options that exist', () => {
    for (const { path, row } of COMMANDS) {
      for (const example of row.examples) {
        const words = example.split(' -- ')[0]?.split('attestctl ')[1]?.split(' ') ?? [];
        expect(words.slice(0, path.length)).toEqual(path);
        expectKnown(words);
      }
    }
  });
});

describe('help on an error', () => {
  test('says what a code means and what to do, as it was printed or in full', async () => {
    for (const topic of ['TPM_UNAVAILABLE', '[TPM_UNAVAILABLE]', 'ATTESTD_E_TPM_UNAVAILABLE']) {
      const { status, stdout, stderr } = await ctl(['help', topic]);
      expect([status, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(
        /^TPM_UNAVAILABLE: \S.*\n {2}what to do: \S.*\n {2}exit status 5, over HTTP 503\n$/,
      );
    }
    expect((await ctl(['help', 'toString'])).status).toBe(2);
    expect((await ctl(['help', 'verify'])).stdout).toContain('Usage: attestctl verify');
  });
  test('has a line for every code', () => {
    for (const code of Object.keys(ERRORS)) expect(errorHelp(code)).toContain(`${code}: `);
    expect(errorHelp('constructor')).toBeUndefined();
  });
});

describe('what is not understood', () => {
  const hint = (of: string) => `attestctl: hint: ${of} --help\n`;
  test.each([
    [
      ['stauts'],
      `attestctl: error: unknown command 'stauts' [USAGE]\nattestctl: hint: did you mean status?\n${hint('attestctl')}`,
    ],
    [
      ['ca', 'chalenge'],
      `attestctl: error: unknown command 'chalenge' [USAGE]\nattestctl: hint: did you mean challenge?\n${hint('attestctl ca')}`,
    ],
    [
      ['verify', '--trsut', 'x', 'y'],
      `attestctl: error: unknown option '--trsut' [USAGE]\nattestctl: hint: did you mean --trust?\n${hint('attestctl verify')}`,
    ],
    [['verify'], `attestctl: error: missing required argument 'file' [USAGE]\n${hint('attestctl verify')}`],
    [
      ['status', 'now'],
      `attestctl: error: too many arguments for 'status'. Expected 0 arguments but got 1. [USAGE]\n${hint('attestctl status')}`,
    ],
    [
      ['quote'],
      `attestctl: error: required option '-o, --out <file>' not specified [USAGE]\n${hint('attestctl quote')}`,
    ],
    [
      ['bundle', 'x', '-o'],
      `attestctl: error: option '-o, --out <file>' argument missing [USAGE]\n${hint('attestctl bundle')}`,
    ],
  ])('%j ends with 2 and says what to type', async (args, said) => {
    const { status, stdout, stderr } = await ctl(args);
    expect({ status, stdout, stderr }).toEqual({ status: 2, stdout: '', stderr: said });
  });

  test.each([
    ['a wait that is none', ['record', '--wait', 'long'], '--wait is durable or sealed'],
    ['a nonce that is too short', ['quote', '--nonce', '00', '-o', '-'], 'a nonce is 16 to 64 bytes'],
    [
      'a socket that is no Unix socket',
      ['status', '--socket', 'http://x'],
      'not the address of a Unix socket',
    ],
    ['neither a directory nor a socket', ['audit'], 'audit either a state directory or'],
    ['a progress that is none', ['audit', '/', '--progress', 'loud'], '--progress is one of'],
    ['a file that is not there', ['verify', 'x', '--trust', '/nowhere/trust'], '/nowhere/trust: ENOENT'],
    ['no trust file', ['verify', 'x'], 'whom do you trust?'],
    [
      'PCRs that are none',
      ['trust', 'init', '--root', 'x', '--pcrs', '7-0', '-o', '-'],
      'not a list of PCRs',
    ],
    [
      'no answer about the passphrase',
      ['ca', 'init', '--dir', 'x', '--name', 'x'],
      'give one of --passphrase-file',
    ],
    ['a new epoch that nobody confirmed', ['recover', '--new-epoch', '--config', 'CONFIG'], 'not confirmed'],
  ])('%s', async (_, args, said) => {
    const config = join(ROOT, 'systemd/attestd.toml');
    const env = { ATTESTD_TRUST: undefined, ATTESTD_SOCKET: '/nowhere' };
    const { status, stdout, stderr } = await ctl(
      args.map((a) => (a === 'CONFIG' ? config : a)),
      { env },
    );
    expect(stderr).toContain(said);
    expect(stderr).toMatch(/^attestctl: error: [^\n]+ \[USAGE\]\nattestctl: hint: [^\n]+\n$/);
    expect([status, stdout]).toEqual([2, '']);
  });
});

describe('versions', () => {
  test('attestctl, the daemon and package.json say the same', async () => {
    const { version } = JSON.parse(text('package.json'));
    expect([VERSION, DAEMON_VERSION]).toEqual([version, version]);
    expect((await ctl(['--version'])).stdout).toBe(`${version}\n`);
    const { stdout } = await ctl(['version', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ schema: 'attestd.dev/version/v1', attestd: version });
  });

  test('an old Node is refused with a sentence', async () => {
    // The entry as an old Node would run it: the same program, told that it is 20.18.
    const entry = join(ROOT, 'dist/cli/main.js');
    const pretend = "Object.defineProperty(process.versions, 'node', { value: '20.18.1' });";
    const { status, stderr } = await runProgram([
      process.execPath,
      '--import',
      `data:text/javascript,${encodeURIComponent(pretend)}`,
      entry,
      'version',
    ]);
    expect(status).toBe(2);
    expect(stderr).toMatch(
      /^attestctl: error: attestd needs Node.js 20.19 or newer, this is v[\d.]+\nattestctl: hint: /,
    );
  });
});

describe('README', () => {
  const readme = text('README.md');

  test('every attestctl command and option that it names exists', () => {
    const lines = readme.matchAll(/(?:^\$ |`)attestctl ([^`\n]+?)(?:`|$|\\$)/gm);
    const named = [...lines].map((m) => (m[1] as string).split(' -- ')[0]?.split(' ') ?? []);
    expect(named.length).toBeGreaterThan(3);
    for (const words of named) expectKnown(words);
  });

  test('its table of exit statuses is that of the table of errors', async () => {
    const { ERRORS } = await import('../../src/core/errors.ts');
    const table = readme.slice(readme.indexOf('## Exit status')).matchAll(/^\| (\d+) \| (.+) \|$/gm);
    const rows = [...table].map((m) => Number(m[1]));
    const used = new Set<number>(Object.values(ERRORS).map((e) => e.exit));
    expect(rows).toEqual([0, ...used].sort((a, b) => a - b));
  });
});
