import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { type Swtpm, type SwtpmOptions, startSwtpm } from '../kit/swtpm.ts';
import { CC, command } from '../kit/wire.ts';

const run = promisify(execFile);
let tpm: Swtpm | null = null;
afterEach(async () => {
  await tpm?.stop();
  tpm = null;
});
const start = async (o: SwtpmOptions = {}) => {
  tpm = await startSwtpm(o);
  return tpm;
};
const tool = async (t: Swtpm, name: string, ...args: string[]) =>
  (await run(name, args, { env: { ...process.env, TPM2TOOLS_TCTI: t.tcti }, cwd: t.dir })).stdout;

/** resetCount, restartCount by TPM2_ReadClock. */
const counts = (clock: Buffer) => [clock.readUInt32BE(26), clock.readUInt32BE(30)];

describe('the software TPM of the tests', () => {
  test.each([
    ['debian', ['1C00002', '1C00016']],
    ['p256', ['1C00002', '1C0000A', '1C00016']],
    ['none', []],
  ] as const)('has the endorsement certificates of kind %s', async (eks, indices) => {
    const t = await start({ eks });
    const found = (await tool(t, 'tpm2_getcap', 'handles-nv-index')).match(/1C000\w\w/g) ?? [];
    expect(found).toEqual(indices);
    expect(t.rootPem.includes('BEGIN CERTIFICATE')).toBe(eks !== 'none');
  });

  test('starts with firmware-like PCRs, again after a reset, and keeps them over a suspend', async () => {
    const t = await start();
    const pcrs = await tool(t, 'tpm2_pcrread', 'sha256:0,7');
    expect(pcrs).not.toMatch(/0x0{64}/);
    const [before] = await t.send([command(CC.readClock)]);
    await t.suspendResume();
    const [resumed] = await t.send([command(CC.readClock)]);
    expect(await tool(t, 'tpm2_pcrread', 'sha256:0,7')).toBe(pcrs);
    await t.reset();
    const [after] = await t.send([command(CC.readClock)]);
    expect(await tool(t, 'tpm2_pcrread', 'sha256:0,7')).toBe(pcrs);
    const [reset = 0, restart = 0] = counts(before as Buffer);
    expect(counts(resumed as Buffer)).toEqual([reset, restart + 1]);
    expect(counts(after as Buffer)).toEqual([reset + 1, 0]);
  });

  test('rolls back', async () => {
    const t = await start();
    const copy = t.copyState();
    const [a] = await t.send([command(CC.readClock)]);
    await t.reset({ orderly: true });
    await t.restoreState(copy);
    const [b] = await t.send([command(CC.readClock)]);
    expect(counts(b as Buffer)[0]).toBe((counts(a as Buffer)[0] ?? 0) + 1);
  });

  test('serves several clients through the proxy, which counts, delays and falsifies', async () => {
    const t = await start({ proxy: true });
    const outputs = await Promise.all([1, 2, 3].map(() => tool(t, 'tpm2_getrandom', '--hex', '8')));
    expect(new Set(outputs).size).toBe(3);
    expect(t.proxy?.seen(CC.getRandom)).toBe(3);
    t.proxy?.inject({ cc: CC.getRandom, times: 1, rc: 0x101 });
    await expect(tool(t, 'tpm2_getrandom', '--hex', '8')).rejects.toThrow(/0x101/);
    t.proxy?.inject({ cc: CC.getRandom, times: 1, eof: 'after' });
    await expect(tool(t, 'tpm2_getrandom', '--hex', '8')).rejects.toThrow();
    expect(await tool(t, 'tpm2_getrandom', '--hex', '8')).toMatch(/^[0-9a-f]{16}/);
    await t.reset();
    expect(await tool(t, 'tpm2_getrandom', '--hex', '8')).toMatch(/^[0-9a-f]{16}/);
  });
});
