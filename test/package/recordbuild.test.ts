/** scripts/record-build: the packages are built and recorded by attestd itself, on a software TPM, and the evidence holds. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ctl, ROOT, runProgram } from '../kit/ctl.ts';

const SCRIPT = join(ROOT, 'scripts/record-build');
const VERSION: string = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version;
const sha256 = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

let dir: string;
let stdout: string;
const at = (...name: string[]) => join(dir, ...name);
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-recorded-'));
  // Typed in another folder: what it is given is a name there.
  const env = { ATTESTD_SOCKET: undefined, TMPDIR: dir };
  const done = await runProgram([SCRIPT, '--quick', '--out', 'out'], { cwd: dir, env });
  expect(done.status, done.stderr).toBe(0);
  ({ stdout } = done);
}, 900_000);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Named {
  readonly name: string;
  readonly digest: { readonly sha256?: string; readonly gitCommit?: string };
}
const packages = () => readdirSync(at('out')).filter((f) => /\.(?:deb|tgz)$/.test(f));

describe('the build, recorded', () => {
  it('is verified under the trust file beside it, and not once a byte of it is another', async () => {
    const verify = (file: string) => ctl(['verify', file, '--trust', at('out/trust.json'), '--json']);
    const said = await verify(at('out/build.attest.json'));
    expect(said.status, said.stdout).toBe(0);
    const text = readFileSync(at('out/build.attest.json'), 'utf8');
    const { record } = JSON.parse(text) as { record: { entry: string } };
    const entry = Buffer.from(record.entry, 'base64').toString('latin1');
    const other = Buffer.from(entry.replace(VERSION, '9.9.9'), 'latin1').toString('base64');
    expect(other).not.toBe(record.entry);
    const { status } = await ctl(['verify', '-', '--trust', at('out/trust.json')], {
      stdin: text.replace(record.entry, other),
    });
    expect(status).toBe(1);
  });

  it('names every package, the lock and the runtime it was made from, and the commit', async () => {
    expect(packages()).toHaveLength(3);
    const { payload } = JSON.parse(readFileSync(at('out/build.provenance.json'), 'utf8')) as {
      payload: string;
    };
    const text = Buffer.from(payload, 'base64').toString();
    const { subject, predicateType, predicate } = JSON.parse(text) as {
      subject: Named[];
      predicateType: string;
      predicate: { buildDefinition: { resolvedDependencies: Named[] } };
    };
    expect(predicateType).toBe('https://slsa.dev/provenance/v1');
    const made = new Set(subject.map((s) => s.digest.sha256));
    for (const file of packages()) {
      expect([file, made.has(sha256(at('out', file)))]).toEqual([file, true]);
      expect(stdout).toContain(`${sha256(at('out', file))}  ${at('out', file)}`);
    }
    const from = predicate.buildDefinition.resolvedDependencies.flatMap((d) => Object.values(d.digest));
    const commit = execFileSync('git', ['-C', ROOT, 'rev-parse', 'HEAD'], { encoding: 'utf8' }).trim();
    expect(from).toEqual(
      expect.arrayContaining([
        sha256(join(ROOT, 'package-lock.json')),
        sha256(join(ROOT, 'packaging/node.json')),
        commit,
      ]),
    );
  });

  it('leaves no TPM, no daemon and no folder behind', () => {
    expect(readdirSync(dir)).toEqual(['out']);
  });
});

it.each([
  ['no daemon', ['--quick', '--out', 'none'], { ATTESTD_SOCKET: '/nowhere/attestd.sock' }],
  ['an option that there is not', ['--fast'], {}],
  ['an option without its value', ['--out'], {}],
])('fails with a sentence where there is %s, and builds nothing', async (_, args, env) => {
  const { status, stderr } = await runProgram([SCRIPT, ...args], { cwd: dir, env });
  expect([status, stderr]).toEqual([
    expect.toSatisfy((s) => s > 0),
    expect.stringMatching(/error: .+\n.*hint: /),
  ]);
  expect(stderr).not.toContain('Done');
  expect(existsSync(at('none', 'build.attest.json')) || existsSync(at('none', 'id'))).toBe(false);
});
