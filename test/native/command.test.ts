/** Every command of the TPM face, once, against a real software TPM; and what misuse of it ends in. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadAddon } from '../../src/native/addon.ts';
import type { TpmContext } from '../../src/native/tpm.ts';
import { type Swtpm, startSwtpm } from '../kit/swtpm.ts';
import { exercise } from './exercise.ts';
import * as wire from './wire.ts';

let swtpm: Swtpm;
const addon = loadAddon();
const open = (): Promise<TpmContext> => addon.openTpm({ tcti: swtpm.tcti, queue: 8, deadlineMs: 30_000 });

beforeAll(async () => {
  swtpm = await startSwtpm({ eks: 'none' });
});
afterAll(async () => {
  await swtpm.stop();
});

describe('commands', () => {
  it('all run, and answer as the specification has it', async () => {
    expect(await exercise(addon, swtpm.tcti)).toEqual([]);
  });

  it('say by which auth a session failed', async () => {
    const tpm = await open();
    const storage = await tpm.createPrimary({ hierarchy: 'owner', public: wire.STORAGE });
    const auth = Buffer.from('right');
    const made = await tpm.create({ parent: storage.handle, public: wire.SIGNER, sensitiveAuth: auth });
    const key = await tpm.load({ parent: storage.handle, ...made });
    await tpm.setAuth(key.handle, Buffer.from('wrong'));
    await expect(tpm.sign({ key: key.handle, digest: Buffer.alloc(32) })).rejects.toMatchObject({
      code: 'TPM_ERROR',
      layer: 'tpm',
      rc: 0x9a2,
      rcName: 'TPM_RC_BAD_AUTH (session 1)',
      rcBase: 'TPM_RC_BAD_AUTH',
      command: 'TPM2_Sign',
    });
    const session = await tpm.startSession({ type: 'hmac', tpmKey: storage.handle });
    const sign = () => tpm.sign({ key: key.handle, digest: Buffer.alloc(32) }, { auth: session });
    await expect(sign()).rejects.toMatchObject({ rcBase: 'TPM_RC_BAD_AUTH' });
    // The session outlives the refusal.
    await tpm.setAuth(key.handle, auth);
    expect((await sign()).length).toBeGreaterThan(64);
    await tpm.close();
  });

  it('leave nothing in the TPM when the context closes', async () => {
    for (let i = 0; i < 4; i++) {
      const tpm = await open();
      const storage = await tpm.createPrimary({ hierarchy: 'null', public: wire.STORAGE });
      await tpm.startSession({ type: 'hmac', tpmKey: storage.handle });
      await tpm.startSession({ type: 'policy' });
      expect(tpm.state()).toMatchObject({ objects: 1, sessions: 2 });
      await tpm.close();
      expect(tpm.state()).toMatchObject({ objects: 0, sessions: 0, closed: true });
    }
  });
});

describe('misuse rejects with a TypeError', () => {
  it('for values that are not what the method takes', async () => {
    const tpm = await open();
    const other = (value: unknown) => value as never;
    const calls: [string, () => Promise<unknown>, RegExp][] = [
      ['no object', () => tpm.createPrimary(other(undefined)), /input is not an object/],
      [
        'no hierarchy',
        () => tpm.createPrimary(other({ hierarchy: 'x', public: wire.AK })),
        /not a hierarchy/,
      ],
      ['a forged handle', () => tpm.readPublic(other({})), /object is not a handle/],
      ['a number for a handle', () => tpm.readPublic(other(0x80000000)), /object is not a handle/],
      ['bytes missing', () => tpm.pcrRead(other(undefined)), /selection is not a Uint8Array/],
      ['a view of another type', () => tpm.pcrRead(other(new Uint16Array(4))), /is not a Uint8Array/],
      [
        'a truncated structure',
        () => tpm.pcrRead(wire.selection([1]).subarray(0, 9)),
        /is not the structure/,
      ],
      [
        'bytes left over',
        () => tpm.pcrRead(Buffer.concat([wire.selection([1]), Buffer.of(0)])),
        /is not the struct/,
      ],
      ['too many bytes', () => tpm.setAuth('owner', new Uint8Array(65)), /auth is too long/],
      ['a negative number', () => tpm.getRandom(-1), /bytes is not a number in range/],
      ['NaN', () => tpm.getRandom(Number.NaN), /bytes is not a number in range/],
      ['a PCR that does not exist', () => tpm.pcrReset(32), /pcr is not a number in range/],
      ['options that are none', () => tpm.getRandom(1, other(5)), /options is not an object/],
      ['a session that is none', () => tpm.getRandom(1, { protect: other('x') }), /protect is not a handle/],
      ['too many digests', () => tpm.policyOr(other({}), []), /session is not a handle/],
    ];
    for (const [what, call, message] of calls) {
      await expect(call(), what).rejects.toThrow(TypeError);
      await expect(call(), what).rejects.toThrow(message);
    }
    await tpm.close();
  });

  it('for handles that are dead, of another kind, or of another context', async () => {
    const first = await open();
    const storage = await first.createPrimary({ hierarchy: 'owner', public: wire.STORAGE });
    const session = await first.startSession({ type: 'hmac' });
    await expect(first.readPublic(session as never)).rejects.toThrow(/handle of another kind/);
    await first.flush(storage.handle);
    await expect(first.readPublic(storage.handle)).rejects.toThrow(/flushed already/);
    await first.close();
    const second = await open();
    await expect(second.getName(storage.handle)).rejects.toThrow(/belongs to another context/);
    await second.close();
  });

  it('when the context is opened without what it needs', async () => {
    const openWith = (input: unknown) => () => addon.openTpm(input as never);
    expect(openWith(undefined)).toThrow(TypeError);
    expect(openWith({ tcti: 5, queue: 1, deadlineMs: 1 })).toThrow(/tcti is not a string/);
    expect(openWith({ tcti: 'x:', queue: 1 })).toThrow(/deadlineMs/);
  });
});

describe('a TPM that is not there', () => {
  it('is TPM_UNAVAILABLE, with the layer and name of the fault', async () => {
    const absent = addon.openTpm({ tcti: `swtpm:path=${swtpm.dir}/none`, queue: 1, deadlineMs: 5000 });
    await expect(absent).rejects.toMatchObject({
      code: 'TPM_UNAVAILABLE',
      reason: 'open',
      layer: 'tcti',
      rcName: 'TSS2_TCTI_RC_IO_ERROR',
    });
    const unknown = addon.openTpm({ tcti: 'nonsense:', queue: 1, deadlineMs: 5000 });
    await expect(unknown).rejects.toMatchObject({ code: 'TPM_UNAVAILABLE', layer: 'tcti' });
  });
});
