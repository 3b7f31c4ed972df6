/** docs/clients.md, carried out: each block as a program of its own, TypeScript checked against what is published. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Host, makeHost } from '../daemon/kit.ts';
import { makePolicies, POLICIES, type PolicyFolder } from '../govern/kit.ts';
import { ROOT, runProgram } from '../kit/ctl.ts';

const page = readFileSync(join(ROOT, 'docs/clients.md'), 'utf8');
const found = [...page.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language, text]) => ({
  language,
  text: text as string,
}));
/** Programs; what is typed is carried out by test/cli/ci.test.ts. */
const blocks = found.filter((b) => b.language !== 'sh');
/** What each block prints, in order; where the daemon is to be away for it. */
const PRINTS: readonly (readonly [language: string, says: string, away?: true])[] = [
  ['ts', 'r-1 sealed'],
  ['python', 'r-1 sealed'],
  ['ts', 'POLICY_DENY'],
  ['ts', 'spooled', true],
  ['python', 'spooled', true],
];

/** A warning, such as of a socket that nobody closed, fails like anything else on stderr. */
const PYTHON = ['python3', '-X', 'dev', '-W', 'error'];

let dir: string;
let policies: PolicyFolder;
let host: Host;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-clients-'));
  mkdirSync(join(dir, 'node_modules'));
  symlinkSync(ROOT, join(dir, 'node_modules/attestd'));
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
  for (const [i, { text }] of blocks.entries()) writeFileSync(fileOf(i), text);
  compile(blocks.flatMap((b, i) => (b.language === 'ts' ? [fileOf(i)] : [])));
  policies = makePolicies(POLICIES);
  host = await makeHost({ policy: { directory: policies.directory, keys: [policies.publicKey] } });
  await host.init();
  await (await host.start()).started;
}, 120_000);
afterAll(async () => {
  await host?.remove();
  rmSync(policies.directory, { recursive: true, force: true });
  rmSync(dir, { recursive: true, force: true });
});

const fileOf = (i: number) => join(dir, `block-${i + 1}.${blocks[i]?.language === 'ts' ? 'ts' : 'py'}`);

test('the page has the blocks that are known here', () => {
  expect(blocks.map((b) => b.language)).toEqual(PRINTS.map(([language]) => language));
});

test.each(PRINTS.map(([language, says, away], i) => [i + 1, language, says, away === true] as const))(
  'block %i, %s: %s',
  async (n, language, says, away) => {
    const file = fileOf(n - 1);
    const command = language === 'ts' ? [process.execPath, file.replace(/ts$/, 'js')] : [...PYTHON, file];
    const { status, stdout, stderr } = await run(command, away);
    expect([status, stdout, stderr]).toEqual([0, `${says}\n`, '']);
  },
);

const run = (command: string[], away = false) =>
  runProgram(command, {
    cwd: dir,
    env: {
      ATTESTD_SOCKET: away ? join(dir, 'nobody.sock') : host.config.socket.path,
      PYTHONPATH: join(ROOT, 'clients/python'),
      PYTHONDONTWRITEBYTECODE: '1',
    },
  });

test('a Python client that nobody closes leaves nothing open, and serves until the very end', async () => {
  writeFileSync(join(dir, 'unclosed.py'), UNCLOSED);
  const { status, stdout, stderr } = await run([...PYTHON, join(dir, 'unclosed.py')]);
  expect([status, stdout, stderr]).toEqual([0, 'thread True\nwith True\nagain True\nat exit True\n', '']);
});

const UNCLOSED = `
import atexit, threading
import attestd

client = attestd.connect("unclosed/1")
say = lambda when: print(when, client.record(note, wait="durable")["strength"] != "spooled")
note = {"phase": "completed", "action": {"type": "note", "name": "hello"}}
atexit.register(say, "at exit")
worker = threading.Thread(target=say, args=("thread",))
worker.start()
worker.join()
with client:
    say("with")
say("again")
`;

/** As a user's compiler does, strictly, against the declarations of the package. */
function compile(files: string[]): void {
  const program = ts.createProgram(files, {
    strict: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    exactOptionalPropertyTypes: true,
    typeRoots: [join(ROOT, 'node_modules/@types')],
    types: ['node'],
    outDir: dir,
  });
  const { diagnostics } = program.emit();
  const all = [...ts.getPreEmitDiagnostics(program), ...diagnostics];
  expect(all.map((d) => ts.flattenDiagnosticMessageText(d.messageText, '\n'))).toEqual([]);
}
