/**
 * The context gap of the kernel's resource manager, brought about for real: one program starts a session at /dev/tpmrm0 and
 * leaves it alone, another sends 66,000 commands on its own. The kernel does not refresh the idle one, so from then on it
 * ends every command of whoever has a session; attestd must go on sealing.
 */
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { until } from '../kit/host.ts';
import { type Booted, type Machine, makeMachine } from '../kit/vm/machine.ts';
import { say } from '../kit/vm/say.ts';

const COMMANDS = 66_000;
const SESSION = '/usr/lib/attestd/node /run/session.mjs';
let machine: Machine;
let booted: Booted;
const sh = async (line: string): Promise<string> => (await booted.sh(line)).toString();
interface Said {
  readonly answered: number;
  readonly ended?: string;
}
const last = async (file: string): Promise<Said> => JSON.parse(await sh(`tail -n 1 ${file}`));

beforeAll(async () => {
  machine = await makeMachine(process.env.ATTESTD_VM_IMAGE as string);
  booted = await machine.boot();
  say(`booted in ${(booted.bootMs / 1000).toFixed(1)} s`);
  await booted.write('/run/session.mjs', readFileSync(new URL('session.mjs', import.meta.url)));
  await booted.sh('attestctl init');
  await booted.recording();
}, 1_800_000);
afterEach((context) => {
  const { state, errors } = context.task.result ?? {};
  if (state === 'fail') machine.complain(errors?.map((e) => e.message) ?? []);
});
afterAll(async () => {
  await machine?.remove();
});

test(`${COMMANDS} commands on a session while another one is idle: the kernel gives up sessions, attestd does not`, async () => {
  await booted.agent.start(`${SESSION} 1 /run/wake >/run/idle 2>&1`);
  await sh('until grep -q started /run/idle; do sleep 1; done');
  await sh('attestctl run -- true');

  await booted.agent.start(`${SESSION} ${COMMANDS} >/run/busy 2>/run/progress; touch /run/over`);
  let shown = '';
  await until(
    'the commands to be sent',
    async () => {
      const [over, done = ''] = (
        await sh('sleep 10; ls /run/over 2>/dev/null; tail -qn 1 /run/progress')
      ).split('\n');
      if (over === '/run/over') return true;
      if ((over || done) !== shown) say(`${over || done} of ${COMMANDS} commands`);
      shown = over || done;
      return false;
    },
    1_800_000,
  );
  const busy = await last('/run/busy');
  say(`after ${busy.answered} commands: ${busy.ended}`);
  expect(busy.ended).toBe('EFAULT');
  expect(busy.answered).toBeGreaterThan(60_000);
  expect(await sh('dmesg')).toMatch(/tpm2_save_context: failed with a TPM error 0x0901/);
  // Nobody else has a session that works.
  expect((await booted.agent.run(`${SESSION} 1 >/run/other`)).status).toBe(0);
  expect(await last('/run/other')).toEqual({ answered: 0, ended: 'EFAULT' });

  await sh('attestctl run -- true');
  say('a record was sealed');
  expect(await sh('journalctl -u attestd -o cat')).toMatch(
    /"count":\d+,"msg":"idle TPM sessions of other programs were flushed|"idle TPM sessions of other programs were flushed[^"]*".*"count":\d+/,
  );
  // Who slept finds its session gone, begins another, and all is as before.
  await sh('touch /run/wake; until grep -q answered /run/idle; do sleep 1; done');
  expect(await last('/run/idle')).toMatchObject({ answered: 0, ended: expect.any(String) });
  await sh(`${SESSION} 100 >/run/other`);
  expect(await last('/run/other')).toEqual({ answered: 100 });
  await sh('attestctl run -- true');
}, 1_800_000);
