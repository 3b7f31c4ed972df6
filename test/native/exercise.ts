/**
 * Runs every command of the TPM face once against a real TPM and checks what comes back. Two tests use it: the plain
 * one, and the one that runs it under AddressSanitizer. At most three objects and three sessions at a time: swtpm has
 * no more slots.
 */
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { Addon } from '../../src/native/addon.ts';
import type { PolicySession, TpmContext } from '../../src/native/tpm.ts';
import * as wire from './wire.ts';

const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const h = createHash('sha256');
  for (const p of parts) h.update(p);
  return h.digest();
};

/** The same context, noting which methods are called. */
function watched(tpm: TpmContext, seen: Set<string>): TpmContext {
  return new Proxy(tpm, {
    get(target, name) {
      if (typeof name === 'string' && name !== 'then') seen.add(name);
      return Reflect.get(target, name);
    },
  });
}

/** @returns names of the methods that were not called: none */
export async function exercise(addon: Addon, tcti: string): Promise<string[]> {
  const plain = await addon.openTpm({ tcti, queue: 32, deadlineMs: 60_000 });
  const seen = new Set<string>();
  const tpm = watched(plain, seen);
  try {
    await administration(tpm);
    await attestation(tpm);
    await policies(tpm);
    await approval(tpm);
    await nonVolatile(tpm);
    const { objects, sessions, queued } = tpm.state();
    assert.deepEqual({ objects, sessions, queued }, { objects: 0, sessions: 0, queued: 0 });
  } finally {
    await tpm.close();
  }
  return Object.keys(plain).filter((name) => !seen.has(name));
}

async function administration(tpm: TpmContext): Promise<void> {
  await tpm.startup('clear'); // done already, which ESYS does not count as a fault
  await tpm.selfTest(false);
  assert.equal((await tpm.getTestResult()).testResult, 0);
  // TPM_CAP_TPM_PROPERTIES, TPM_PT_FAMILY_INDICATOR: "2.0\0"
  const family = await tpm.getCapability(6, 0x100, 1);
  assert.equal(family.data.subarray(-4).toString('latin1'), '2.0\0');
  assert.equal(family.more, true);
  await tpm.testParms(wire.AK_PARMS);
  assert.equal((await tpm.getRandom(20)).length, 20);
  const clock = await tpm.readClock();
  assert.equal(typeof clock.clock, 'bigint');

  const digest = sha256(Buffer.from('one event'));
  const before = (await tpm.pcrRead(wire.selection([16]))).values[0] as Buffer;
  await tpm.pcrExtend(16, wire.digestValues(digest));
  const after = (await tpm.pcrRead(wire.selection([16]))).values[0] as Buffer;
  assert.deepEqual(after, sha256(before, digest));
  await tpm.pcrReset(16);
  const read = await tpm.pcrRead(wire.selection([16]));
  assert.deepEqual(read.values, [Buffer.alloc(32)]);
  assert.deepEqual(read.selection, wire.selection([16]));

  const data = Buffer.from('data');
  const hashed = await tpm.hash({ data, hash: 0x0b, hierarchy: 'endorsement' });
  assert.deepEqual(hashed.digest, sha256(data));
  const sequence = await tpm.hashSequenceStart(0x0b);
  await tpm.sequenceUpdate(sequence, data);
  const whole = await tpm.sequenceComplete({ sequence, data, hierarchy: 'null' });
  assert.deepEqual(whole.digest, sha256(data, data));
}

async function attestation(tpm: TpmContext): Promise<void> {
  const storage = await tpm.createPrimary({ hierarchy: 'endorsement', public: wire.STORAGE });
  const session = await tpm.startSession({ type: 'hmac', tpmKey: storage.handle });
  const auth = Buffer.concat([randomBytes(31), Buffer.of(7)]);
  const made = await tpm.create(
    { parent: storage.handle, public: wire.AK, sensitiveAuth: auth, outsideInfo: randomBytes(32) },
    { auth: session },
  );
  const ak = await tpm.load({ parent: storage.handle, private: made.private, public: made.public });
  assert.deepEqual(ak.name, Buffer.concat([Buffer.of(0, 0x0b), sha256(made.public)]));
  assert.deepEqual(await tpm.getName(ak.handle), ak.name);
  assert.deepEqual((await tpm.readPublic(ak.handle)).public, made.public);
  assert.equal((await tpm.tpmHandle(ak.handle)) >>> 24, 0x80);
  await tpm.setAuth(ak.handle, auth);

  const key = ak.handle;
  const qualifyingData = randomBytes(32);
  const quote = await tpm.quote(
    { key, qualifyingData, selection: wire.selection([0, 1, 16]) },
    { auth: session },
  );
  assert.equal(quote.attest.readUInt16BE(4), 0x8018);
  assert.ok(quote.attest.includes(qualifyingData));
  assert.equal(quote.signature.readUInt16BE(0), 0x18);
  // The password session too, and the scheme spelled out.
  await tpm.quote({ key, qualifyingData, selection: wire.selection([0]), scheme: wire.ECDSA_SHA256 });
  assert.equal((await tpm.getTime({ key, qualifyingData })).attest.readUInt16BE(4), 0x8019);
  const birth = await tpm.certifyCreation(
    {
      key,
      object: key,
      qualifyingData,
      creationHash: made.creationHash,
      creationTicket: made.creationTicket,
    },
    { auth: session },
  );
  assert.equal(birth.attest.readUInt16BE(4), 0x801a);

  const digest = sha256(Buffer.from('to sign'));
  await assert.rejects(tpm.sign({ key, digest }), { rcName: 'TPM_RC_TICKET (parameter 3)' });
  const ticket = (await tpm.hash({ data: Buffer.from('to sign'), hash: 0x0b, hierarchy: 'endorsement' }))
    .ticket;
  await tpm.sign({ key, digest, ticket }, { auth: session });

  const signer = await tpm.create({ parent: storage.handle, public: wire.SIGNER });
  const loaded = await tpm.load({ parent: storage.handle, private: signer.private, public: signer.public });
  const certified = await tpm.certify({ object: loaded.handle, key, qualifyingData }, { auth2: session });
  assert.equal(certified.attest.readUInt16BE(4), 0x8017);
  await tpm.sign({ key: loaded.handle, digest, scheme: wire.ECDSA_SHA256 });
  await tpm.flush(loaded.handle);

  const credential = randomBytes(32);
  const sealed = await tpm.makeCredential({ key: storage.handle, credential, objectName: ak.name });
  const activated = await tpm.activateCredential(
    { object: key, key: storage.handle, credentialBlob: sealed.credentialBlob, secret: sealed.secret },
    { auth: session },
  );
  assert.deepEqual(activated, credential);

  const counter = await tpm.nvDefineSpace(
    { hierarchy: 'owner', public: wire.nvPublic(0x01800a01, 1), auth },
    { protect: session },
  );
  await tpm.nvIncrement({ entity: counter, index: counter }, { auth: session });
  const certifiedNv = await tpm.nvCertify(
    { key, entity: counter, index: counter, qualifyingData, size: 8, offset: 0 },
    { auth: session },
  );
  assert.equal(certifiedNv.attest.readUInt16BE(4), 0x8014);
  await tpm.nvUndefineSpace({ hierarchy: 'owner', index: counter });
  await tpm.flush(key);
  await tpm.flush(session);
  await tpm.flush(storage.handle);
  await tpm.flush(storage.handle);

  const outside = await tpm.loadExternal({ public: made.public, hierarchy: 'null' });
  assert.deepEqual(outside.name, ak.name);
  await tpm.flush(outside.handle);
}

async function policies(tpm: TpmContext): Promise<void> {
  const pcrs = wire.selection([16]);
  const trial = await tpm.startSession({ type: 'trial' });
  await tpm.policyPcr(trial, new Uint8Array(), pcrs);
  const branch = await tpm.policyGetDigest(trial);
  await tpm.policyOr(trial, [branch, Buffer.alloc(32, 1)]);
  await tpm.policyCommandCode(trial, 0x15e);
  const policy = await tpm.policyGetDigest(trial);
  await tpm.policyAuthorize({
    session: trial,
    approvedPolicy: policy,
    policyRef: new Uint8Array(),
    keyName: Buffer.concat([Buffer.of(0, 0x0b), Buffer.alloc(32, 2)]),
    ticket: wire.NO_TICKET,
  });
  await tpm.flush(trial);

  const storage = await tpm.createPrimary({ hierarchy: 'endorsement', public: wire.STORAGE });
  const guard = await tpm.startSession({ type: 'hmac', tpmKey: storage.handle });
  const sealed = await tpm.create(
    { parent: storage.handle, public: wire.sealedBy(policy), sensitiveData: Buffer.from('a secret') },
    { auth: guard },
  );
  const object = await tpm.load({
    parent: storage.handle,
    private: sealed.private,
    public: sealed.public,
  });
  const session = await tpm.startSession({ type: 'policy' });
  await tpm.policyPcr(session, new Uint8Array(), pcrs);
  await tpm.policyOr(session, [branch, Buffer.alloc(32, 1)]);
  await tpm.policyCommandCode(session, 0x15e);
  const opened = await tpm.unseal(object.handle, { auth: session, protect: guard });
  assert.equal(opened.toString(), 'a secret');

  await tpm.policySecret({ session, entity: 'endorsement' });
  // Somebody frees the slot by its number; ours finds it gone, and the handle is dead either way.
  await tpm.flushUnowned(await tpm.tpmHandle(session));
  await assert.rejects(tpm.flush(session), { rcBase: 'TPM_RC_HANDLE' });
  await tpm.flush(session);
  await tpm.flush(guard);
  await tpm.flush(object.handle);
  await tpm.flush(storage.handle);
}

/** A key that signs under a policy that another key signed, and with its auth value. */
async function approval(tpm: TpmContext): Promise<void> {
  const pcrs = wire.selection([16]);
  const policyRef = randomBytes(32);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  const area = wire.publicSigner(spki.subarray(-64));
  const owner = await tpm.loadExternal({ public: area, hierarchy: 'endorsement' });

  const trial = await tpm.startSession({ type: 'trial' });
  await tpm.policyPcr(trial, new Uint8Array(), pcrs);
  const approvedPolicy = await tpm.policyGetDigest(trial);
  const digest = sha256(approvedPolicy, policyRef);
  const raw = sign('sha256', Buffer.concat([approvedPolicy, policyRef]), {
    key: privateKey,
    dsaEncoding: 'ieee-p1363',
  });
  const signature = wire.ecdsa(raw);
  const ticket = await tpm.verifySignature({ key: owner.handle, digest, signature });
  await assert.rejects(tpm.verifySignature({ key: owner.handle, digest: sha256(digest), signature }), {
    rcBase: 'TPM_RC_SIGNATURE',
  });
  await tpm.flush(owner.handle);
  const authorise = async (session: PolicySession) => {
    await tpm.policyPcr(session, new Uint8Array(), pcrs);
    await tpm.policyAuthorize({ session, approvedPolicy, policyRef, keyName: owner.name, ticket });
    await tpm.policyAuthValue(session);
  };
  await authorise(trial);
  const policy = await tpm.policyGetDigest(trial);
  await tpm.flush(trial);

  const storage = await tpm.createPrimary({ hierarchy: 'endorsement', public: wire.STORAGE });
  const auth = Buffer.concat([randomBytes(31), Buffer.of(7)]);
  const made = await tpm.create({
    parent: storage.handle,
    public: wire.signerBy(policy),
    sensitiveAuth: auth,
  });
  const key = await tpm.load({ parent: storage.handle, private: made.private, public: made.public });
  await tpm.flush(storage.handle);
  await tpm.setAuth(key.handle, auth);
  const session = await tpm.startSession({ type: 'policy' });
  await authorise(session);
  await tpm.sign({ key: key.handle, digest }, { auth: session });
  await tpm.flush(session);
  // Neither the auth value alone will do, nor the policy with another one.
  await assert.rejects(tpm.sign({ key: key.handle, digest }), { rcBase: 'TPM_RC_AUTH_UNAVAILABLE' });
  await tpm.setAuth(key.handle, Buffer.from('another'));
  const other = await tpm.startSession({ type: 'policy' });
  await authorise(other);
  await assert.rejects(tpm.sign({ key: key.handle, digest }, { auth: other }));
  await tpm.flush(other);
  await tpm.flush(key.handle);
}

async function nonVolatile(tpm: TpmContext): Promise<void> {
  const number = 0x01800a02;
  const area = wire.nvPublic(number, 4);
  const auth = Buffer.from('an auth value');
  const made = await tpm.nvDefineSpace({ hierarchy: 'owner', public: area, auth });
  await tpm.flush(made);
  const { handle: index, name } = await tpm.nvIndex(number);
  assert.deepEqual(name, Buffer.concat([Buffer.of(0, 0x0b), sha256(area)]));
  assert.deepEqual((await tpm.nvReadPublic(index)).public, area);
  await assert.rejects(tpm.nvRead({ entity: index, index, size: 32, offset: 0 }), {
    rcName: 'TPM_RC_BAD_AUTH (session 1)',
  });
  await tpm.setAuth(index, auth);
  await tpm.nvExtend({ entity: index, index, data: Buffer.from('more') });
  const value = await tpm.nvRead({ entity: 'owner', index, size: 32, offset: 0 });
  assert.deepEqual(value, sha256(Buffer.alloc(32), Buffer.from('more')));
  await tpm.nvUndefineSpace({ hierarchy: 'owner', index });

  await assert.rejects(tpm.persistentObject(0x81000abc), { rcBase: 'TPM_RC_HANDLE' });
  await tpm.shutdown('clear');
}
