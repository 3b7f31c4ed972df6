/** What evidence and files of others say does not drive the terminal of who reads it, in text or as JSON. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseAuthorityEntry, printAuthorityEntry } from '../../src/evidence/authoritylog.ts';
import { encodeEntries, parseEntries } from '../../src/log/entries.ts';
import { bundleOf } from '../kit/bundled.ts';
import { CTL, ctl, runProgram } from '../kit/ctl.ts';
import { forge } from '../kit/forge.ts';

/** Red by one C1 character, up by a line, text that runs backwards, a tag of plane 14, a soft hyphen. */
const EVIL = 'fine\u009b31m\u001b[1A\u202egnp.exe\u{e0041}\u00ad';
const DRIVES = /[^\P{Cc}\n\t]|[\p{Cf}\u2028\u2029]/u;

let dir: string;
const at = (name: string) => join(dir, name);
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-terminal-'));
  const { raw, trust } = await forge();
  writeFileSync(at('bundle'), bundleOf(raw));
  const pcrs = (trust as { pcrs: Record<string, unknown>[] }).pcrs.map((p) => ({ ...p, name: EVIL }));
  writeFileSync(at('trust'), JSON.stringify({ ...trust, pcrs }));
  const ca = await ctl(['ca', 'init', '--dir', at('ca'), '--name', 'CA', '--software', '--no-passphrase']);
  expect(ca.status, ca.stderr).toBe(0);
  const tile = at('ca/log/tile/entries/000.p/1');
  const [entry] = parseEntries(new Uint8Array(readFileSync(tile)), 1);
  const forged = { ...parseAuthorityEntry(entry as Uint8Array), log: EVIL };
  writeFileSync(tile, encodeEntries([printAuthorityEntry(forged)]));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const COMMANDS = (): [string, string[], number][] => [
  ['verify', ['verify', at('bundle'), '--trust', at('trust')], 0],
  ['trust show', ['trust', 'show', at('trust')], 0],
  ['audit', ['audit', at('ca')], 1],
];

test('in text, with nothing but the styles of this program', async () => {
  for (const [name, words, status] of COMMANDS()) {
    const plain = await ctl(words);
    expect([name, plain.status]).toEqual([name, status]);
    expect(plain.stdout, name).toContain('fine\ufffd31m\ufffd[1A\ufffdgnp.exe\ufffd\ufffd');
    expect(plain.stdout, name).not.toMatch(DRIVES);
    const typed = [process.execPath, CTL, ...words].join(' ');
    const { stdout } = await runProgram(['script', '-qec', typed, '/dev/null'], {
      env: { TERM: 'xterm', NO_COLOR: '' },
    });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    const unstyled = stdout.replace(/\r\n/g, '\n').replaceAll(/\u001b\[(?:1|22|3[123]|39)m/g, '');
    expect(unstyled, name).not.toMatch(DRIVES);
    expect(unstyled.length, name).toBeLessThan(stdout.length);
  }
});

test('as JSON, with the same value', async () => {
  for (const [name, words] of COMMANDS()) {
    const { stdout } = await ctl([...words, '--json']);
    expect(stdout, name).not.toMatch(DRIVES);
    expect(JSON.stringify(JSON.parse(stdout)), name).toContain(JSON.stringify(EVIL).slice(1, -1));
  }
});

test('a file that goes to stdout is as it is elsewhere', async () => {
  const more = ['trust', 'add', at('trust'), '--root', at('ca/root.pem'), '--software', '-o'];
  const [file, piped] = [await ctl([...more, at('other')]), await ctl([...more, '-'])];
  expect([file.status, piped.status], file.stderr).toEqual([0, 0]);
  expect(piped.stdout).toBe(readFileSync(at('other'), 'utf8'));
  expect(piped.stdout).toMatch(DRIVES);
});
