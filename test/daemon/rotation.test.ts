/**
 * AK and record key that are replaced, on a software TPM: the old ones go on until the authority has certified the new
 * AK, the change stands in the log at the start of a run, everything sealed before and after is verified, and a crash
 * between any two steps leads to the same end.
 */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openAuthority, openSigner } from '../../src/ca/authority.ts';
import { makeChallenge } from '../../src/ca/challenge.ts';
import { issue } from '../../src/ca/issue.ts';
import { toHex, utf8 } from '../../src/core/bytes.ts';
import { recoverHost } from '../../src/daemon/init.ts';
import { epochOf, layoutOf, readCurrent } from '../../src/daemon/layout.ts';
import { bundleFromState } from '../../src/daemon/offline.ts';
import { abandonRotation } from '../../src/daemon/rotating.ts';
import { selectionOf } from '../../src/daemon/selection.ts';
import { KEY_ROLES, keyExtraData } from '../../src/evidence/binding.ts';
import { type Predicate, readStatement } from '../../src/evidence/statement.ts';
import { openStore } from '../../src/store/open.ts';
import { certifyKey } from '../../src/tpm/certify.ts';
import { findEks } from '../../src/tpm/ek.ts';
import { makeRequest, respond } from '../../src/tpm/enrol.ts';
import { type Identity, loadIdentity } from '../../src/tpm/keys.ts';
import { beginRotation, keepWaitingCertificate, readRotation, waitingKeys } from '../../src/tpm/rotation.ts';
import { openTpm, type Tpm } from '../../src/tpm/tpm.ts';
import { Audit } from '../../src/verify/audit/audit.ts';
import type { Trust } from '../../src/verify/trust.ts';
import { verifyBundle, verifyFresh } from '../../src/verify/verify.ts';
import { enrol, trustFor } from './enrol.ts';
import { ask, body, type Host, makeHost, random, until } from './kit.ts';

let host: Host;
let trust: Trust;
let identityDir: string;
const bundles: Uint8Array[] = [];
const ids: string[] = [];

async function withTpm<T>(act: (tpm: Tpm, identity: Identity) => Promise<T>): Promise<T> {
  const { tcti, deadline_ms, sessions } = host.config.tpm;
  const tpm = await openTpm({ tcti, deadlineMs: deadline_ms, sessions });
  try {
    return await act(tpm, await loadIdentity(tpm, { dir: identityDir }));
  } finally {
    await tpm.close();
  }
}

/** A daemon that lives as long as `act`. */
async function running<T>(act: () => Promise<T>): Promise<T> {
  await (await host.start()).started;
  try {
    return await act();
  } finally {
    await host.stop();
  }
}

/** Records once, keeps the bundle. */
async function record(): Promise<string> {
  const made = await ask(host.config.socket.path, '/v1/records?wait=sealed', { body: body() });
  expect([made.status, made.text]).toEqual([201, expect.any(String)]);
  const bundle = await ask(host.config.socket.path, `/v1/records/${made.json.id}/bundle`);
  expect([bundle.status, bundle.text.slice(0, 200)]).toEqual([200, expect.any(String)]);
  bundles.push(utf8(bundle.text));
  ids.push(made.json.id);
  return made.json.id;
}

const findings = async (bundle: Uint8Array) => {
  const report = await verifyBundle(bundle, trust);
  return [
    report.verdict,
    ...report.checks.filter((c) => c.status === 'fail').map((c) => `${c.id}: ${c.sentence}`),
  ];
};
async function expectAllVerify(): Promise<void> {
  for (const bundle of bundles) expect(await findings(bundle)).toEqual(['verified']);
}

/** Statements of the log in use, and what its audit finds. */
async function audited() {
  const store = await openStore(
    layoutOf(host.config.state_dir).log(epochOf(readCurrent(layoutOf(host.config.state_dir)).origin)),
  );
  const audit = new Audit();
  try {
    const seals = [...store.seals()];
    for (let i = 0; i < store.size; i++) {
      while (seals[0] !== undefined && seals[0].size <= i)
        await audit.seal((seals.shift() as { note: Uint8Array }).note);
      audit.entry(store.entry(i));
    }
    for (const { note } of seals) await audit.seal(note);
    const statements = Array.from({ length: store.size }, (_, i) => readStatement(store.entry(i)));
    return { statements, report: await audit.finish() };
  } finally {
    await store.close();
  }
}

/** The authority certifies the AK that waits, because the one in force signs for it. No person is asked. */
async function certifyWaiting(): Promise<void> {
  const clock = Date.now;
  const authority = await openAuthority(join(host.dir, 'ca'), { clock, random });
  await withTpm(async (tpm, identity) => {
    const rotation = await readRotation(identityDir);
    if (rotation === undefined) throw new Error('no keys wait');
    const { ak, akCreation } = waitingKeys(rotation, identity.storage.name);
    if (ak === undefined || akCreation === undefined) throw new Error('no AK waits');
    const { origin } = readCurrent(layoutOf(host.config.state_dir));
    const certified = await certifyKey(tpm, identity.ak, ak, keyExtraData(KEY_ROLES.ak, origin));
    const { eks, chain } = await findEks(tpm);
    const ek = eks.find((e) => e.kind === 'p384');
    if (ek === undefined) throw new Error('this swtpm has no P-384 EK');
    const waiting = { storage: identity.storage, ak, akCreation };
    const rotates = { origin, public: identity.ak.public, ...certified };
    const { fleet, host: name } = host.config;
    const request = await makeRequest(tpm, {
      fleet,
      host: name,
      identity: waiting,
      ek,
      chain,
      random,
      clock,
      rotates,
    });
    const { challenge } = await makeChallenge(authority, request);
    const selection = selectionOf(host.config.tpm.pcrs);
    const response = await respond(tpm, { request, challenge, identity: waiting, ek, selection, clock });
    const signer = await openSigner(authority);
    const { certificateFile } = await issue(authority, response, { signer, approve: () => true });
    await keepWaitingCertificate(identityDir, rotation, certificateFile);
  });
}

const begin = (ak: boolean, recordKey: boolean) =>
  withTpm((tpm) =>
    beginRotation(tpm, identityDir, { ak, recordKey, reason: 'the test says so' }, Date.now(), random),
  );
const names = () => withTpm(async (_, { ak, recordKey }) => [toHex(ak.name), toHex(recordKey.name)]);

beforeAll(async () => {
  host = await makeHost();
  await host.init();
  identityDir = layoutOf(host.config.state_dir).identity;
  const root = await enrol(host);
  await running(record);
  trust = trustFor(root, bundles[0] as Uint8Array);
}, 300_000);
afterAll(() => host?.remove());

test('the old keys go on until the new AK is certified, and are followed at the start of a run', {
  timeout: 600_000,
}, async () => {
  const before = await names();
  await begin(true, true);
  await expect(begin(true, false)).rejects.toMatchObject({ code: 'EXISTS' });
  await running(record);
  expect(await names()).toEqual(before);
  await certifyWaiting();
  await running(async () => {
    await record();
    // What the retired key sealed is shown under its own certificate, by the daemon that has the new one.
    const again = await ask(host.config.socket.path, `/v1/records/${ids[0]}/bundle`);
    bundles.push(utf8(again.text));
    const nonce = new Uint8Array(32).fill(9);
    const fresh = await until(async () => {
      const made = await ask(host.config.admin_socket.path, '/v1/quotes', {
        body: JSON.stringify({ nonce: Buffer.from(nonce).toString('base64url') }),
      });
      return made.status === 200 ? made : undefined;
    });
    const { verdict } = await verifyFresh(utf8(fresh.text), nonce, trust);
    expect(verdict).toBe('verified');
  });
  const after = await names();
  expect(after[0]).not.toBe(before[0]);
  expect(after[1]).not.toBe(before[1]);
  expect(existsSync(join(identityDir, 'rotation.json'))).toBe(false);
  expect(readdirSync(join(identityDir, 'retired'))).toHaveLength(1);
  await expectAllVerify();
  const { statements, report } = await audited();
  expect([report.verdict, report.findings]).toEqual(['verified', []]);
  const at = statements.findIndex((s) => s.kind === 'keychange');
  expect(statements.slice(at - 1, at + 3).map((s) => s.kind)).toEqual([
    'boot',
    'keychange',
    'keychange',
    'anchor',
  ]);
  const roles = statements.slice(at, at + 2).map((s) => (s.predicate as Predicate<'keychange'>).role);
  expect(roles).toEqual(['ak', 'record']);
});

test('what was sealed before is taken out of the state of a stopped host too', async () => {
  for (const id of ids) bundles.push((await bundleFromState(host.config.state_dir, id)).bytes);
  await expectAllVerify();
});

test('a crash behind any step leads to the same keys', { timeout: 900_000 }, async () => {
  await begin(false, true);
  const waiting = readFileSync(join(identityDir, 'rotation.json'));
  cpSync(identityDir, `${identityDir}.before`, { recursive: true });
  await running(record);
  const after = await names();
  const end = (name: string) => readFileSync(join(identityDir, name));
  const [auth, identity] = [end('identity.auth'), end('identity.json')];
  const word = join(
    layoutOf(host.config.state_dir).log(epochOf(readCurrent(layoutOf(host.config.state_dir)).origin)),
    'keychange.json',
  );
  const before = () => {
    rmSync(identityDir, { recursive: true });
    cpSync(`${identityDir}.before`, identityDir, { recursive: true });
  };
  const logged = JSON.stringify({ ...JSON.parse(waiting.toString()), state: 'logged' });
  const crashes: Record<string, () => void> = {
    'the entry is durable, nothing else': () => {
      before();
      rmSync(word);
    },
    'the word is left too': before,
    'the rotation is marked as logged': () => {
      before();
      writeFileSync(join(identityDir, 'rotation.json'), logged);
    },
    'the auth values are written': () => {
      before();
      writeFileSync(join(identityDir, 'rotation.json'), logged);
      writeFileSync(join(identityDir, 'identity.auth'), auth);
    },
    'the blobs are written': () => {
      before();
      writeFileSync(join(identityDir, 'rotation.json'), logged);
      writeFileSync(join(identityDir, 'identity.auth'), auth);
      writeFileSync(join(identityDir, 'identity.json'), identity);
    },
    'somebody removed the word beside the log': () => rmSync(word),
  };
  for (const [what, crash] of Object.entries(crashes)) {
    crash();
    await running(record);
    expect([what, await names(), existsSync(join(identityDir, 'rotation.json'))]).toEqual([
      what,
      after,
      false,
    ]);
  }
  await expectAllVerify();
  const { statements, report } = await audited();
  expect(report.findings).toEqual([]);
  expect(statements.filter((s) => s.kind === 'keychange')).toHaveLength(3);
});

test('keys that wait are forgotten on demand, but never once the log names them', {
  timeout: 600_000,
}, async () => {
  await begin(false, true);
  await abandonRotation(layoutOf(host.config.state_dir));
  await expect(abandonRotation(layoutOf(host.config.state_dir))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await begin(false, true);
  cpSync(join(identityDir, 'rotation.json'), join(host.dir, 'rotation.json'));
  await running(record);
  cpSync(join(host.dir, 'rotation.json'), join(identityDir, 'rotation.json'));
  await expect(abandonRotation(layoutOf(host.config.state_dir))).rejects.toMatchObject({ code: 'EXISTS' });
  await running(record);
  await expectAllVerify();
});

test('a new epoch begins with the keys in force, and keys that wait come into force in it', {
  timeout: 600_000,
}, async () => {
  await begin(true, false);
  await certifyWaiting();
  const before = await names();
  await recoverHost({ config: host.config, now: Date.now, random }, 'the test wants another epoch');
  expect(await names()).toEqual(before);
  await running(record);
  expect((await names())[0]).not.toBe(before[0]);
  await expectAllVerify();
  const { statements, report } = await audited();
  expect(report.findings).toEqual([]);
  expect(statements.map((s) => s.kind).slice(0, 4)).toEqual(['genesis', 'boot', 'keychange', 'gap']);
});
