/** `attestctl ci` around steps in a real git work tree, and what the status of a run says, against a real daemon. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { publicUrl } from '../../src/cli/ci/source.ts';
import { systemClaims } from '../../src/cli/ci/system.ts';
import { makePolicies, type PolicyFolder } from '../govern/kit.ts';
import { type Circumstances, CTL, type Outcome, ROOT, runProgram } from '../kit/ctl.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';
import { type DaemonProcess, until } from '../kit/host.ts';

const POLICY =
  'permit(principal, action == Action::"execute", resource in Kind::"ci.step") when { resource.name == "package" };';

let host: EnrolledHost;
let daemon: DaemonProcess;
let policies: PolicyFolder;
let tree: string;
let commit: string;

const sha256 = (b: Uint8Array | string) => createHash('sha256').update(b).digest('hex');
const sh = (script: string) => ['sh', '-c', script];
const git = (...args: string[]) =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example', ...args], {
    cwd: tree,
    encoding: 'utf8',
  });
/** No CI system's word: this test may itself run under one. */
const SILENT = Object.fromEntries(
  ['GITHUB_ACTIONS', 'GITEA_ACTIONS', 'FORGEJO_ACTIONS', 'GITLAB_CI', 'BUILDKITE', 'JENKINS_URL'].map((n) => [
    n,
    '',
  ]),
);
const GITHUB = {
  ...SILENT,
  GITHUB_ACTIONS: 'true',
  GITHUB_SERVER_URL: 'https://github.com',
  GITHUB_REPOSITORY: 'example/app',
  GITHUB_SHA: '0'.repeat(40),
  GITHUB_REF: 'refs/heads/main',
  GITHUB_WORKFLOW_REF: 'example/app/.github/workflows/release.yml@refs/heads/main',
  GITHUB_JOB: 'build',
  GITHUB_RUN_ID: '17',
  GITHUB_RUN_ATTEMPT: '2',
};

beforeAll(async () => {
  policies = makePolicies(POLICY);
  host = await makeEnrolledHost({
    policy: [`directory = "${policies.directory}"`, `keys = ["${policies.publicKey}"]`],
  });
  daemon = await host.up();
  tree = host.at('tree');
  mkdirSync(tree);
  writeFileSync(join(tree, 'lock.json'), '{}\n');
  writeFileSync(join(tree, '.gitignore'), 'dist\n');
  git('init', '-q');
  git('add', '.');
  git('commit', '-q', '-m', 'first');
  git('remote', 'add', 'origin', 'https://oauth2:s3cret@git.example/app.git');
  commit = git('rev-parse', 'HEAD').trim();
}, 240_000);
afterAll(async () => {
  await host?.remove();
  rmSync(policies.directory, { recursive: true, force: true });
});

interface Step {
  readonly action: unknown;
  readonly phase: string;
  readonly authorization: unknown;
  readonly caller: { readonly claimed?: unknown; readonly observed: Record<string, unknown> };
  readonly inputs?: { readonly source?: unknown; readonly files?: unknown };
  readonly outcome: unknown;
  readonly capture: unknown;
  readonly parents: readonly { readonly digest: string }[];
}

interface Ran extends Outcome {
  readonly predicate?: Step;
  readonly artefacts: readonly unknown[];
  readonly values: Readonly<Record<string, unknown>>;
  /** The whole statement. */
  readonly text: string;
}

/** Runs a step; its status, what it said, and its completed record. */
async function step(words: readonly string[], given: Circumstances = {}): Promise<Ran> {
  rmSync(host.at('id'), { force: true });
  const outcome = await host.ctl(['ci', '--id-file', host.at('id'), ...words], {
    cwd: tree,
    ...given,
    env: { ...SILENT, ...given.env },
  });
  if (!existsSync(host.at('id'))) return { ...outcome, artefacts: [], values: {}, text: '' };
  const id = readFileSync(host.at('id'), 'utf8').trim();
  const { statement, values } = await host.shown(id);
  const { subject, predicate } = statement as unknown as { subject: unknown[]; predicate: Step };
  return { ...outcome, predicate, artefacts: subject.slice(1), values, text: JSON.stringify(statement) };
}

const BUILD = sh('mkdir -p dist && printf built > dist/app && printf more > dist/app.sbom');
const DECLARED = ['--input', 'lock.json', '--artefact', 'dist/app', 'dist/app.sbom'];

describe('the record of a step', () => {
  test('names commit, inputs and artefacts plainly, what the CI system says as claimed, and ends as the step', async () => {
    const { status, stderr, predicate, artefacts, text } = await step(
      ['--step', 'package', ...DECLARED, '--', ...BUILD],
      { env: GITHUB },
    );
    expect([status, stderr]).toEqual([0, expect.stringContaining('the record has both')]);
    expect(predicate).toMatchObject({
      phase: 'completed',
      action: { type: 'ci.step', name: 'package' },
      authorization: 'ungoverned',
      inputs: {
        source: { repository: 'https://git.example/app.git', commit, clean: true },
        files: [{ name: 'lock.json', sha256: sha256('{}\n') }],
      },
      outcome: { status: 'succeeded', code: 0 },
    });
    expect(predicate?.caller.claimed).toEqual({
      'ci.system': 'github',
      'ci.repository': 'https://github.com/example/app',
      'ci.commit': '0'.repeat(40),
      'ci.ref': 'refs/heads/main',
      'ci.workflow': 'example/app/.github/workflows/release.yml@refs/heads/main',
      'ci.job': 'build',
      'ci.run': '17/2',
    });
    expect(JSON.stringify(predicate?.caller.observed)).not.toContain('example/app');
    expect(artefacts).toEqual([
      { name: 'dist/app', digest: { sha256: sha256('built') } },
      { name: 'dist/app.sbom', digest: { sha256: sha256('more') } },
    ]);
    expect(text).not.toContain('s3cret');
  });

  test('withholds the digests where that is asked for', async () => {
    const { predicate, artefacts, values, text } = await step(['--salted', ...DECLARED, '--', ...BUILD]);
    expect(predicate?.inputs?.files).toBeUndefined();
    expect(values.files).toEqual([{ name: 'lock.json', sha256: sha256('{}\n') }]);
    expect(artefacts).toEqual([
      expect.objectContaining({ name: 'dist/app', annotations: { salted: true } }),
      expect.objectContaining({ name: 'dist/app.sbom', annotations: { salted: true } }),
    ]);
    expect(text).not.toContain(sha256('built'));
    expect(text).not.toContain(sha256('{}\n'));
  });

  test('says what is missing: an artefact that was not made or is none, a tree that is not clean, no tree at all', async () => {
    writeFileSync(join(tree, 'stray'), '');
    const dirty = await step(['--artefact', 'dist/none', '--', ...sh('exit 7')]);
    rmSync(join(tree, 'stray'));
    expect([dirty.status, dirty.stderr]).toEqual([
      7,
      expect.stringContaining('dist/none is not on record: ENOENT'),
    ]);
    expect(dirty.artefacts).toEqual([]);
    expect(dirty.predicate).toMatchObject({
      inputs: { source: { clean: false } },
      outcome: { status: 'failed', code: 7 },
      capture: { complete: false, omitted: ['artefact dist/none'] },
    });
    // Read, it would be waited for.
    const piped = await step(['--artefact', 'pipe', '--', 'mkfifo', 'pipe']);
    rmSync(join(tree, 'pipe'));
    expect([piped.status, piped.stderr]).toEqual([
      0,
      expect.stringContaining('pipe is not on record: no regular file'),
    ]);
    expect(piped.predicate?.capture).toMatchObject({ omitted: ['artefact pipe'] });
    const nowhere = await step(['--', 'true'], { cwd: host.dir, env: { GIT_CEILING_DIRECTORIES: host.dir } });
    expect(nowhere.predicate?.inputs?.source).toBeUndefined();
    expect(nowhere.predicate?.capture).toMatchObject({ omitted: expect.arrayContaining(['source']) });
  });

  test('looks into submodules, whatever the repository says of them', async () => {
    const inner = host.at('inner');
    const under = (cwd: string, ...args: string[]) =>
      execFileSync(
        'git',
        ['-c', 'user.name=t', '-c', 'user.email=t@example', '-c', 'protocol.file.allow=always', ...args],
        { cwd },
      );
    mkdirSync(inner);
    under(inner, 'init', '-q');
    under(inner, 'commit', '-q', '--allow-empty', '-m', 'one');
    const outer = host.at('outer');
    mkdirSync(outer);
    under(outer, 'init', '-q');
    under(outer, 'submodule', '--quiet', 'add', inner, 'sub');
    under(outer, 'config', '-f', '.gitmodules', 'submodule.sub.ignore', 'all');
    under(outer, 'add', '.');
    under(outer, 'commit', '-q', '-m', 'first');
    const before = await step(['--', 'true'], { cwd: outer });
    expect(before.predicate?.inputs?.source).toMatchObject({ clean: true });
    under(join(outer, 'sub'), 'commit', '-q', '--allow-empty', '-m', 'two');
    const after = await step(['--', 'true'], { cwd: outer });
    expect(after.predicate?.inputs?.source).toMatchObject({ clean: false });
  });

  test('names commits of SHA-256 repositories, checked out by themselves and without a remote', async () => {
    const other = host.at('sha256');
    mkdirSync(other);
    const run = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example', ...args], {
        cwd: other,
        encoding: 'utf8',
      });
    run('init', '-q', '--object-format=sha256');
    run('commit', '-q', '--allow-empty', '-m', 'one');
    run('checkout', '-q', '--detach');
    const { predicate } = await step(['--', 'true'], { cwd: other });
    const named = run('rev-parse', 'HEAD').trim();
    expect(predicate?.inputs?.source).toEqual({ commit: named, clean: true });
    expect(named).toHaveLength(64);
  });

  test.each([
    ['a pipe as an input', ['--input', '/dev/stdin'], 'no regular file'],
    ['a directory as an input', ['--input', '.'], 'no regular file'],
    ['an input that is not there', ['--input', 'none'], 'ENOENT'],
    ['a name that no record can hold', ['--artefact', 'execution:01KAE3X5V0N9S8QX1Z7M2R4B6C'], 'no name'],
    ['an artefact twice', ['--artefact', 'a', '--artefact', 'a'], 'given twice'],
    ['a descriptor that is not open', ['--status-fd', '77'], 'is not open'],
  ])('does not begin with %s', async (_what, words, why) => {
    const { status, stderr } = await step([...words, '--', 'touch', host.at('begun')]);
    expect([status, stderr]).toEqual([2, expect.stringContaining(why)]);
    expect(existsSync(host.at('begun'))).toBe(false);
  });

  test('works under a grant: refused, nothing begins', async () => {
    const ask = ['grant', 'request', '--type', 'ci.step', '--name', 'package'];
    const grant = (await host.must(ask)).trim();
    const governed = ['--grant', grant, ...DECLARED];
    const { status, stderr, predicate, artefacts } = await step([
      '--step',
      'package',
      ...governed,
      '--',
      ...BUILD,
    ]);
    expect([status, stderr]).toEqual([0, expect.anything()]);
    expect(predicate).toMatchObject({ authorization: { grant: { id: grant } } });
    expect(artefacts).toHaveLength(2);
    const again = await step(['--step', 'package', ...governed, '--', 'touch', host.at('begun')]);
    expect(again.status, again.stderr).toBe(6);
    expect(existsSync(host.at('begun'))).toBe(false);
  });
});

test('docs/clients.md does what it shows', async () => {
  const page = readFileSync(join(ROOT, 'docs/clients.md'), 'utf8');
  const part = page.split('\n## ').find((p) => p.startsWith('A step of a CI job')) as string;
  const [block, ...others] = [...part.matchAll(/^```sh\n(.*?)^```$/gms)].map((m) => m[1] as string);
  expect(others).toEqual([]);
  mkdirSync(host.at('bin'));
  const bin = (name: string, script: string) =>
    writeFileSync(host.at(`bin/${name}`), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  bin('attestctl', `exec ${process.execPath} ${CTL} "$@"`);
  bin('npm', 'mkdir -p dist && printf built > dist/app.tar.gz');
  writeFileSync(join(tree, 'package-lock.json'), '{}\n');
  const { status, stderr } = await runProgram(['bash', '-ec', block as string], {
    cwd: tree,
    env: { ...SILENT, PATH: `${host.at('bin')}:${process.env.PATH}`, ATTESTD_SOCKET: host.socket },
  });
  rmSync(join(tree, 'package-lock.json'));
  expect([status, stderr], stderr).toEqual([0, expect.anything()]);
});

test('no password of a repository address is kept, nor an address that may hide one', () => {
  expect(publicUrl('https://user:pw@git.example/a.git?token=x#y')).toBe('https://git.example/a.git');
  expect(publicUrl('https://x-access-token:ghs_1@github.com/a/b')).toBe('https://github.com/a/b');
  expect(publicUrl('ssh://git:pw@git.example:2222/a')).toBe('ssh://git@git.example:2222/a');
  expect(publicUrl('git@github.com:a/b.git')).toBe('git@github.com:a/b.git');
  expect(publicUrl('/srv/git/a.git')).toBe('/srv/git/a.git');
  const helper = 'ext::sh -c "curl -H token:s3cret https://git.example/a"';
  for (const hidden of [
    'https://user:p/w@git.example/a',
    helper,
    'x::https://u:p@git.example/a',
    'user:pw@git.example:a',
    'https://',
    '',
  ])
    expect(publicUrl(hidden)).toBeUndefined();
});

test('of each CI system the variables that it documents, and none of an unknown one', () => {
  expect(systemClaims({ CI: 'true', GITHUB_SHA: 'x' })).toEqual({});
  const gitea = systemClaims({ ...GITHUB, GITEA_ACTIONS: 'true', GITHUB_WORKFLOW: 'release.yml' });
  expect(gitea).toMatchObject({ 'ci.system': 'gitea', 'ci.workflow': 'release.yml', 'ci.run': '17' });
  const gitlab = {
    GITLAB_CI: 'true',
    CI_PROJECT_URL: 'https://gitlab.example/a/b',
    CI_COMMIT_SHA: 'c',
    CI_JOB_NAME: 'build',
    CI_PIPELINE_ID: '5',
    CI_JOB_ID: '6',
  };
  expect(systemClaims(gitlab)).toEqual({
    'ci.system': 'gitlab',
    'ci.repository': 'https://gitlab.example/a/b',
    'ci.commit': 'c',
    'ci.job': 'build',
    'ci.run': '5/6',
  });
  const jenkins = { JENKINS_URL: 'https://j', BUILD_NUMBER: '3', GIT_URL: 'https://u:p@h/a', JOB_NAME: 'n' };
  expect(systemClaims(jenkins)).toEqual({
    'ci.system': 'jenkins',
    'ci.repository': 'https://h/a',
    'ci.workflow': 'n',
    'ci.run': '3',
  });
});

describe('a status of 5 or 6 is of attestctl only where the command never started', () => {
  const told = () => JSON.parse(readFileSync(host.at('status'), 'utf8')) as Record<string, unknown>;
  const run = (words: readonly string[], env: NodeJS.ProcessEnv = {}) =>
    host.ctl(['run', '--status-fd', '3', ...words], {
      under: ['sh', '-c', 'exec "$@" 3>status', 'sh'],
      cwd: host.dir,
      env,
    });

  test.each([5, 6])('a command that itself ends with %i has started', async (code) => {
    const { status } = await run(['--', ...sh(`exit ${code}`)]);
    expect([status, told()]).toEqual([code, expect.objectContaining({ started: true, code, signal: null })]);
  });

  test('refused, it is 6 and the command has not', async () => {
    const { status } = await run(['--grant', '01KAE3X5V0N9S8QX1Z7M2R4B6C', '--', 'touch', host.at('begun')]);
    expect([status, told()]).toEqual([6, expect.objectContaining({ started: false })]);
    expect(existsSync(host.at('begun'))).toBe(false);
  });

  test('with no daemon it is 5 and the command has not', async () => {
    const away = { ATTESTD_SOCKET: host.at('nobody.sock') };
    const { status } = await run(['--', 'touch', host.at('begun')], away);
    expect([status, told()]).toEqual([
      5,
      expect.objectContaining({ started: false, code: 'DAEMON_UNAVAILABLE' }),
    ]);
    expect(existsSync(host.at('begun'))).toBe(false);
  });

  test.each([0, 5])(
    'when the daemon goes away meanwhile, the status %i of the command stays',
    async (code) => {
      const wait = `touch ${host.at('begun')}; while [ -e ${host.at('begun')} ]; do sleep 0.1; done; exit ${code}`;
      const ended = run(['--', ...sh(wait)]);
      await until('the command to be running', () => existsSync(host.at('begun')));
      await daemon.kill();
      rmSync(host.at('begun'));
      const { status, stderr } = await ended;
      expect([status, told()]).toEqual([code, expect.objectContaining({ started: true, code })]);
      expect(stderr).toContain('[DAEMON_UNAVAILABLE]');
      daemon = await host.up();
    },
  );
});
