/** The manual and the completion are whole: each command, option, error code, configuration key and bundle member is in them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUNDLE_MEMBERS, bundlePage } from '../../src/cli/manual/bundle.ts';
import { attestctlPage, EXIT_STATUS, everyCommand } from '../../src/cli/manual/commands.ts';
import { completion, SHELLS } from '../../src/cli/manual/completion.ts';
import { configPage, keysOf } from '../../src/cli/manual/config.ts';
import { daemonPage, forwardPage, observePage } from '../../src/cli/manual/daemon.ts';
import { type Page, printPage, roff } from '../../src/cli/manual/roff.ts';
import { ATTESTCTL } from '../../src/cli/table.ts';
import { ERRORS } from '../../src/core/errors.ts';
import { ConfigFile } from '../../src/daemon/config.ts';
import { RELOADED } from '../../src/daemon/reload.ts';
import { BundleSchema } from '../../src/evidence/schema/bundle.ts';
import { ROOT } from '../kit/ctl.ts';

const toml = readFileSync(join(ROOT, 'systemd/attestd.toml'), 'utf8');
const forward = readFileSync(join(ROOT, 'systemd/attestd-forward.toml'), 'utf8');
const pages: readonly Page[] = [
  attestctlPage(ATTESTCTL),
  configPage(toml, RELOADED),
  bundlePage(),
  daemonPage(),
  forwardPage(forward),
  observePage(),
];
const commands = everyCommand(ATTESTCTL);

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-manual-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('attestctl(1)', () => {
  const text = printPage(attestctlPage(ATTESTCTL), '0');
  it('has every command with its arguments, options and examples', () => {
    expect(commands.length).toBeGreaterThan(40);
    for (const { path, command } of commands.slice(1)) {
      expect(text).toContain(`.SS ${roff(path)}`);
      for (const o of command.options ?? []) expect(text).toContain(`\\fB${roff(o.flags)}\\fR`);
      for (const e of command.examples) expect(text).toContain(roff(e));
    }
  });
  it('has what commander brings along', () => {
    const page = text.replaceAll('\\-', '-');
    expect(page).toContain('.SS attestctl help [command]');
    expect(page).toContain('\nattestctl help TPM_UNAVAILABLE\n');
    expect(page).toContain('attestctl --version');
  });
  it('has every error code, and every exit status that one of them has', () => {
    for (const [code, e] of Object.entries(ERRORS)) {
      expect(text).toContain(`\\fB${roff(`${code} (${e.exit})`)}\\fR`);
      expect(EXIT_STATUS.map(([n]) => n)).toContain(e.exit);
    }
  });
});

describe('attestd.toml(5)', () => {
  it('has every key of the schema, and no other', () => {
    const shape = (ConfigFile as unknown as { properties: Record<string, { properties?: object }> })
      .properties;
    const wanted = Object.entries(shape).flatMap(([name, s]) =>
      s.properties === undefined ? [name] : Object.keys(s.properties).map((k) => `${name}.${k}`),
    );
    const found = keysOf(toml).map((k) => (k.section === '' ? k.name : `${k.section}.${k.name}`));
    expect([...found].sort()).toEqual([...wanted].sort());
  });
  it('says what each key is for', () => {
    expect(
      keysOf(toml)
        .filter((k) => k.comment === '')
        .map((k) => k.name),
    ).toEqual([]);
  });
});

it('attestd-bundle(5) has every member of the schema, and no other', () => {
  expect(Object.keys(BUNDLE_MEMBERS).sort()).toEqual(Object.keys(BundleSchema.properties).sort());
});

it('every page that a unit names is there', () => {
  const units = readdirSync(join(ROOT, 'systemd')).map((f) => readFileSync(join(ROOT, 'systemd', f), 'utf8'));
  const named = units.flatMap((u) => u.match(/(?<=man:)[a-z.-]+\(\d\)/g) ?? []);
  const names = pages.map((p) => `${p.name}(${p.section})`);
  for (const name of named) expect(names).toContain(name);
});

it('every page is set by groff without a warning, and names pages that there are', () => {
  const names = pages.map((p) => `${p.name}(${p.section})`);
  for (const page of pages) {
    const file = join(dir, `${page.name}.${page.section}`);
    writeFileSync(file, printPage(page, '0.1.0'));
    const { status, stdout, stderr } = spawnSync('groff', ['-man', '-Kutf8', '-Tutf8', '-ww', file], {
      encoding: 'utf8',
    });
    expect([page.name, status, stderr]).toEqual([page.name, 0, '']);
    expect(stdout.split('\n').length).toBeGreaterThan(15);
    for (const other of page.seeAlso) expect(names).toContain(other);
  }
});

describe('completion', () => {
  it('of bash offers what the table has, wherever one stands', () => {
    const file = join(dir, 'completion.bash');
    writeFileSync(file, completion('bash', ATTESTCTL));
    // Where nothing of the table fits, files do.
    writeFileSync(join(dir, 'run.attest.json'), '');
    const names = (ATTESTCTL.commands ?? []).map((c) => c.name);
    const asked: { readonly words: readonly string[]; readonly check: (offered: string[]) => void }[] = [
      { words: ['attestctl', 'hel'], check: (o) => expect(o).toEqual(['help']) },
      { words: ['attestctl', 'help', ''], check: (o) => expect(o).toEqual(names) },
      { words: ['attestctl', 'ver'], check: (o) => expect(o).toEqual(['verify', 'version']) },
      { words: ['attestctl', 'verify', 'run'], check: (o) => expect(o).toEqual(['run.attest.json']) },
    ];
    for (const { path, command } of commands) {
      const words = path.split(' ');
      const below = (command.commands ?? []).map((c) => c.name);
      if (below.length > 0)
        asked.push({
          words: [...words, ''],
          check: (o) => expect(o).toEqual(path === 'attestctl' ? [...below, 'help'] : below),
        });
      const long = (command.options ?? []).flatMap((o) => o.flags.match(/--[a-z-]+/g) ?? []);
      const every = expect.arrayContaining([...long, '--json', '--help']);
      asked.push({ words: [...words, '--'], check: (o) => expect([path, o]).toEqual([path, every]) });
    }
    // One shell for all: words of a line end in |.
    const script = `. "$1"
while IFS= read -r line; do
  IFS='|' read -ra COMP_WORDS <<<"$line"
  COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
  COMPREPLY=()
  _attestctl
  echo "\${COMPREPLY[*]}"
done`;
    const out = execFileSync('bash', ['-c', script, 'bash', file], {
      encoding: 'utf8',
      cwd: dir,
      input: asked.map(({ words }) => `${words.join('|')}|\n`).join(''),
    });
    const answers = out.split('\n');
    for (const [i, { check }] of asked.entries()) check((answers[i] ?? '').split(' '));
  });
  it.each(SHELLS)('of %s names every command and option', (shell) => {
    const text = completion(shell, ATTESTCTL);
    expect(text).toMatch(/['" ]help['" ]/);
    for (const { command } of commands.slice(1)) {
      expect(text).toMatch(new RegExp(`['" ]${command.name}['" ]`));
      for (const o of command.options ?? []) {
        for (const flag of o.flags.match(/--[a-z-]+/g) ?? []) {
          expect(text).toContain(shell === 'fish' ? `-l ${flag.slice(2)}` : flag);
        }
      }
    }
  });
});
