import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { parseCreation } from '../../src/evidence/tpm/creation.ts';
import { RH_ENDORSEMENT } from '../../src/evidence/tpm/names.ts';
import { parsePublic, publicName, qualifiedName } from '../../src/evidence/tpm/public.ts';
import { freshAuth } from '../../src/tpm/key.ts';
import { createIdentity, loadIdentity } from '../../src/tpm/keys.ts';
import { quoteSelection } from '../../src/tpm/pcr.ts';
import { occupancy } from '../../src/tpm/property.ts';
import { takeQuote } from '../../src/tpm/quote.ts';
import { signMessage } from '../../src/tpm/sign.ts';
import { openTpm } from '../../src/tpm/tpm.ts';
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

describe('the keys of a host', () => {
  test('are what the design says, as the TPM made them', async () => {
    const h = await start();
    const { storage, ak, recordKey, akCreation } = await h.identity();
    const flags = (b: Uint8Array) =>
      Object.entries(parsePublic(b).attributes)
        .filter(([, v]) => v === true)
        .map(([k]) => k);
    const ours = ['fixedTPM', 'fixedParent', 'sensitiveDataOrigin', 'userWithAuth', 'noDA'];
    expect(flags(storage.public)).toEqual([...ours, 'restricted', 'decrypt']);
    expect(flags(ak.public)).toEqual([...ours, 'restricted', 'sign']);
    expect(flags(recordKey.public)).toEqual([...ours, 'sign']);
    for (const key of [ak, recordKey]) {
      const p = parsePublic(key.public);
      expect(p).toMatchObject({ type: 'ecc', curve: 3, nameAlg: 0x0b, scheme: { alg: 0x18, hash: 0x0b } });
      expect(p.authPolicy.length).toBe(0);
      expect(key.name).toEqual(publicName(key.public));
    }
    const creation = parseCreation(akCreation.data);
    expect(creation.parentName).toEqual(storage.name);
    expect(creation.parentQualifiedName).toEqual(qualifiedName(RH_ENDORSEMENT, storage.name));
  });

  test('are stored private and whole, with auth values that do not end in zero', async () => {
    const h = await start();
    await h.identity();
    for (const f of ['identity.json', 'identity.auth']) {
      expect(statSync(join(h.dir, f)).mode & 0o777).toBe(0o600);
      expect(existsSync(join(h.dir, `${f}.new`))).toBe(false);
    }
    const auth = JSON.parse(readFileSync(join(h.dir, 'identity.auth'), 'utf8')) as Record<string, string>;
    for (const k of ['ak', 'recordKey']) {
      const value = Buffer.from(auth[k] ?? '', 'base64');
      expect(value.length).toBe(32);
      expect(value[31]).not.toBe(0);
    }
    let calls = 0;
    expect(freshAuth((n) => new Uint8Array(n).fill(calls++ < 3 ? 0 : 7))[31]).toBe(7);
    expect(calls).toBe(4);
  });

  test('load again in another process of the host, with the same Names', async () => {
    const h = await start();
    const made = await h.identity();
    await h.tpm.close();
    const again = await openTpm({ tcti: h.swtpm.tcti, deadlineMs: 20_000 });
    const loaded = await loadIdentity(again, { dir: h.dir });
    expect(loaded.ak.name).toEqual(made.ak.name);
    expect((await signMessage(again, loaded.recordKey, new Uint8Array(5))).p1363.length).toBe(64);
    await again.close();
  });

  test('are never overwritten', async () => {
    const h = await start();
    await h.identity();
    const before = readFileSync(join(h.dir, 'identity.json'), 'utf8');
    await expect(createIdentity(h.tpm, { dir: h.dir }, random)).rejects.toMatchObject({ code: 'EXISTS' });
    expect(readFileSync(join(h.dir, 'identity.json'), 'utf8')).toBe(before);
  });

  test('are missing before init', async () => {
    const h = await start();
    await expect(loadIdentity(h.tpm, { dir: h.dir })).rejects.toMatchObject({ code: 'NOT_INITIALISED' });
  });

  test('are lost after TPM2_Clear, in place and after a restart', async () => {
    const h = await start({ proxy: true });
    const { ak } = await h.identity();
    await h.swtpm.send([passwordCommand(CC.clear, 0x4000000c)]);
    const quote = takeQuote(h.tpm, ak, random(32), quoteSelection(false));
    await expect(quote).rejects.toMatchObject({ code: 'TPM_KEY_LOST' });
    await expect(loadIdentity(h.tpm, { dir: h.dir })).rejects.toMatchObject({ code: 'TPM_KEY_LOST' });
  });

  test('are lost on another TPM, which says so before anything is loaded', async () => {
    const h = await start();
    await h.identity();
    const other = await startHost({ fresh: true });
    await expect(loadIdentity(other.tpm, { dir: h.dir })).rejects.toMatchObject({
      code: 'TPM_KEY_LOST',
      message: expect.stringContaining('another TPM'),
    });
    await other.stop();
  });

  test('do not load with the auth file of another identity', async () => {
    const h = await start();
    await h.identity();
    const second = join(h.dir, 'second');
    await createIdentity(h.tpm, { dir: second }, random);
    const places = { dir: h.dir, authFile: join(second, 'identity.auth') };
    await expect(loadIdentity(h.tpm, places)).rejects.toMatchObject({ code: 'TPM_KEY_LOST' });
  });

  test.each(['', '{}', '{"v":1}', '{"v":2}', 'x'])('do not load from a file that says %j', async (text) => {
    const h = await start({ eks: 'none' });
    await h.identity();
    writeFileSync(join(h.dir, 'identity.json'), text);
    await expect(loadIdentity(h.tpm, { dir: h.dir })).rejects.toMatchObject({ code: 'MALFORMED' });
  });

  test.each(['salted', 'password'] as const)('leave nothing behind in %s mode', async (sessions) => {
    const h = await start({}, { sessions });
    await h.identity();
    await h.tpm.close();
    const other = await openTpm({ tcti: h.swtpm.tcti, deadlineMs: 20_000 });
    expect(await occupancy(other)).toEqual({ objects: 0, sessions: 0 });
    await other.close();
  });
});
