/**
 * Sleep: the machine is suspended to memory and woken, its TPM's power off meanwhile. By the kernel's own TPM driver that is
 * another life of the TPM: with the next seal a new run begins, and its records verify.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { ctl } from '../kit/ctl.ts';
import { enrol, outside } from '../kit/vm/enrol.ts';
import { type Booted, type Machine, makeMachine } from '../kit/vm/machine.ts';
import { say } from '../kit/vm/say.ts';

let machine: Machine;
let booted: Booted;

beforeAll(async () => {
  machine = await makeMachine(process.env.ATTESTD_VM_IMAGE as string, { clock: 'host' });
  machine.secureBoot('off');
  booted = await machine.boot();
  say(`booted in ${(booted.bootMs / 1000).toFixed(1)} s`);
  await enrol(machine, booted);
  const trust = ['--root', 'ca/root.pem', '--software', '--accept-host-time', '--level', '2'];
  await outside(machine.dir, 'trust', 'init', ...trust, '-o', 'trust.json');
  say('enrolled');
}, 1_800_000);
afterEach((context) => {
  const { state, errors } = context.task.result ?? {};
  if (state === 'fail') machine.complain(errors?.map((e) => e.message) ?? []);
});
afterAll(async () => {
  await machine?.remove();
});

/** One record, its evidence taken out and verified outside. @returns the restart count of its seal, and its boot entry */
async function record(name: string): Promise<{ restarts: number; boot: string }> {
  await booted.sh('attestctl run --bundle /run/bundle -- true && chmod a+r /run/bundle');
  writeFileSync(join(machine.dir, `${name}.attest.json`), await booted.sh('cat /run/bundle'));
  const args = ['verify', `${name}.attest.json`, '--trust', 'trust.json', '--json'];
  const { stdout } = await ctl(args, { cwd: machine.dir });
  expect(JSON.parse(stdout).verdict, stdout).toBe('verified');
  const status = JSON.parse((await booted.sh('attestctl status --json')).toString());
  return { restarts: status.tpm.restartCount, boot: status.run.boot };
}

test('a record before, sleep, a record after: two runs, and both verify', async () => {
  const before = await record('before');
  await booted.sleep();
  say('the machine slept and woke');
  expect((await booted.sh('dmesg')).toString()).toMatch(/PM: suspend exit/);
  // The next seal shows it; the entries before that are of the run that ended, and say so.
  await booted.sh('attestctl run -- true');
  await booted.sh(
    "until journalctl -u attestd -o cat | grep -q 'another life: a new run begins'; do sleep 3; done",
  );
  await booted.recording();
  const after = await record('after');
  expect(after.restarts).toBe(before.restarts + 1);
  expect(after.boot).not.toBe(before.boot);
}, 1_800_000);
