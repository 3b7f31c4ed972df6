/**
 * A record key that its TPM lets sign only in approved states: on a real TPM, with approvals as the operator makes them,
 * and what an attacker with the blobs, the auth values or a file of their own can do with it.
 */
import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { concat, u16, u32 } from '../../src/core/bytes.ts';
import { KEY_ROLES, keyExtraData } from '../../src/evidence/binding.ts';
import { printStateApproval, recordPolicy } from '../../src/evidence/stateapproval.ts';
import { ALG_SHA256 } from '../../src/evidence/tpm/algorithm.ts';
import { parsePublic } from '../../src/evidence/tpm/public.ts';
import { certifyKey } from '../../src/tpm/certify.ts';
import { createIdentity, type Identity, loadIdentity } from '../../src/tpm/keys.ts';
import { pcrRead } from '../../src/tpm/pcr.ts';
import { signMessage } from '../../src/tpm/sign.ts';
import { isBound, recordKeyFault, signingKeyFault } from '../../src/verify/checks/akkey.ts';
import { ecKey, spkiOf } from '../kit/corim.ts';

import { type Host, random, startHost } from './host.ts';

const FLEET = 'fleet';
const PCR = 16; // resettable, so that a state can come back
const operator = ecKey();
let h: Host;
let identity: Identity;
let approvals: string;

const pcrValue = async (pcr: number): Promise<string> =>
  (await pcrRead(h.tpm, [{ hash: ALG_SHA256, pcrs: [pcr] }])).sha256?.[String(pcr)] as string;
const extend = (pcr: number) =>
  h.tpm.run((w) => w.ctx.pcrExtend(pcr, concat(u32(1), u16(ALG_SHA256), random(32)), w.plain()));
const approvalOf = (
  pcrs: Record<string, string>,
  {
    fleet = FLEET,
    keys = operator,
  }: { fleet?: string; keys?: { privateKey: KeyObject; publicKey: KeyObject } } = {},
) =>
  printStateApproval(
    { fleet, key: spkiOf(keys.publicKey), pcrs },
    (m) => new Uint8Array(sign('sha256', m, keys.privateKey)),
  );
const approve = (name: string, bytes: Uint8Array) => writeFileSync(join(approvals, name), bytes);
const message = new TextEncoder().encode('a message of ours');
const signed = () => signMessage(h.tpm, identity.recordKey, message);
const holds = (p1363: Uint8Array): boolean => {
  const key = createPublicKey({ key: Buffer.from(identity.recordKey.spki), format: 'der', type: 'spki' });
  return verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, p1363);
};
const refused = async (why: RegExp) => {
  await expect(signed()).rejects.toMatchObject({
    code: 'RECORD_KEY_UNAPPROVED',
    message: expect.stringMatching(why),
  });
};

beforeAll(async () => {
  h = await startHost();
  approvals = join(h.dir, 'approvals');
  const recordKeyPolicy = recordPolicy(spkiOf(operator.publicKey), FLEET);
  identity = await createIdentity(h.tpm, { dir: h.dir, approvals }, random, {
    recordPolicy: recordKeyPolicy,
  });
}, 120_000);
afterAll(() => h?.stop());
beforeEach(async () => {
  rmSync(approvals, { recursive: true, force: true });
  mkdirSync(approvals);
  await h.tpm.run((w) => w.ctx.pcrReset(PCR, w.plain()));
});

test('it has exactly the form that verifiers accept', () => {
  const area = parsePublic(identity.recordKey.public);
  expect([isBound(area), recordKeyFault(area)]).toEqual([true, undefined]);
  expect(signingKeyFault(area)).toBeDefined();
  expect(isBound(parsePublic(identity.ak.public))).toBe(false);
});

test('it signs in an approved state, and is certified in any', async () => {
  approve('now.json', approvalOf({ [PCR]: await pcrValue(PCR), 7: await pcrValue(7) }));
  expect(holds((await signed()).p1363)).toBe(true);
  expect(identity.recordKey.bound?.last).toEqual({ approved: true });
  await extend(PCR);
  const extraData = keyExtraData(KEY_ROLES.record, 'fleet/host/1');
  await certifyKey(h.tpm, identity.ak, identity.recordKey, extraData);
});

test('it does not sign in another state, and does again when that one is approved, with the same key', async () => {
  approve('now.json', approvalOf({ [PCR]: await pcrValue(PCR) }));
  await extend(PCR);
  await refused(/no approval in .* is for this state: PCR 16 has other values/);
  expect(identity.recordKey.bound?.last).toMatchObject({ approved: false });
  approve('next.json', approvalOf({ [PCR]: await pcrValue(PCR) }));
  expect(holds((await signed()).p1363)).toBe(true);
  const again = await loadIdentity(h.tpm, { dir: h.dir, approvals });
  expect(again.recordKey.name).toEqual(identity.recordKey.name);
});

test('registers that are not approved may change, even between the policy and the use of the key', async () => {
  approve('now.json', approvalOf({ 7: await pcrValue(7) }));
  const noise = (async () => {
    for (let i = 0; i < 12; i++) await extend(PCR);
  })();
  for (let i = 0; i < 6; i++) expect(holds((await signed()).p1363)).toBe(true);
  await noise;
});

describe('what is no approval', () => {
  const state = async () => ({ [PCR]: await pcrValue(PCR) });
  test('none at all', async () => {
    await refused(/^there is no approval in /);
    rmSync(approvals, { recursive: true });
    await refused(/^there is no approval in /);
    mkdirSync(approvals);
  });
  test.each<[string, () => Promise<Uint8Array>, RegExp]>([
    [
      'by another operator',
      async () => approvalOf(await state(), { keys: ecKey() }),
      /by another operator, or for another fleet/,
    ],
    [
      'for another fleet',
      async () => approvalOf(await state(), { fleet: 'other' }),
      /by another operator, or for another fleet/,
    ],
    [
      'with the values of now under the signature of then',
      async () => {
        const then = JSON.parse(new TextDecoder().decode(approvalOf({ [PCR]: '11'.repeat(32) })));
        return new TextEncoder().encode(JSON.stringify({ ...then, pcrs: await state() }));
      },
      /its signature does not hold/,
    ],
    ['that is no JSON', async () => new Uint8Array(5), /x\.json: /],
    ['that is too long', async () => new Uint8Array(8193).fill(0x20), /x\.json: /],
  ])('one %s', async (_, make, why) => {
    approve('x.json', await make());
    await refused(why);
  });
  test('but one beside it counts', async () => {
    approve('a.json', new Uint8Array(5));
    approve('b.json', approvalOf(await state()));
    expect(holds((await signed()).p1363)).toBe(true);
  });
});

test('the TPM itself refuses the auth value alone, and a state that only software calls approved', async () => {
  const digest = random(32);
  const alone = h.tpm.run(async (w) =>
    w.ctx.sign({ key: await w.key(identity.recordKey), digest }, await w.authorised()),
  );
  await expect(alone).rejects.toMatchObject({ facts: { rcName: 'TPM_RC_AUTH_UNAVAILABLE' } });
  const empty = h.tpm.run(async (w) => {
    const session = w.keep(await w.ctx.startSession({ type: 'policy' }, w.plain()));
    await w.ctx.policyAuthValue(session, w.plain());
    return w.ctx.sign({ key: await w.key(identity.recordKey), digest }, { ...w.plain(), auth: session });
  });
  await expect(empty).rejects.toMatchObject({
    facts: { rcName: expect.stringMatching(/^TPM_RC_POLICY_FAIL/) },
  });
});

test('nothing is left in the TPM', async () => {
  approve('now.json', approvalOf({ [PCR]: await pcrValue(PCR) }));
  for (let i = 0; i < 8; i++) await signed();
  const { objects, sessions } = h.tpm.state();
  expect([objects <= 2, sessions <= 1]).toEqual([true, true]);
});
