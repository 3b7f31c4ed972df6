import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { parseAttest } from '../../src/evidence/tpm/attest.ts';
import { nvName, parseNvPublic } from '../../src/evidence/tpm/nv.ts';
import { DEFAULT_COUNTER_INDEX, defineCounter, loadCounter } from '../../src/tpm/counter.ts';
import { CC, passwordCommand } from '../kit/wire.ts';
import { type Host, random, startHost } from './host.ts';

let host: Host | null = null;
afterEach(async () => {
  await host?.stop();
  host = null;
});
const start = async (...o: Parameters<typeof startHost>) => {
  host = await startHost(...o);
  return host;
};
const undefine = (index: number) => {
  const b = Buffer.alloc(4);
  b.writeUInt32BE(index);
  // TPM2_NV_UndefineSpace takes two handles; the authorisation belongs to the first.
  const c = passwordCommand(CC.nvUndefineSpace, 0x40000001);
  const out = Buffer.concat([c.subarray(0, 14), b, c.subarray(14)]);
  out.writeUInt32BE(out.length, 2);
  return out;
};

describe('the NV counter', () => {
  test('is a counter that only its own auth writes and reads', async () => {
    const h = await start();
    const counter = await defineCounter(h.tpm, h.dir, random);
    const p = parseNvPublic(counter.public);
    expect(p).toMatchObject({ nvIndex: DEFAULT_COUNTER_INDEX, nameAlg: 0x0b, dataSize: 8 });
    const set = Object.entries(p.attributes).filter(([, v]) => v === true);
    expect(set.map(([k]) => k).sort()).toEqual(['authRead', 'authWrite', 'noDA', 'written']);
    expect(p.attributes.type).toBe(1);
    expect(counter.name).toEqual(nvName(counter.public));
  });

  test.each(['salted', 'password'] as const)(
    'counts by one, over restarts of TPM and daemon (%s)',
    async (sessions) => {
      const h = await start({}, { sessions });
      const counter = await defineCounter(h.tpm, h.dir, random);
      const from = await counter.read();
      expect(await counter.increment()).toBe(from + 1n);
      await h.swtpm.reset();
      expect(await counter.increment()).toBe(from + 2n);
      const loaded = await loadCounter(h.tpm, h.dir);
      expect(await loaded.read()).toBe(from + 2n);
      expect(loaded.name).toEqual(counter.name);
      const same = await defineCounter(h.tpm, h.dir, random);
      expect(await same.read()).toBe(from + 2n);
    },
  );

  test('is certified by the AK: type, offset, Name and value', async () => {
    const h = await start();
    const { ak } = await h.identity();
    const counter = await defineCounter(h.tpm, h.dir, random);
    const extraData = random(32);
    const { attest, value } = await counter.certify(ak, extraData);
    const parsed = parseAttest(attest);
    expect(parsed).toMatchObject({ type: 0x8014, extraData, qualifiedSigner: ak.qualifiedName });
    expect(parsed.attested).toMatchObject({ kind: 'nv', offset: 0, indexName: counter.name });
    expect(value).toBe(await counter.read());
  });

  test.each([
    ['before', 1n],
    ['after', 1n],
  ] as const)('counts once when the connection ends %s the TPM has executed', async (eof, by) => {
    const h = await start({ proxy: true });
    const counter = await defineCounter(h.tpm, h.dir, random);
    const from = await counter.read();
    h.proxy.inject({ cc: CC.nvIncrement, times: 1, eof });
    expect(await counter.increment()).toBe(from + by);
    expect(await counter.read()).toBe(from + by);
  });

  test('finishes a definition that was cut short', async () => {
    const h = await start({ proxy: true });
    h.proxy.inject({ cc: CC.nvIncrement, rc: 0x101 });
    await expect(defineCounter(h.tpm, h.dir, random)).rejects.toMatchObject({ code: 'TPM_ERROR' });
    h.proxy.clear();
    expect(await (await defineCounter(h.tpm, h.dir, random)).read()).toBeGreaterThan(0n);
  });

  test('leaves an index alone that is not ours', async () => {
    const h = await start();
    const counter = await defineCounter(h.tpm, h.dir, random);
    const value = await counter.increment();
    const elsewhere = join(h.dir, 'elsewhere');
    await expect(defineCounter(h.tpm, elsewhere, random)).rejects.toMatchObject({ code: 'EXISTS' });
    expect(await counter.read()).toBe(value);
    expect((await defineCounter(h.tpm, elsewhere, random, 0x01800201)).nvIndex).toBe(0x01800201);
  });

  test('is gone when the owner took it away, and another one is noticed by its auth', async () => {
    const h = await start({ proxy: true });
    const counter = await defineCounter(h.tpm, h.dir, random);
    const value = await counter.read();
    await h.swtpm.send([undefine(DEFAULT_COUNTER_INDEX)]);
    await expect(loadCounter(h.tpm, h.dir)).rejects.toMatchObject({ code: 'AUDIT_CONTINUITY_LOST' });
    const other = await defineCounter(h.tpm, join(h.dir, 'other'), random);
    expect(await other.read()).toBeGreaterThan(value);
    await expect(loadCounter(h.tpm, h.dir)).rejects.toMatchObject({ code: 'AUDIT_CONTINUITY_LOST' });
  });

  test('is not there before it is made', async () => {
    const h = await start();
    await expect(loadCounter(h.tpm, h.dir)).rejects.toMatchObject({ code: 'NOT_INITIALISED' });
  });

  test('goes back only with the whole state of the TPM', async () => {
    const h = await start();
    const counter = await defineCounter(h.tpm, h.dir, random);
    const copy = h.swtpm.copyState();
    const value = await counter.increment();
    await h.swtpm.restoreState(copy);
    expect(await counter.read()).toBe(value - 1n);
  });
});
