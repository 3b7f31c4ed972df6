/**
 * What only a kernel of its own can break: the wall clock, the quota, the blocks and the inodes of a file system, a file
 * system that turns read-only under a daemon that writes to it, and the power. Each does what design says of it, and
 * nothing that was acknowledged is lost. One machine, one boot and the one after the power failed.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { ctl } from '../kit/ctl.ts';
import { within } from '../kit/host.ts';
import { enrol, outside } from '../kit/vm/enrol.ts';
import { type Filled, fill as fillIn, putFill } from '../kit/vm/fill.ts';
import { type Booted, type Machine, makeMachine } from '../kit/vm/machine.ts';
import { say } from '../kit/vm/say.ts';

/** Of the log: two segments of 16 MiB, and some. */
const STATE_BYTES = 96 << 20;
const STATE = '/var/lib/attestd';
/** More than a segment holds. */
const MORE = 800;

let machine: Machine;
let booted: Booted;
/** Records that were acknowledged. */
let acknowledged = 0;
const at = (name: string) => join(machine.dir, name);
const sh = async (line: string): Promise<string> => (await booted.sh(line)).toString();

async function fill(count: number): Promise<Filled> {
  const filled = await fillIn(booted, count);
  acknowledged += filled.recorded;
  return filled;
}
/** How records are refused on a disk that takes none. */
const full = (why: RegExp) => ({
  refused: expect.objectContaining({
    type: 'urn:attestd:error:STORAGE_UNAVAILABLE',
    status: 503,
    detail: expect.stringMatching(why),
  }),
});
/** One record, sealed, its evidence taken out and verified outside. @returns the time that it bears */
async function recordOne(name: string): Promise<number> {
  await booted.sh('attestctl run --bundle /run/bundle -- true && chmod a+r /run/bundle');
  // Attempted and completed.
  acknowledged += 2;
  writeFileSync(at(`${name}.attest.json`), await booted.sh('cat /run/bundle'));
  const { stdout } = await ctl(['verify', `${name}.attest.json`, '--trust', 'trust.json', '--json'], {
    cwd: machine.dir,
  });
  const report = JSON.parse(stdout);
  expect(report.verdict, stdout).toBe('verified');
  const shown = JSON.parse(await outside(machine.dir, 'show', `${name}.attest.json`, '--json'));
  return Date.parse(shown.predicate.time);
}

beforeAll(async () => {
  machine = await makeMachine(process.env.ATTESTD_VM_IMAGE as string, { extraBytes: STATE_BYTES });
  machine.secureBoot('off');
  booted = await machine.boot();
  say(`booted in ${(booted.bootMs / 1000).toFixed(1)} s`);
  await putFill(booted);
  await booted.sh(
    [
      'systemctl stop attestd.socket attestd-admin.socket attestd.service',
      'mke2fs -q -t ext4 -O quota -E quotatype=usrquota -N 256 -m 0 /dev/vdb',
      `mount -o usrquota,errors=remount-ro /dev/vdb ${STATE}`,
      `chown attestd:attestd ${STATE} && chmod 0700 ${STATE}`,
      `echo '/dev/vdb ${STATE} ext4 usrquota,errors=remount-ro 0 2' >>/etc/fstab`,
      'systemctl daemon-reload && systemctl start attestd.socket attestd-admin.socket attestd.service',
    ].join(' && '),
  );
  await enrol(machine, booted);
  const trust = ['--root', 'ca/root.pem', '--software', '--accept-host-time', '--level', '2'];
  await outside(machine.dir, 'trust', 'init', ...trust, '-o', 'trust.json');
  say('enrolled');
}, 1_800_000);
afterEach(async (context) => {
  // The errors as well: vitest shows them at the end, and that is long after.
  const { state, errors } = context.task.result ?? {};
  if (state !== 'fail') return;
  const journal = booted.sh('journalctl -u attestd --no-pager -n 30 -o cat').then(String);
  const said = await within('the journal', journal).catch((e: Error) => e.message);
  machine.complain([...(errors?.map((e) => e.message) ?? []), said]);
});
afterAll(async () => {
  await machine?.remove();
});

test('a wall clock that is put back and forth: the times of records never go back, and all of it verifies', async () => {
  const times = [await recordOne('before')];
  for (const jump of ['-2 hours', '+5 hours', '-3 hours']) {
    await sh(`date -s '${jump}'`);
    times.push(await recordOne('jumped'));
  }
  const [before, back, ahead, again] = times as [number, number, number, number];
  expect(back).toBeGreaterThanOrEqual(before);
  expect(back - before).toBeLessThan(3_600_000);
  expect(ahead - before).toBeGreaterThan(2 * 3_600_000);
  expect(again).toBeGreaterThanOrEqual(ahead);
  say('the clock was put back and forth');
}, 1_800_000);

test('quota, inodes and blocks used up in turn: read-only with a sentence that says why, what is recorded stays, and it passes', async () => {
  // Without the spare segment that it keeps, so that less has to be written.
  await sh(
    [
      'systemctl stop attestd.socket attestd-admin.socket attestd.service',
      `rm ${STATE}/log/*/wal/spare`,
      `used=$(repquota -u ${STATE} | awk '$1 == "attestd" { print $3 }')`,
      `setquota -u attestd 0 $((used + 4096)) 0 0 ${STATE}`,
      'systemctl start attestd.socket attestd-admin.socket attestd.service',
    ].join(' && '),
  );
  await booted.recording();
  expect(await fill(MORE)).toMatchObject(full(/read-only: .*EDQUOT/));
  say(`the quota is used up, ${acknowledged} records`);
  const health = JSON.parse(await sh('attestctl status --json')).health;
  expect(health).toMatchObject({ alive: true, canRecord: false });
  const run = await booted.agent.run('attestctl run -- touch /run/was-run');
  expect(run.status, run.stderr).toBe(5);
  expect(run.stderr).toMatch(/read-only: .*EDQUOT.*\[STORAGE_UNAVAILABLE\]/);
  await sh('! [ -e /run/was-run ]');
  // What was recorded can still be shown.
  const [newest] = JSON.parse(await sh('attestctl list --limit 1 --json')).records;
  await sh(`attestctl bundle ${newest.id} -o /run/bundle`);

  await sh(`cd ${STATE} && mkdir x && : >y && i=0 && while : 2>/dev/null >x/$i; do i=$((i + 1)); done
    setquota -u attestd 0 0 0 0 ${STATE}`);
  expect(await fill(1)).toMatchObject(full(/read-only: .*ENOSPC.*spare/));
  say('the inodes are used up');
  // At no time are there inodes and blocks.
  await sh(`dd if=/dev/zero of=${STATE}/y bs=1M 2>/dev/null || rm -r ${STATE}/x`);
  expect(await fill(1)).toMatchObject(full(/read-only: .*ENOSPC/));
  say('the disk is full');
  // A start finds no room for its boot entry: it says so to whoever asks, and begins as soon as there is some.
  await sh('systemctl restart attestd');
  expect(await fill(1)).toMatchObject(full(/read-only: .*ENOSPC/));
  await sh(`rm ${STATE}/y`);
  await booted.recording();
  expect(await sh('systemctl show -P NRestarts attestd')).toBe('0\n');
  expect(await fill(1)).toEqual({ recorded: 1 });
  await recordOne('room');
  say('there is room again');
}, 1_800_000);

test('a file system that turns read-only: nothing more is acknowledged, and after its repair nothing is lost', async () => {
  await sh('echo 1 >/sys/fs/ext4/vdb/trigger_fs_error');
  const { recorded } = await fill(8);
  expect(recorded).toBe(0);
  // The daemon began again, and says why it takes nothing.
  await sh(`until attestctl status | grep -q 'could not be opened: EROFS'; do sleep 1; done`);
  expect(await fill(1)).toMatchObject(full(/could not be opened: EROFS/));
  say('the file system is read-only');
  await sh(
    [
      'systemctl stop attestd.socket attestd-admin.socket attestd.service',
      `umount ${STATE} && { e2fsck -fy /dev/vdb || [ $? = 1 ]; }`,
      `mount ${STATE}`,
      'systemctl reset-failed "attestd*"; systemctl start attestd.socket attestd-admin.socket attestd.service',
    ].join(' && '),
  );
  await booted.recording();
  await recordOne('repaired');
  say('the file system is repaired');
}, 1_800_000);

test('the power fails: what was acknowledged is there, and the whole log bears it out', async () => {
  expect(await fill(8)).toEqual({ recorded: 8 });
  await booted.kill();
  booted = await machine.boot();
  say(`booted again in ${(booted.bootMs / 1000).toFixed(1)} s`);
  await booted.recording();
  await recordOne('powered');
  const audit = JSON.parse(await sh(`attestctl audit --socket /run/attestd/admin.sock --json`));
  expect(audit.verdict).toBe('verified');
  expect(audit.logs[0].kinds.execution).toBeGreaterThanOrEqual(acknowledged);
  say(`${acknowledged} records were acknowledged, and all are there`);
}, 1_800_000);
