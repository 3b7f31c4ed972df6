/**
 * README.md, carried out: every fenced console, sh or ts block runs against a host of this test. A block that is added
 * there and not known here fails. What a test host must say besides, for its TPM is a software one, is in `BESIDES`.
 */
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CTL, ROOT, runProgram } from '../kit/ctl.ts';
import { makeProcessHost, type ProcessHost } from '../kit/host.ts';

interface Block {
  readonly language: string;
  readonly text: string;
}
const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
const blocks: Block[] = [...readme.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map((m) => ({
  language: m[1] as string,
  text: m[2] as string,
}));

let host: ProcessHost;
const at = (name: string) => join(host.dir, name);
/** The id that a run printed last; it stands where the README has one of its own. */
let id = '';

beforeAll(async () => {
  host = await makeProcessHost();
  // The README begins before `attestctl init`: a state and a counter of its own.
  const config = readFileSync(at('attestd.toml'), 'utf8');
  const fresh = config.replace(/^state_dir = .*$/m, `state_dir = "${at('new-state')}"`);
  writeFileSync(at('attestd.toml'), fresh.replace('[tpm]', '[tpm]\ncounter_index = 25166339'));
  mkdirSync(at('new-state'), { mode: 0o700 });
  writeFileSync(at('vendor.pem'), host.tpm.issuerPem + host.tpm.rootPem);
  writeFileSync(at('secret'), 'correct horse battery staple\n', { mode: 0o600 });
  writeFileSync(at('Makefile'), 'test:\n\t@echo all tests pass\n');
  mkdirSync(at('node_modules'));
  symlinkSync(ROOT, at('node_modules/attestd'));
  mkdirSync(at('bin'));
  writeFileSync(at('bin/attestctl'), `#!/bin/sh\nexec ${process.execPath} ${CTL} "$@"\n`, { mode: 0o755 });
});
afterAll(async () => {
  if (host === undefined) return;
  rmSync(at('node_modules/attestd'), { force: true });
  await host.remove();
});

const BESIDES: readonly (readonly [RegExp, () => string])[] = [
  [/^attestctl (?:init|enroll)\b/, () => ` --config ${at('attestd.toml')}`],
  [/^attestctl (?:ca|trust) init\b/, () => ' --software'],
  [/^attestctl ca issue\b/, () => ' --approve'],
];

/** Types the lines after `$ ` of a block, as they stand. */
async function type(text: string): Promise<void> {
  const lines = text.replaceAll('\\\n', ' ').split('\n');
  for (const line of lines.filter((l) => l.startsWith('$ ')).map((l) => l.slice(2))) {
    const more = BESIDES.filter(([form]) => form.test(line)).map(([, words]) => words());
    const typed = (line + more.join('')).replace(/\b01[0-9A-HJKMNP-TV-Z]{24}\b/g, id);
    const env = { PATH: `${at('bin')}:${process.env.PATH}`, ATTESTD_SOCKET: host.socket };
    const socket = typed.replaceAll('/run/attestd/attestd.sock', host.socket);
    const { status, stdout, stderr } = await runProgram(['bash', '-c', socket], { cwd: host.dir, env });
    expect([typed, status, stderr], stderr).toEqual([typed, 0, expect.anything()]);
    id = /recorded (\S+),/.exec(stderr)?.[1] ?? id;
    said.push(stdout);
  }
}
const said: string[] = [];

/** What to do with each block, told by its first line, in the order of the README. */
const KNOWN: readonly (readonly [string, (text: string) => Promise<void>])[] = [
  [
    '$ sudo apt install',
    // Typed as they stand in a container of their own, scripts/test-systemd, which reads them from here.
    async (text) => {
      expect(readme).toContain(`<!-- four commands -->\n\n\`\`\`console\n${text}`);
      const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
      expect(text).toContain(`./attestd_${version}_amd64.deb`);
      expect(text.match(/^\$ /gm)).toHaveLength(4);
    },
  ],
  [
    './scripts/demo    # a host',
    // Both are run whole: the one by demo.test.ts, the other is what runs this.
    async (text) => {
      expect(text.match(/^\S+/gm)).toEqual(['./scripts/demo', './scripts/test']);
    },
  ],
  [
    '$ attestctl init',
    async (text) => {
      await type(text);
      await host.start().ready();
    },
  ],
  [
    '$ attestctl run -- make test',
    async (text) => {
      await type(text);
      expect(said.join('')).toContain('all tests pass');
    },
  ],
  [
    '$ attestctl trust init',
    async (text) => {
      await type(text);
      expect(said.at(-1)).toMatch(/^VERIFIED: level 3 reached, 3 required, simulated/m);
    },
  ],
  [
    "import { connect } from 'attestd/client';",
    async (text) => {
      writeFileSync(at('example.mjs'), `${text}\nconsole.log(JSON.stringify(receipt));\nattestd.close();\n`);
      const { status, stdout, stderr } = await runProgram([process.execPath, 'example.mjs'], {
        cwd: host.dir,
        env: { ATTESTD_SOCKET: host.socket },
      });
      expect([status, stderr]).toEqual([0, '']);
      expect(JSON.parse(stdout)).toMatchObject({
        strength: 'sealed',
        log: expect.stringMatching(/^test\/host-1\/\d+$/),
      });
    },
  ],
  [
    '$ curl --unix-socket',
    async (text) => {
      await type(text);
      expect(JSON.parse(said.at(-1) as string)).toMatchObject({ strength: 'sealed' });
    },
  ],
  [
    '$ attestctl list --since 12h',
    async (text) => {
      await type(text);
      const [listed, found] = said.slice(-3);
      expect(listed).toMatch(/command\.run\/make/);
      expect(found).toMatch(/tool\.call\/refund\.approve crm:order\/17/);
      expect(readFileSync(at('week.html'), 'utf8')).toMatch(
        /<span class="good">verified<\/span>, level 3, simulated/,
      );
    },
  ],
];

test('every block of README.md does what it shows', async () => {
  const runnable = blocks.filter((b) => ['console', 'sh', 'ts'].includes(b.language));
  expect(blocks.filter((b) => !['', 'console', 'sh', 'ts'].includes(b.language))).toEqual([]);
  expect(runnable.map((b) => b.text.split('\n')[0])).toEqual(
    KNOWN.map(([first]) => expect.stringContaining(first)),
  );
  for (const [i, block] of runnable.entries()) await KNOWN[i]?.[1](block.text);
});
