/**
 * The table of a TPM's lives, row by row, from what a software TPM really said before and after. Only the new firmware is
 * an attestation by a key of the test: nothing here can replace the firmware of a TPM (test/verify/vectors/machine.ts).
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { between, type Sighting } from '../../src/verify/life.ts';
import { type Swtpm, startSwtpm } from '../kit/swtpm.ts';
import { CC, command, passwordCommand } from '../kit/wire.ts';

let tpm: Swtpm;
beforeEach(async () => {
  tpm = await startSwtpm();
});
afterEach(() => tpm.stop());

/** TPM2_CreatePrimary of a P-256 storage key in the NULL hierarchy; its Name stands at the end of the answer. */
function nullPrimary(): Buffer {
  const symmetric = [0, 6, 0, 0x80, 0, 0x43];
  const area = Buffer.from([
    ...[0, 0x23, 0, 0x0b, 0, 3, 4, 0x72, 0, 0],
    ...symmetric,
    ...[0, 0x10, 0, 3, 0, 0x10, 0, 0, 0, 0],
  ]);
  const size = Buffer.from([0, area.length]);
  const body = Buffer.concat([Buffer.from([0, 4, 0, 0, 0, 0]), size, area, Buffer.alloc(6)]);
  return passwordCommand(CC.createPrimary, 0x40000007, body);
}

/** TPM2_ReadClock, and the Name of the NULL primary. */
async function sight(): Promise<Sighting> {
  const [clock, primary] = (await tpm.send([command(CC.readClock), nullPrimary()])) as [Buffer, Buffer];
  expect([clock.readUInt32BE(6), primary.readUInt32BE(6)]).toEqual([0, 0]);
  const flush = Buffer.alloc(4);
  primary.copy(flush, 0, 10, 14);
  await tpm.send([command(CC.flushContext, flush)]);
  // One password session of five bytes follows the parameters, of which the Name is the last.
  const nullName = primary.subarray(primary.length - 5 - 34, primary.length - 5).toString('hex');
  return {
    clock: clock.readBigUInt64BE(18),
    resetCount: clock.readUInt32BE(26),
    restartCount: clock.readUInt32BE(30),
    safe: clock[34] === 1,
    firmwareVersion: 0x2019_1023n,
    nullName,
  };
}

test('the same run', async () => {
  const before = await sight();
  const after = await sight();
  expect(after.nullName).toBe(before.nullName);
  expect(between(before, after)).toMatchObject({ life: 'same', verdict: 'accept', resets: 0 });
});

test('a suspend and resume: the registers go on, and a run begins', async () => {
  const before = await sight();
  await tpm.suspendResume();
  const after = await sight();
  expect(after.restartCount).toBe(before.restartCount + 1);
  expect(between(before, after)).toMatchObject({ life: 'resumed', verdict: 'new-run', resets: 0 });
  // Suspended and then reset: restarts count from zero again, which is no way back.
  await tpm.reset({ orderly: true });
  const reset = await sight();
  expect(reset.restartCount).toBeLessThan(after.restartCount);
  expect(between(after, reset)).toMatchObject({ life: 'rebooted', verdict: 'new-run', resets: 1 });
});

test('reboots, of which one without a record is worth a finding', async () => {
  const before = await sight();
  await tpm.reset({ orderly: true });
  const after = await sight();
  expect(after.nullName).not.toBe(before.nullName);
  expect(between(before, after)).toMatchObject({ life: 'rebooted', verdict: 'new-run', resets: 1 });
  expect(between(before, after).findings).not.toContain('skipped-boots');
  await tpm.reset({ orderly: true });
  expect(between(before, await sight())).toMatchObject({ life: 'rebooted', resets: 2 });
  expect(between(before, await sight()).findings).toContain('skipped-boots');
});

test('a power loss: the clock is not safe, and may stand lower', async () => {
  const before = await sight();
  await tpm.reset();
  const after = await sight();
  expect(after).toMatchObject({ resetCount: before.resetCount + 1, safe: false });
  const found = between(before, after);
  expect(found.verdict).toBe('new-run');
  expect(found.life).toBe(after.clock < before.clock ? 'power-lost' : 'rebooted');
  expect([found.ordered, found.findings.includes('clock-unsafe')]).toEqual([false, true]);
  // With a clock that lost what it had not saved, as hardware may lose an hour.
  const late = { ...before, clock: after.clock + 3_600_000n };
  expect(between(late, after)).toMatchObject({ life: 'power-lost', verdict: 'new-run' });
  expect(between(late, { ...after, safe: true })).toMatchObject({ life: 'impossible', verdict: 'fail' });
});

test('TPM2_Clear: what signed before cannot sign now', async () => {
  await tpm.reset({ orderly: true });
  const before = { ...(await sight()) };
  const [cleared] = await tpm.send([passwordCommand(CC.clear, 0x4000000c)]);
  expect(cleared?.readUInt32BE(6)).toBe(0);
  const after = await sight();
  expect([after.resetCount, after.restartCount]).toEqual([0, 0]);
  expect(between({ ...before, clock: before.clock + 1000n }, after)).toMatchObject({
    life: 'cleared',
    verdict: 'fail',
  });
});

test('a state of the TPM that was put back', async () => {
  const copy = tpm.copyState();
  await tpm.reset({ orderly: true });
  await tpm.reset({ orderly: true });
  const before = await sight();
  await tpm.restoreState(copy);
  const after = await sight();
  expect(after.resetCount).toBeLessThan(before.resetCount);
  expect(between(before, after).verdict).toBe('fail');
  // Put back and reset to the same count: the NULL primary is what tells.
  while ((await sight()).resetCount < before.resetCount) await tpm.reset({ orderly: true });
  const level = await sight();
  expect(level.nullName).not.toBe(before.nullName);
  expect(between({ ...before, clock: 0n }, level)).toMatchObject({ life: 'impossible', verdict: 'fail' });
});

test('another firmware is a finding, whatever else happened', async () => {
  const before = await sight();
  const after = { ...(await sight()), firmwareVersion: 0x2019_1024n };
  expect(between(before, after)).toMatchObject({ life: 'same', verdict: 'accept' });
  expect(between(before, after).findings).toContain('firmware-changed');
});

test('counts and clocks that no TPM gives', () => {
  const s: Sighting = { resetCount: 5, restartCount: 2, clock: 9_000_000n, safe: true, firmwareVersion: 1n };
  for (const after of [
    { ...s, restartCount: 1 },
    { ...s, clock: 8_000_000n },
    { ...s, restartCount: 3, clock: 8_000_000n },
    { ...s, resetCount: 4, restartCount: 9, clock: 10_000_000n },
    { ...s, resetCount: 4, restartCount: 0, clock: 8_000_000n },
  ])
    expect(between(s, after), `${after.resetCount}/${after.restartCount}/${after.clock}`).toMatchObject({
      life: 'impossible',
      verdict: 'fail',
    });
});
