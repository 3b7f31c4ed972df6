/** `attestctl export slsa`, and what in-toto's own code and cosign say of it. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makePolicies, type PolicyFolder } from '../govern/kit.ts';
import { runProgram } from '../kit/ctl.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';
import { runExports } from '../kit/peers.ts';
import { installGo } from '../kit/toolchain.ts';

const POLICY = 'permit(principal, action == Action::"execute", resource in Kind::"ci.step");';
const LOCK = '{}\n';

let host: EnrolledHost;
let policies: PolicyFolder;
let commit: string;
const at = (name: string) => host.at(name);
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const git = (...args: string[]) =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example', ...args], {
    cwd: at('tree'),
    encoding: 'utf8',
  });

/** Runs a step that makes dist/app; the id of its record. */
async function build(...words: string[]): Promise<string> {
  const script = 'mkdir -p dist && printf built > dist/app';
  const { status, stderr } = await host.ctl(
    ['ci', '--id-file', at('id'), '--step', 'package', ...words, '--', 'sh', '-c', script],
    { cwd: at('tree') },
  );
  expect([status, stderr], stderr).toEqual([0, expect.anything()]);
  return readFileSync(at('id'), 'utf8').trim();
}
const DECLARED = ['--input', 'lock.json', '--artefact', 'dist/app'];
const slsa = (id: string, out: string) => host.ctl(['export', 'slsa', id, '-o', at(out)]);

beforeAll(async () => {
  policies = makePolicies(POLICY);
  host = await makeEnrolledHost({
    policy: [`directory = "${policies.directory}"`, `keys = ["${policies.publicKey}"]`],
  });
  await host.up();
  mkdirSync(at('tree'));
  writeFileSync(at('tree/lock.json'), LOCK);
  git('init', '-q');
  git('add', '.');
  git('commit', '-q', '-m', 'first');
  git('remote', 'add', 'origin', 'https://git.example/app.git');
  commit = git('rev-parse', 'HEAD').trim();
  await host.must(['key', 'show', 'record', '-o', at('record-key.pem')]);
}, 600_000);
afterAll(async () => {
  await host?.remove();
  rmSync(policies.directory, { recursive: true, force: true });
});

const FACTS = () => ({
  builder: 'attestd://test/host-1',
  buildType: 'https://attestd.dev/ci/v1',
  subjects: { 'dist/app': sha256('built') },
  dependencies: [{ gitCommit: commit }, { sha256: sha256(LOCK) }],
});

describe('the provenance of a step', () => {
  test('is accepted by in-toto/attestation, ungoverned and under a grant', async () => {
    const grant = (await host.must(['grant', 'request', '--type', 'ci.step', '--name', 'package'])).trim();
    for (const words of [[], ['--grant', grant]]) {
      const { status, stderr } = await slsa(await build(...words, ...DECLARED), 'provenance.json');
      expect([status, stderr], stderr).toEqual([0, expect.stringContaining('SHA256:')]);
      expect(runExports(['slsa', at('provenance.json'), at('record-key.pem')])).toMatchObject({
        ok: true,
        facts: FACTS(),
      });
    }
  });

  test('is refused by it once a byte of it is another', async () => {
    const envelope = JSON.parse(readFileSync(at('provenance.json'), 'utf8'));
    const payload = Buffer.from(envelope.payload, 'base64').toString().replace('host-1', 'host-2');
    writeFileSync(
      at('changed.json'),
      JSON.stringify({ ...envelope, payload: Buffer.from(payload).toString('base64') }),
    );
    const { ok, reason } = runExports(['slsa', at('changed.json'), at('record-key.pem')]);
    expect([ok, reason]).toEqual([false, 'the signature does not hold']);
  });

  test('is accepted by cosign for the artefact, and for no other', async () => {
    const cosign = installGo('cosign', 'github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3');
    await host.must(['export', 'sigstore', at('provenance.json'), '-o', at('provenance.sigstore.json')]);
    writeFileSync(at('trusted_root.json'), ROOT_OF_NOBODY);
    const verify = (blob: string) =>
      runProgram(
        [
          ...[cosign, 'verify-blob-attestation', '--bundle', 'provenance.sigstore.json'],
          ...['--type', 'slsaprovenance1', '--key', 'record-key.pem', '--insecure-ignore-tlog'],
          ...['--trusted-root', 'trusted_root.json', blob],
        ],
        { cwd: host.dir, env: { HOME: host.dir, NO_PROXY: '', HTTPS_PROXY: 'http://127.0.0.1:1' } },
      );
    const good = await verify('tree/dist/app');
    expect([good.status, good.stderr], good.stderr).toEqual([0, expect.stringContaining('Verified OK')]);
    const other = await verify('tree/lock.json');
    expect([other.status, other.stderr]).toEqual([1, expect.stringContaining('digest')]);
  }, 1_800_000);
});

const ROOT_OF_NOBODY = JSON.stringify({
  mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
});

describe('there is none', () => {
  const refused = async (id: string, why: string) => {
    const { status, stderr } = await slsa(id, 'none.json');
    expect([status, stderr]).toEqual([2, expect.stringContaining(why)]);
  };

  test('of a record without artefacts, with withheld ones, of a failure, of an attempt, of no step', async () => {
    const bare = await build();
    await refused(bare, `record ${bare} has no artefacts`);
    await refused(await build('--salted', ...DECLARED), 'withholds the digest of dist/app');
    const plain = await host.recorded('true');
    await refused(plain, `record ${plain} is not of a CI step`);
    await refused('01KAE3X5V0N9S8QX1Z7M2R4B6C', '[NOT_FOUND]');
    const failing = ['--id-file', at('id'), '--artefact', 'dist/app', '--', 'sh', '-c', 'exit 3'];
    expect((await host.ctl(['ci', ...failing], { cwd: at('tree') })).status).toBe(3);
    await refused(readFileSync(at('id'), 'utf8').trim(), 'has not succeeded');
  });

  test('of an end that another process wrote to an attempt, or that names other inputs', async () => {
    const id = await build(...DECLARED);
    const { statement } = await host.shown(id);
    const { action, inputs, parents } = statement.predicate as Record<string, unknown>;
    const { source } = inputs as { source: Record<string, unknown> };
    const forged = {
      phase: 'completed',
      action,
      parents,
      plain: { inputs: { source: { ...source, commit: '1'.repeat(40) } } },
      outcome: { status: 'succeeded', effect: 'unknown' },
      artefacts: [{ name: 'dist/app', sha256: sha256('evil'), plain: true }],
    };
    const receipt = JSON.parse(
      await host.must(['record', '-', '--json'], { stdin: JSON.stringify(forged) }),
    ) as { id: string };
    await refused(receipt.id, 'of the same process at the same step');
  });
});
