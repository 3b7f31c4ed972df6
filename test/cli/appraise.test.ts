/** Every command of docs/appraisal.md as it stands there, and what policies make of machines that differ. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toHex, utf8 } from '../../src/core/bytes.ts';
import { printPem } from '../../src/evidence/certfile.ts';
import { eventTypeName } from '../../src/verify/appraisal/describe.ts';
import { EVENT_PROFILE } from '../../src/verify/appraisal/reference.ts';
import { BOOT, bootedWith, COMMAND_LINE, hash } from '../kit/bootlog.ts';
import { bundleOf } from '../kit/bundled.ts';
import * as kit from '../kit/corim.ts';
import { CTL, ctl, type Outcome, ROOT, runProgram } from '../kit/ctl.ts';
import { forge } from '../kit/forge.ts';
import { world } from '../kit/hooks.ts';

let dir: string;
const at = (name: string) => join(dir, name);
const run = (...args: string[]) => ctl(args, { cwd: dir });
const outcomes = new Map<string, Outcome>();

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-appraise-'));
  const line = COMMAND_LINE.replace('quiet', 'init=/bin/sh');
  const changed = BOOT.map((e) => {
    const text = new TextDecoder().decode(e.data);
    if (!text.startsWith('kernel_cmdline: ')) return e;
    return { ...e, data: utf8(`kernel_cmdline: ${line}\0`), digest: hash(utf8(line)) };
  });
  writeFileSync(at('golden.attest.json'), bundleOf((await forge(bootedWith(BOOT))).raw));
  writeFileSync(at('changed.attest.json'), bundleOf((await forge(bootedWith(changed))).raw));
  const lying = bootedWith(BOOT, { values: (v) => ({ ...v, 4: 'ab'.repeat(32) }) });
  writeFileSync(at('lying.attest.json'), bundleOf((await forge(lying)).raw));
  const { root } = await world();
  writeFileSync(at('ca.pem'), printPem([{ label: 'CERTIFICATE', der: root.certificate.der }]));
  const { privateKey, publicKey } = kit.ecKey();
  const events = BOOT.map((e) => {
    const type = eventTypeName(e.type);
    return kit.event(`pcr${e.pcr}/${type}`, toHex(e.digest ?? hash(e.data)));
  });
  const payload = kit.corim({ triples: [kit.triple(events)], profile: EVENT_PROFILE });
  writeFileSync(at('vendor.corim'), kit.signedCorim(payload, { privateKey }));
  writeFileSync(at('vendor.pub'), publicKey.export({ format: 'pem', type: 'spki' }));
  const script = readFileSync(join(ROOT, 'docs/appraisal.md'), 'utf8');
  for (const [, block] of script.matchAll(/```sh\n(.*?)```/gs)) {
    for (const command of (block as string).trim().split('\n')) {
      const bin = `attestctl() { ${process.execPath} ${CTL} "$@"; }`;
      outcomes.set(command, await runProgram(['bash', '-c', `${bin}; ${command}`], { cwd: dir }));
    }
  }
}, 300_000);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('the commands of the documentation end as it says', () => {
  expect(outcomes.size).toBeGreaterThan(7);
  for (const [command, { status, stderr }] of outcomes) {
    const wanted = Number(/# exit status (\d)/.exec(command)?.[1] ?? 0);
    expect(status, `${command}\n${stderr}`).toBe(wanted);
  }
});

test('an import shows what it decided, whose word it is, and where a machine differs', () => {
  const { stdout, stderr } = of('appraise import');
  expect(stdout).toMatch(/^PCR +4 +by events +3 of EV_EFI_BOOT_SERVICES_APPLICATION$/m);
  expect(stdout).toMatch(/^triple 1 {2}vendor "vendor", model "model 1"$/m);
  expect(stderr).toMatch(/signed by "Vendor", key [0-9a-f]{64}; read the policy/);
  const { stdout: differs } = of('vendor.json changed.attest.json');
  expect(differs.match(/refused {2}\S+/g)).toEqual(['refused  command-line']);
});

const of = (part: string): Outcome => {
  const found = [...outcomes].find(([command]) => command.includes(part));
  if (found === undefined) throw new Error(`no command with ${part}`);
  return found[1];
};

test('learning shows what it decided', () => {
  const { stdout } = of('--name golden');
  expect(stdout).toMatch(/^PCR +0 +by events +1 of EV_S_CRTM_VERSION: firmware 1.0$/m);
  expect(stdout).toMatch(/^PCR +7 +Secure Boot +on; PK 1, KEK 1, db 1, dbx 1, authorities 1$/m);
  expect(stdout).toMatch(/^PCR +8 +command line +\/vmlinuz-6.1.0-30 root=\/dev\/vda1 ro quiet$/m);
  expect(stdout).toMatch(/^PCR +13 +ignored/m);
});

test('a difference is told by its event', () => {
  const { stdout } = of('changed.attest.json');
  expect(stdout).toMatch(
    /^✗ refused {2}command-line {2,}event \d+: EV_IPL in PCR 8, kernel_cmdline: .*init=\/bin\/sh/m,
  );
  expect(stdout.match(/refused/g)).toHaveLength(1);
});

test('an attestation result has the claims of the draft', () => {
  const ear = JSON.parse(of('--ear').stdout);
  expect(ear).toMatchObject({
    eat_profile: 'tag:github.com,2023:veraison/ear',
    'ear.verifier-id': { developer: 'https://attestd.dev' },
    submods: {
      attestd: {
        'ear.status': 'affirming',
        'ear.trustworthiness-vector': {
          'instance-identity': 2,
          configuration: 2,
          executables: 3,
          hardware: 2,
        },
        'ear.appraisal-policy-id': 'golden',
      },
    },
  });
  expect(Math.abs(ear.iat - Date.now() / 1000)).toBeLessThan(3600);
});

describe('verdicts by a policy', () => {
  test('a changed command line fails its check alone', async () => {
    const { status, stdout } = await run('verify', 'changed.attest.json', '--trust', 'trust.json', '--json');
    const failed = JSON.parse(stdout).checks.filter((c: { status: string }) => c.status === 'fail');
    expect([status, failed.map((c: { id: string }) => c.id)]).toEqual([1, ['appraisal-command-line']]);
    const { stdout: ear } = await run('verify', 'changed.attest.json', '--trust', 'trust.json', '--ear');
    expect(JSON.parse(ear).submods.attestd).toMatchObject({
      'ear.status': 'contraindicated',
      'ear.trustworthiness-vector': {
        'instance-identity': 2,
        configuration: 96,
        executables: 3,
        hardware: 2,
      },
    });
  });
  test('the trust file shows its policies', async () => {
    const { stdout } = await run('trust', 'show', 'trust.json');
    expect(stdout).toMatch(/^policy {4}golden, owner's key [0-9a-f]{64}$/m);
    expect(stdout).toMatch(/^appraisal golden$/m);
  });
});

describe('what is refused', () => {
  const other = generateKeyPairSync('ed25519').publicKey.export({ format: 'pem', type: 'spki' });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
    format: 'pem',
    type: 'pkcs8',
  });
  test.each<[string, () => Promise<Outcome>, number, RegExp]>([
    [
      'learning from nothing',
      () => run('appraise', 'learn', '--name', 'x', '-o', 'x.json'),
      2,
      /nothing to learn from/,
    ],
    [
      'learning from a log that the registers contradict',
      () => run('appraise', 'learn', 'lying.attest.json', '--name', 'x', '-o', 'x.json'),
      1,
      /another value of PCR 4/,
    ],
    [
      'a register that is none',
      () =>
        run('appraise', 'learn', 'golden.attest.json', '--name', 'x', '--ignore-pcr', '24', '-o', 'x.json'),
      2,
      /not a register: 24/,
    ],
    [
      'a key of another kind',
      () => {
        writeFileSync(at('rsa.pem'), rsa);
        return run('appraise', 'sign', 'policy.json', '--key', 'rsa.pem', '-o', 'x.json');
      },
      3,
      /neither Ed25519 nor P-256/,
    ],
    [
      'signing what is no policy',
      () => run('appraise', 'sign', 'trust.json', '--key', 'owner.pem', '-o', 'x.json'),
      3,
      /appraisal policy/,
    ],
    [
      'a policy that somebody else signed',
      () => {
        writeFileSync(at('other.pub'), other);
        const policy = ['--appraisal', 'policy.dsse.json', '--appraisal-key', 'other.pub'];
        return run('trust', 'init', '--root', 'ca.pem', ...policy, '-o', 'x.json');
      },
      1,
      /is not signed by the key in other.pub/,
    ],
    [
      'a policy without its key',
      () => run('trust', 'init', '--root', 'ca.pem', '--appraisal', 'policy.dsse.json', '-o', 'x.json'),
      2,
      /belong together/,
    ],
  ])('%s', async (_, command, wanted, words) => {
    const { status, stderr } = await command();
    expect([status, stderr]).toEqual([wanted, expect.stringMatching(words)]);
  });
  test('a machine in JSON, with every decision', async () => {
    const { status, stdout } = await run(
      'appraise',
      'diff',
      'policy.dsse.json',
      'changed.attest.json',
      '--json',
    );
    const { findings } = JSON.parse(stdout);
    const refused = findings.filter((f: { verdict: string }) => f.verdict === 'refused');
    expect([status, refused.length]).toEqual([1, 1]);
    expect(refused[0]).toMatchObject({ section: 'command-line', pcr: 8, source: 'firmware', type: 13 });
  });
});
