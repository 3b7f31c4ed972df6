/**
 * A real machine, from the firmware to a verdict: it is booted, enrolled by an authority outside, made to run something,
 * and booted again; a policy learnt from its first boot must accept the second. Then one thing is changed at a time, and
 * exactly the check that speaks of it must fail.
 */
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { ctl } from '../kit/ctl.ts';
import { enrol, outside } from '../kit/vm/enrol.ts';
import { type Booted, type Machine, makeMachine } from '../kit/vm/machine.ts';
import { say } from '../kit/vm/say.ts';

const GRUB = 'EFI/debian/grub.cfg';
let machine: Machine;
const at = (name: string) => join(machine.dir, name);

beforeAll(async () => {
  machine = await makeMachine(process.env.ATTESTD_VM_IMAGE as string);
  say('machine made');
});
afterEach((context) => {
  // The errors as well: vitest shows them at the end, and that is long after.
  const { state, errors } = context.task.result ?? {};
  if (state === 'fail') machine.complain(errors?.map((e) => e.message) ?? []);
});
afterAll(async () => {
  await machine?.remove();
});

async function boot(what: string): Promise<Booted> {
  const booted = await machine.boot();
  say(`${what}: booted in ${(booted.bootMs / 1000).toFixed(1)} s`);
  return booted;
}

/** Runs the workload inside and takes its evidence out, with firmware log and IMA list, as NAME.attest.json. */
async function evidence(booted: Booted, name: string): Promise<void> {
  await booted.recording();
  expect((await booted.sh('attestctl run --id-file /run/id -- workload 42')).toString()).toBe('42: 2 3 7\n');
  await booted.sh('attestctl bundle "$(cat /run/id)" --ima --socket /run/attestd/admin.sock -o /run/bundle');
  writeFileSync(at(`${name}.attest.json`), await booted.sh('cat /run/bundle'));
  say(`evidence ${name}.attest.json taken`);
}

const TRUST = ['trust', 'init', '--root', 'ca/root.pem', '--software', '--accept-host-time'];

/** Learns a policy from evidence, signs it as its owner, and writes a trust file that demands it. @returns what was shown */
async function learn(name: string, policy: string, trust: string): Promise<string> {
  const learnt = await outside(
    machine.dir,
    ...['appraise', 'learn', `${name}.attest.json`, '--name', policy, '-o', `${policy}.json`],
    // What GRUB's configuration does is judged by the commands that it becomes.
    ...['--ignore-event', '9:*/grub.cfg'],
    // What root reads under ima_policy=tcb and is nobody's program: what the system itself writes.
    ...['--ima-ignore', '/var/*', '--ima-ignore-violations'],
  );
  const signed = ['--key', 'owner.pem', '-o', `${policy}.dsse.json`];
  await outside(machine.dir, 'appraise', 'sign', `${policy}.json`, ...signed);
  const demanded = ['--appraisal', `${policy}.dsse.json`, '--appraisal-key', 'owner.pub'];
  await outside(machine.dir, ...TRUST, ...demanded, '-o', trust);
  return learnt;
}

/** As an update would: another file under the name of the workload. */
function exchange(from: string, more: string): string {
  return `cp ${from} /srv/new && printf '${more}' >>/srv/new && mv /srv/new /usr/local/bin/workload`;
}

/** The verdict on evidence, and the ids of the checks that fail. */
async function judge(
  name: string,
  trust = 'trust.json',
): Promise<{ verdict: string; failed: string[]; why: string; report: string }> {
  const args = ['verify', `${name}.attest.json`, '--trust', trust, '--json'];
  const { stdout, stderr } = await ctl(args, { cwd: machine.dir });
  const report = JSON.parse(stdout || `{"checks":[],"verdict":${JSON.stringify(stderr)}}`);
  const checks = report.checks as { id: string; status: string; sentence: string }[];
  const failing = checks.filter((c) => c.status === 'fail');
  return {
    verdict: report.verdict,
    failed: failing.map((c) => c.id),
    why: failing.map((c) => c.sentence).join('\n'),
    report: stdout,
  };
}

test('the first boot: enrolled, its firmware log shows the machine, and a policy is learnt from it', async () => {
  machine.secureBoot('on');
  const booted = await boot('first boot, Secure Boot on');
  await enrol(machine, booted);
  say('enrolled');
  // Twice: the seal of a record is older than the taking of its evidence, and what that runs is to be known as well. So are
  // the programs that will exchange the workload.
  await booted.sh(exchange('/usr/bin/factor', ''));
  await evidence(booted, 'rehearsal');
  await evidence(booted, 'first');
  await booted.shutdown();

  const keys = generateKeyPairSync('ed25519');
  writeFileSync(at('owner.pem'), keys.privateKey.export({ format: 'pem', type: 'pkcs8' }));
  writeFileSync(at('owner.pub'), keys.publicKey.export({ format: 'pem', type: 'spki' }));
  await outside(machine.dir, ...TRUST, '--level', '2', '-o', 'before.json');
  await outside(machine.dir, 'verify', 'first.attest.json', '--trust', 'before.json');
  const learnt = await learn('first', 'golden', 'trust.json');
  writeFileSync(at('learnt'), learnt);
  expect(learnt).toMatch(/^PCR +7 +Secure Boot +on; PK 1, KEK 1, db 1, dbx 1, authorities \d+$/m);
  expect(learnt).toMatch(
    /^PCR +8 +command line +\/vmlinuz root=\/dev\/vda2 .*ima_policy=tcb ima_hash=sha256$/m,
  );
  expect(learnt).toMatch(/^PCR +9 +kernel +1, one must be there$/m);
  expect(learnt).toMatch(/^PCR +9 +initrd +1, one must be there$/m);
  const { verdict, failed, report } = await judge('first');
  expect([verdict, failed], report).toEqual(['verified', []]);
});

test('the second boot is accepted by that policy; a binary that was exchanged fails its check alone', async () => {
  const booted = await boot('second boot');
  await evidence(booted, 'second');
  await booted.sh(exchange('/usr/bin/factor', 'x'));
  await evidence(booted, 'exchanged');
  await booted.sh(exchange('/usr/bin/factor', ''));
  await booted.shutdown();
  const second = await judge('second');
  expect([second.verdict, second.failed], second.report).toEqual(['verified', []]);
  const { verdict, failed, why, report } = await judge('exchanged');
  expect([verdict, failed], report).toEqual(['rejected', ['appraisal-ima']]);
  expect(why).toMatch(
    /^By the policy "golden": IMA entry \d+, \/usr\/local\/bin\/workload sha256:[0-9a-f]{64}: another content than the policy allows\.$/,
  );
});

test('another kernel command line fails its check alone', async () => {
  const configuration = await machine.bootFile(GRUB);
  await machine.putBootFile(GRUB, configuration.replace(/^(linuxefi .*)$/m, '$1 init_on_alloc=0'));
  const booted = await boot('another command line');
  await evidence(booted, 'line');
  await booted.shutdown();
  await machine.putBootFile(GRUB, configuration);
  const { verdict, failed, report } = await judge('line');
  expect([verdict, failed], report).toEqual(['rejected', ['appraisal-command-line']]);
});

test('Secure Boot turned off fails its check alone', async () => {
  machine.secureBoot('off');
  const booted = await boot('Secure Boot off');
  await evidence(booted, 'insecure');
  // For the boot of the next test: as the file's own head says.
  await booted.sh(
    'mkdir -p /etc/ima && sed "s/@ATTESTD_UID@/$(id -u attestd)/" /usr/share/attestd/ima-policy >/etc/ima/ima-policy',
  );
  await booted.shutdown();
  const { verdict, failed, report } = await judge('insecure');
  expect([verdict, failed], report).toEqual(['rejected', ['appraisal-secure-boot']]);
});

test('the rule file that is shipped: the kernel takes it, and by its list every file of the daemon is corroborated', async () => {
  machine.secureBoot('on');
  const configuration = await machine.bootFile(GRUB);
  await machine.putBootFile(GRUB, configuration.replace(' ima_policy=tcb', ''));
  const booted = await boot('the rules of attestd in force');
  await evidence(booted, 'ruled');
  expect((await booted.sh('dmesg')).toString()).toMatch(/ima: policy update completed/);
  await booted.shutdown();
  await learn('ruled', 'rules', 'rules-trust.json');
  const { verdict, report } = await judge('ruled', 'rules-trust.json');
  expect(verdict, report).toBe('verified');
  const { items } = JSON.parse(report).software as { items: { name: string; credence: string }[] };
  expect(items.length).toBeGreaterThan(20);
  expect(items.filter((i) => i.credence !== 'IMA-corroborated')).toEqual([]);
});
