/**
 * What an interposer on the bus hears: every command that carries a secret is run behind a tap, once with a salted
 * session, where the secret must not be heard, and once without, where it must (else the tap would prove nothing).
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadAddon } from '../../src/native/addon.ts';
import type { HmacSession, TpmObject } from '../../src/native/handle.ts';
import type { CommandOptions } from '../../src/native/input.ts';
import type { TpmContext } from '../../src/native/tpm.ts';
import { type Swtpm, startSwtpm } from '../kit/swtpm.ts';
import { startTap, type Tap } from './tap.ts';
import * as wire from './wire.ts';

const EK_RSA = 0x81010001;
const EK_P384 = 0x81010016;

let swtpm: Swtpm;
let tap: Tap;
let tpm: TpmContext;

beforeAll(async () => {
  swtpm = await startSwtpm();
  tap = await startTap(join(swtpm.dir, 'tap'), join(swtpm.dir, 'tpm'));
  tpm = await loadAddon().openTpm({ tcti: tap.tcti, queue: 8, deadlineMs: 30_000 });
});
afterAll(async () => {
  await tpm.close();
  await tap.close();
  await swtpm.stop();
});

/** 32 bytes that do not end in zero: no trimming by any layer, and long enough not to turn up by chance. */
const secret = (): Buffer => Buffer.concat([randomBytes(31), Buffer.of(1)]);

async function within(key: number | 'storage', body: (s: HmacSession, storage: TpmObject) => Promise<void>) {
  const storage = await tpm.createPrimary({ hierarchy: 'endorsement', public: wire.STORAGE });
  const tpmKey = key === 'storage' ? storage.handle : (await tpm.persistentObject(key)).handle;
  const session = await tpm.startSession({ type: 'hmac', tpmKey });
  try {
    await body(session, storage.handle);
  } finally {
    await tpm.flush(session);
    await tpm.flush(tpmKey);
    await tpm.flush(storage.handle);
  }
}

interface Case {
  readonly name: string;
  /** Runs the command; returns the secret that was in it. */
  run(storage: TpmObject, o: { auth?: HmacSession; protect?: HmacSession }): Promise<Uint8Array>;
}

const cases: readonly Case[] = [
  {
    name: 'the auth of a new key',
    async run(parent, { auth }) {
      const sensitiveAuth = secret();
      const o: CommandOptions = auth === undefined ? {} : { auth };
      await tpm.create({ parent, public: wire.AK, sensitiveAuth }, o);
      return sensitiveAuth;
    },
  },
  {
    name: 'the auth of a primary',
    async run(_, { auth }) {
      const sensitiveAuth = secret();
      const o: CommandOptions = auth === undefined ? {} : { auth };
      const made = await tpm.createPrimary({ hierarchy: 'null', public: wire.AK, sensitiveAuth }, o);
      await tpm.flush(made.handle);
      return sensitiveAuth;
    },
  },
  {
    name: 'the auth of an NV index',
    async run(_, { auth }) {
      const value = secret();
      const o: CommandOptions = auth === undefined ? {} : { auth };
      const area = wire.nvPublic(0x01800b01, 1);
      const index = await tpm.nvDefineSpace({ hierarchy: 'owner', public: area, auth: value }, o);
      await tpm.nvUndefineSpace({ hierarchy: 'owner', index });
      return value;
    },
  },
  {
    name: 'an activated credential',
    async run(storage, { protect }) {
      const credential = secret();
      const ak = await tpm.createPrimary({ hierarchy: 'endorsement', public: wire.AK });
      const made = await tpm.makeCredential({ key: storage, credential, objectName: ak.name });
      tap.forget();
      const o: CommandOptions = protect === undefined ? {} : { protect };
      const got = await tpm.activateCredential(
        { object: ak.handle, key: storage, credentialBlob: made.credentialBlob, secret: made.secret },
        o,
      );
      expect(got).toEqual(credential);
      await tpm.flush(ak.handle);
      return credential;
    },
  },
  {
    name: 'what is unsealed',
    async run(parent, { auth, protect }) {
      const sensitiveData = secret();
      const made = await tpm.create({ parent, public: wire.SEALED, sensitiveData });
      const object = await tpm.load({ parent, ...made });
      tap.forget();
      const session = protect ?? auth;
      const got = await tpm.unseal(object.handle, session === undefined ? {} : { auth: session });
      expect(got).toEqual(sensitiveData);
      await tpm.flush(object.handle);
      return sensitiveData;
    },
  },
  {
    name: 'random bytes',
    async run(_, { protect }) {
      return tpm.getRandom(32, protect === undefined ? {} : { protect });
    },
  },
];

describe('a salted session keeps from the bus', () => {
  for (const [salt, key] of [
    ['the storage primary', 'storage'],
    ['an RSA-2048 EK', EK_RSA],
    ['a P-384 EK', EK_P384],
  ] as const) {
    for (const c of cases) {
      it(`${c.name}, salted to ${salt}`, async () => {
        await within(key, async (session, storage) => {
          tap.forget();
          expect(tap.heard(await c.run(storage, { auth: session, protect: session }))).toBe(false);
        });
      });
    }
  }

  for (const c of cases) {
    it(`${c.name}: and without one it is heard`, async () => {
      await within('storage', async (_, storage) => {
        tap.forget();
        expect(tap.heard(await c.run(storage, {}))).toBe(true);
      });
    });
  }
});

describe('an HMAC session', () => {
  it('keeps the auth of a key from the bus that a password session shows', async () => {
    await within('storage', async (session, parent) => {
      const sensitiveAuth = secret();
      const made = await tpm.create({ parent, public: wire.AK, sensitiveAuth }, { auth: session });
      const { handle: key } = await tpm.load({ parent, ...made });
      await tpm.setAuth(key, sensitiveAuth);
      const input = { key, qualifyingData: randomBytes(32), selection: wire.selection([0]) };
      tap.forget();
      await tpm.quote(input, { auth: session });
      expect(tap.heard(sensitiveAuth)).toBe(false);
      await tpm.quote(input);
      expect(tap.heard(sensitiveAuth)).toBe(true);
      await tpm.flush(key);
    });
  });

  it('without a salt protects nothing, so it is refused for protection', async () => {
    const session = await tpm.startSession({ type: 'hmac' });
    await expect(tpm.getRandom(32, { protect: session })).rejects.toThrow(/protect is not a salted session/);
    await tpm.flush(session);
  });
});

describe('a policy session', () => {
  it('opens an RSA EK whose template asks for PolicySecret, beside a salted session for the AK', async () => {
    const ek = await tpm.persistentObject(EK_RSA);
    const ak = await tpm.createPrimary({ hierarchy: 'endorsement', public: wire.AK });
    const auth = await tpm.startSession({ type: 'hmac', tpmKey: ek.handle });
    const auth2 = await tpm.startSession({ type: 'policy' });
    await tpm.policySecret({ session: auth2, entity: 'endorsement' });
    const credential = secret();
    const made = await tpm.makeCredential({ key: ek.handle, credential, objectName: ak.name });
    tap.forget();
    const got = await tpm.activateCredential(
      { object: ak.handle, key: ek.handle, credentialBlob: made.credentialBlob, secret: made.secret },
      { auth, auth2 },
    );
    expect(got).toEqual(credential);
    expect(tap.heard(credential)).toBe(false);
    for (const h of [auth, auth2, ak.handle, ek.handle]) await tpm.flush(h);
    expect(tpm.state()).toMatchObject({ objects: 0, sessions: 0 });
  });
});
