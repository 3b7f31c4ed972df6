/**
 * Too little of what a host shares out: a disk that takes a handful of writes a second, and less memory than the daemon
 * needs, which the kernel takes back by killing it. Records come later or not at all, and none that was acknowledged is
 * lost. QEMU holds up the disk; systemd and the kernel's memory controller do the rest.
 */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { within } from '../kit/host.ts';
import { enrol } from '../kit/vm/enrol.ts';
import { FILL, type Filled, fill, putFill } from '../kit/vm/fill.ts';
import { type Booted, type Machine, makeMachine } from '../kit/vm/machine.ts';
import { say } from '../kit/vm/say.ts';

const STATE = '/var/lib/attestd';
const UNIT = 'attestd.service';

let machine: Machine;
let booted: Booted;
/** Records that were acknowledged. */
let acknowledged = 0;
const sh = async (line: string): Promise<string> => (await booted.sh(line)).toString().trim();
const shown = (property: string): Promise<string> => sh(`systemctl show -P ${property} ${UNIT}`);

beforeAll(async () => {
  machine = await makeMachine(process.env.ATTESTD_VM_IMAGE as string, { extraBytes: 160 << 20 });
  machine.secureBoot('off');
  booted = await machine.boot();
  say(`booted in ${(booted.bootMs / 1000).toFixed(1)} s`);
  await putFill(booted);
  const units = `attestd.socket attestd-admin.socket ${UNIT}`;
  await sh(
    [
      `systemctl stop ${units}`,
      'mke2fs -q -t ext4 -m 0 /dev/vdb',
      `mount /dev/vdb ${STATE}`,
      `chown attestd:attestd ${STATE} && chmod 0700 ${STATE}`,
      `systemctl start ${units}`,
    ].join(' && '),
  );
  await enrol(machine, booted);
  say('enrolled');
}, 1_800_000);
afterEach(async (context) => {
  const { state, errors } = context.task.result ?? {};
  if (state !== 'fail') return;
  const journal = booted.sh(`journalctl -u ${UNIT} --no-pager -n 30 -o cat`).then(String);
  const said = await within('the journal', journal).catch((e: Error) => e.message);
  machine.complain([...(errors?.map((e) => e.message) ?? []), said]);
});
afterAll(async () => {
  await machine?.remove();
});

test('a slow disk: records come when they are durable, and nothing is refused or begun again', async () => {
  const restarts = await shown('NRestarts');
  await booted.slowDisk(4);
  // It is slow: eight writes, each durable, take more than a second of the machine's own time.
  const writes = `dd if=/dev/zero of=${STATE}/slow bs=4k count=8 oflag=dsync`;
  const ms = `a=$(date +%s%3N); ${writes} 2>/dev/null; rm ${STATE}/slow; echo $(($(date +%s%3N) - a))`;
  expect(Number(await sh(ms))).toBeGreaterThan(1000);
  const filled = await fill(booted, 24);
  acknowledged += filled.recorded;
  expect(filled).toEqual({ recorded: 24 });
  const { health } = JSON.parse(await sh('attestctl status --json'));
  expect(health).toMatchObject({ alive: true, canRecord: true });
  await booted.slowDisk(0);
  expect(await shown('NRestarts')).toBe(restarts);
  say('the disk was slow');
}, 1_800_000);

test('too little memory: the kernel ends the daemon, what was acknowledged is there when it has enough again', async () => {
  await sh(`systemd-run -q --unit=fill -p StandardOutput=file:/run/filled ${FILL} 1200`);
  await sh('sleep 2; systemctl is-active fill');
  await sh(`systemctl set-property --runtime ${UNIT} MemorySwapMax=0 MemoryMax=32M`);
  await sh(`until journalctl -u ${UNIT} -o cat | grep -q oom-kill; do sleep 1; done`);
  await sh('while systemctl is-active -q fill; do sleep 1; done');
  const filled = JSON.parse(await sh('cat /run/filled')) as Filled;
  say(`killed by the kernel, ${filled.recorded} records before that`);
  acknowledged += filled.recorded;
  expect(filled.broke ?? filled.refused, 'it was killed while it recorded').toBeDefined();
  await sh(`systemctl set-property --runtime ${UNIT} MemoryMax=512M`);
  await booted.recording();
  expect(await fill(booted, 8)).toEqual({ recorded: 8 });
  // Sealed, so that the audit reaches behind it: attempted and completed.
  await sh('attestctl run -- true');
  acknowledged += 8 + 2;
  const audit = JSON.parse(await sh('attestctl audit --socket /run/attestd/admin.sock --json'));
  expect(audit.verdict).toBe('verified');
  expect(audit.logs[0].kinds.execution).toBeGreaterThanOrEqual(acknowledged);
  say(`${acknowledged} records were acknowledged, and all are there`);
}, 1_800_000);
