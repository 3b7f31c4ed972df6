/**
 * Work that is handed from one host to another: a grant of the first, used by a child process there and passed on to the
 * second, whose record rests on it. The bundle of the second carries the evidence of the first, and an auditor who
 * trusts both checks every edge, offline, by the files alone.
 */
import { readFileSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseBundle } from '../../src/evidence/bundle.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';
import { makePolicies, type PolicyFolder } from './kit.ts';

let policies: PolicyFolder;
let first: EnrolledHost;
let second: EnrolledHost;
beforeAll(async () => {
  policies = makePolicies('permit(principal, action, resource in Kind::"command.run");');
  first = await makeEnrolledHost({
    policy: [`directory = "${policies.directory}"`, `keys = ["${policies.publicKey}"]`],
  });
  second = await makeEnrolledHost({}, 'host-2');
  await Promise.all([first.up(), second.up()]);
}, 240_000);
afterAll(async () => {
  await Promise.all([first?.remove(), second?.remove()]);
  rmSync(policies.directory, { recursive: true, force: true });
});

const verify = async (file: string, ...more: string[]) => {
  const { stdout } = await second.ctl(['verify', file, '--trust', second.at('both.json'), '--json', ...more]);
  const report = JSON.parse(stdout) as {
    verdict: string;
    checks: { id: string; status: string; sentence: string }[];
  };
  return { ...report, of: (id: string) => report.checks.find((c) => c.id === id) };
};

it('a grant is used by a child, handed to another host, and every edge is shown to an auditor', async () => {
  const asked = ['--type', 'command.run', '--name', 'sh', '--uses', '2', '--json'];
  const grant = JSON.parse(await first.must(['grant', 'request', ...asked])) as {
    id: string;
    digest: string;
    log: string;
  };
  // The child of a shell that holds the grant uses it, in the shell's name and on record.
  const run = ['run', '--grant', grant.id, '--id-file', first.at('done'), '--', 'sh', '-c', 'exit 0'];
  await first.must(run, { under: ['sh', '-c', '"$@"', 'sh'] });
  const done = await first.shown(readFileSync(first.at('done'), 'utf8').trim());
  expect(done.statement.predicate.authorization).toMatchObject({
    grant: { digest: grant.digest },
    use: { n: 1 },
  });

  const parents = [
    { rel: 'authorizedBy', digest: grant.digest, log: grant.log },
    { rel: 'derivedFrom', digest: done.digest, log: grant.log },
  ];
  const action = { type: 'command.run', name: 'sh' };
  const body = JSON.stringify({ phase: 'completed', action, parents, inputs: { secret: 'of the second' } });
  const { id } = JSON.parse(await second.must(['record', '-', '--json'], { stdin: body })) as { id: string };

  const theirs = [
    await first.bundle(grant.id),
    await first.bundle(readFileSync(first.at('done'), 'utf8').trim()),
  ];
  const file = second.at('both.attest.json');
  const pack = ['bundle', id, '--with-lineage', '--foreign'];
  await second.must([...pack, ...theirs, '-o', file]);
  const trust = await second.trust(file);
  const more = ['--software', '--reference', theirs[0] as string, '-o', second.at('both.json')];
  await second.must(['trust', 'add', trust, '--root', first.at('ca/root.pem'), ...more]);

  const report = await verify(file, '--closure');
  expect(report.checks.filter((c) => c.status === 'fail')).toEqual([]);
  expect([report.verdict, report.of('closure')?.sentence]).toEqual([
    'verified',
    expect.stringMatching(/^All \d+ edges/),
  ]);
  expect(report.of('foreign-lineage')?.sentence).toMatch(/^Of 2 records .* of 2 is given, and verified/);

  // The graph goes on in the other log, down to the policy that allowed it there.
  const text = await second.must(['lineage', file]);
  expect(text).toMatch(
    /authorizedBy: grant [0-9A-Z]{26} of test\/host-1\/\d+\n {4}decidedBy: policychange .* test@1/,
  );
  const prov = JSON.parse(await second.must(['lineage', file, '--format', 'prov']));
  expect(Object.keys(prov.entity)).toContain(`attestd:${grant.digest}`);

  // Without the evidence the record is as good as before, and an auditor who demands all of it is not content.
  await second.must(['bundle', id, '-o', second.at('alone.attest.json')]);
  expect((await verify(second.at('alone.attest.json'))).verdict).toBe('verified');
  const alone = await verify(second.at('alone.attest.json'), '--closure');
  expect([alone.verdict, alone.of('closure')?.status]).toEqual(['indeterminate', 'unknown']);

  // What nothing rests on is not packed, and redacting opens nothing of either host.
  const stray = await first.bundle(await first.recorded('true'));
  const refused = await second.ctl([...pack, stray, '-o', second.at('x')]);
  expect([refused.status, refused.stderr]).toEqual([2, expect.stringContaining('nothing here rests on')]);
  await second.must(['redact', file, '-o', second.at('public.attest.json')]);
  const bundle = parseBundle(new Uint8Array(readFileSync(second.at('public.attest.json'))));
  const others = (bundle.foreign ?? []).map((b) => parseBundle(new Uint8Array(Buffer.from(b, 'base64'))));
  expect([bundle, ...others].flatMap((b) => b.disclosures)).toEqual([]);
  expect((await verify(second.at('public.attest.json'), '--closure')).verdict).toBe('verified');
}, 240_000);

it('a record of another host is known by its checkpoint alone, without a word of what it says', async () => {
  const asked = ['--type', 'command.run', '--name', 'sh', '--json'];
  const sealed = JSON.parse(await first.must(['grant', 'request', ...asked])) as Record<string, string>;
  const { digest, log, leaf, proof } = sealed;
  expect(sealed.strength).toBe('sealed');
  const request = (parent: object) =>
    JSON.stringify({
      phase: 'completed',
      action: { type: 'command.run', name: 'sh' },
      parents: [{ rel: 'authorizedBy', digest, log, leaf, proof, ...parent }],
    });
  const record = (parent: object) => second.ctl(['record', '-', '--json'], { stdin: request(parent) });

  // What does not lead where it says is not taken, and the sender is told which part of what it sent.
  const other = (log as string).replace('host-1', 'host-9');
  for (const [bad, why] of [
    [{ leaf: 'd'.repeat(64) }, /\/parents\/0\/proof: the proof does not lead from the leaf/],
    [{ log: other }, /the checkpoint is of .*host-1.*, not of .*host-9/],
    [{ proof: (proof as string).replace(/\n— [^\n]*\n$/, '\n') }, /\/parents\/0\/proof/],
    [{ proof: undefined }, /proof/],
    [{ log: undefined }, /log/],
  ] as const) {
    const refused = await record(bad);
    expect([refused.status, refused.stderr]).toEqual([2, expect.stringMatching(why)]);
  }
  const taken = await record({});
  expect(taken.status, taken.stderr).toBe(0);
  const { id } = JSON.parse(taken.stdout) as { id: string };

  const file = second.at('known.attest.json');
  const certificate = first.at('state/identity/certificate.pem');
  await second.must(['bundle', id, '--with-lineage', '--foreign', certificate, '-o', file]);
  const report = await verify(file);
  expect([report.verdict, report.of('foreign-checkpoint')?.sentence]).toEqual([
    'verified',
    expect.stringMatching(/^Of 1 records .* by a checkpoint, 1 stand under a seal/),
  ]);
  // Nothing of the grant is in the file but its digests; an auditor who demands all of it is told what is missing.
  expect(readFileSync(file, 'utf8')).not.toContain(sealed.id);
  const demanded = await verify(file, '--closure');
  expect([demanded.verdict, demanded.of('closure')?.sentence]).toEqual([
    'indeterminate',
    expect.stringMatching(/known by a checkpoint, and not given/),
  ]);
  const text = await second.must(['lineage', file]);
  expect(text).toMatch(
    /authorizedBy: [0-9a-f]{16} of test\/host-1\/\d+, entry \d+ under its checkpoint of \d+\n/,
  );
  const { records } = JSON.parse(await second.must(['lineage', file, '--json']));
  const known = { index: sealed.index, size: expect.any(Number) };
  expect(records[0].edges).toEqual([{ rel: 'authorizedBy', digest, log, checkpoint: known }]);
  expect(await second.must(['lineage', file, '--format', 'dot'])).toMatch(/style=dashed/);
  const prov = JSON.parse(await second.must(['lineage', file, '--format', 'prov']));
  expect(prov.entity[`attestd:${digest}`]).toMatchObject({ 'attestd:log': log });

  const stray = await second.ctl([
    'bundle',
    id,
    '--foreign',
    second.at('state/identity/certificate.pem'),
    '-o',
    '-',
  ]);
  expect([stray.status, stray.stderr]).toEqual([
    2,
    expect.stringContaining('nothing here rests on a checkpoint'),
  ]);
}, 240_000);
