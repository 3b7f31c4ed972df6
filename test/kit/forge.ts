/**
 * A host without a TPM, for tests of the verifier: WebCrypto keys stand for AK, storage primary and record key, and
 * the structures that a TPM would sign are printed and signed here. Everything it makes is valid, and each layer can
 * be altered before the layers above are made, so that a vector breaks one rule and keeps all others.
 */
import { concat, toBase64, toHex, ZERO32 } from '../../src/core/bytes.ts';
import type { Json, JsonObject } from '../../src/core/json.ts';
import { hostUri } from '../../src/evidence/akprofile.ts';
import {
  anchorExtraData,
  freshCounterExtraData,
  freshExtraData,
  keyExtraData,
  sealExtraData,
} from '../../src/evidence/binding.ts';
import { disclosureDigest, makeDisclosure } from '../../src/evidence/disclosure.ts';
import { encodeSeal, sealDigest, sealKeyId } from '../../src/evidence/seal.ts';
import { ALG_SHA256 } from '../../src/evidence/tpm/algorithm.ts';
import {
  ATTEST_CERTIFY,
  ATTEST_NV,
  ATTEST_QUOTE,
  type Attest,
  type Attested,
} from '../../src/evidence/tpm/attest.ts';
import { pcrDigest } from '../../src/evidence/tpm/pcr.ts';
import { publicName } from '../../src/evidence/tpm/public.ts';
import { printSignature } from '../../src/evidence/tpm/signature.ts';
import { ecdsaDer } from '../../src/evidence/x509/signature.ts';
import { printCheckpoint } from '../../src/log/checkpoint.ts';
import { ecdsaKeyId } from '../../src/log/keys.ts';
import { type NoteSignature, printNote } from '../../src/log/note.ts';
import type { RawFresh } from '../../src/verify/fresh.ts';
import type { RawEvidence } from '../../src/verify/gather.ts';
import { TRUST_SCHEMA } from '../../src/verify/trust.ts';
import { issue, makeCrl, signRaw } from './authority.ts';

import { type AnchorSeed, createForgedLog } from './forgedlog.ts';
import { forgeRotation } from './forgedrotation.ts';
import { createForgedTpm } from './forgedtpm.ts';
import {
  type Alter,
  EPOCH,
  FLEET,
  type Forged,
  HOST,
  type Hooks,
  NONCE,
  PCRS,
  POLICIES,
  pcrValue,
  same,
  T0,
  world,
} from './hooks.ts';
import { MEASURED, measuredBodies } from './measured.ts';

/** A bundle in parts and the trust file that accepts it, with the changes asked for. */
export async function forge(hooks: Hooks = {}): Promise<Forged> {
  const w = await world();
  const origin = hooks.origin ?? `${FLEET}/${HOST}/${EPOCH}`;
  const alter = <T>(hook: Alter<T> | undefined, value: T): T => (hook ?? same)(value, w);

  const tpm = createForgedTpm(hooks, w);
  const { akPublic, storagePublic, recordPublic, nvPublic, recordName, recordQn } = tpm;
  const { attestOf, sign, certified, nv } = tpm;

  const log = createForgedLog(hooks, origin);
  const { add, bootPredicate, build, put, entries, digests, range, raw, rawAnchor } = log;

  const empty = printCheckpoint({ origin, size: 0, root: range.root() });
  const certify = attestOf(
    ATTEST_CERTIFY,
    keyExtraData(1, origin),
    { kind: 'certify', name: recordName, qualifiedName: recordQn },
    500n,
  );
  const genesisCounter = attestOf(ATTEST_NV, anchorExtraData(ZERO32, empty), nv(EPOCH), 600n);
  const counter = {
    counter: {
      public: toBase64(nvPublic),
      value: EPOCH.toString(),
      ...(await certified(alter(hooks.genesisCounter, genesisCounter))),
    },
  };
  add(
    'genesis',
    alter(hooks.genesis, {
      epoch: EPOCH.toString(),
      assurance: 'tpm',
      ak: { public: toBase64(akPublic) },
      storage: { public: toBase64(storagePublic) },
      recordKey: { public: toBase64(recordPublic), ...(await certified(alter(hooks.certify, certify))) },
      ...(hooks.counterless ? {} : counter),
    }),
  );
  const quotedPcrs = [...(hooks.quotes ?? PCRS)];
  const plain = Object.fromEntries(quotedPcrs.map((i) => [String(i), pcrValue(i)]));
  // Our own register holds what the measurement below leads to; the boot entry saw it before.
  const measured = alter(hooks.measured, { events: MEASURED, register: 13, begins: ZERO32 });
  const ownChain = measuredBodies(measured);
  const own = { [String(measured.register)]: toHex(ownChain.ends) };
  const values = { ...alter(hooks.values, plain), ...own };
  const bare = alter(hooks.boot, {
    bootId: '6e3a1c1e-6a0b-4b7e-9a54-1d2f3c4b5a69',
    reset: { resetCount: 3, restartCount: 1, clock: '1000', safe: true },
    firmwareVersion: '538513443',
    pcrs: { sha256: { ...values, [String(measured.register)]: toHex(measured.begins) } },
    selection: quotedPcrs,
    counter: EPOCH.toString(),
    firmwareLog: 'absent',
    daemon: { version: '0.1.0', node: 'v20.20.2' },
    register: measured.register,
  });
  const tee = await hooks.tee?.(publicName(akPublic), bootPredicate(bare));
  const bootBody = tee === undefined ? bare : { ...bare, tee };
  add('boot', bootBody);
  const boot = digests[1] as Uint8Array;

  const anchors: AnchorSeed[] = [];
  const anchor = async (which: 'previous' | 'covering', usual: bigint, prev: Uint8Array): Promise<void> => {
    const value = hooks.anchorValue?.(usual, which) ?? usual;
    const checkpoint = { size: range.size, root: range.root() };
    const text = printCheckpoint({ origin, ...checkpoint });
    const attest = attestOf(ATTEST_NV, anchorExtraData(prev, text), nv(value), 1000n + value);
    const body: JsonObject = {
      counter: value.toString(),
      prev: toHex(prev),
      checkpoint: { size: checkpoint.size, root: toBase64(checkpoint.root) },
      reason: which === 'previous' ? 'boot' : 'interval',
      ...(await certified((hooks.anchorAttest ?? same)(attest, which))),
    };
    anchors.push({ at: entries.length, from: checkpoint.size });
    add('anchor', (hooks.anchor ?? same)(body, which), boot);
  };

  if (hooks.counterless) add('gap', { reason: 'counter', detail: 'this TPM has none' }, boot);
  else await anchor('previous', EPOCH + 1n, digests[0] as Uint8Array);
  const measuredAt = alter(hooks.measurements, ownChain.bodies).map(([kind, body]) => {
    add(kind, body, boot);
    return entries.length - 1;
  });
  add('gap', { reason: 'test', detail: 'a neighbour of the record' }, boot);
  const neighbour = entries.length - 1;
  const disclosures = [
    makeDisclosure(new Uint8Array(16).fill(0xa1), 'argv', ['make', 'test']),
    makeDisclosure(new Uint8Array(16).fill(0xa2), 'directory', '/srv/build'),
  ];
  const _sd = disclosures.map((d) =>
    toBase64(disclosureDigest(d)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''),
  );
  const execution: JsonObject = {
    phase: 'completed',
    action: { type: 'exec', name: 'make' },
    caller: {
      observed: {
        uid: 1000,
        gid: 1000,
        pid: 4242,
        startTicks: 99,
        exe: { path: '/usr/bin/make', sha256: '2'.repeat(64) },
        exeMethod: 'proc',
        cgroup: '/user.slice',
        method: 'SO_PEERCRED',
      },
    },
    inputs: { _sd },
    authorization: 'ungoverned',
    parents: [{ rel: 'after', digest: toHex(digests[neighbour] as Uint8Array) }],
    outcome: { status: 'succeeded', code: 0, effect: 'confirmed', observedBy: 'caller' },
  };
  const staged = await hooks.governed?.({
    build: (kind, body, at, artefacts) => build(kind as 'gap', body, boot, at, artefacts),
    put,
    next: entries.length,
    boot: toHex(boot),
    world: w,
    tpm,
  });
  if (staged === undefined) add('execution', alter(hooks.execution, execution), boot);
  const recordAt = staged?.record ?? entries.length - 1;
  // That run says nothing of measurements, and its bundle has none.
  const { register: _, ...unmeasured } = bootBody;
  if (hooks.rebooted) add('boot', unmeasured);
  else add('gap', { reason: 'test', detail: 'another neighbour' }, boot);
  const bootAt = hooks.rebooted ? entries.length - 1 : 1;
  const rotated = await forgeRotation(hooks.rotation, { origin, boot, log, tpm, w });
  if (!hooks.counterless) await anchor('covering', EPOCH + 2n, digests[2] as Uint8Array);
  add('gap', { reason: 'test', detail: 'the last entry' }, boot);

  // The seal over all of it.
  const size = entries.length;
  const text = printCheckpoint({ origin, size, root: range.root() });
  const header = alter(hooks.header, {
    timeMs: T0 + 60_000,
    seq: 5,
    bootIndex: bootAt,
    anchorCtr: hooks.counterless ? 0n : EPOCH + 2n,
    prevSeal: new Uint8Array(32).fill(9),
  });
  const selections = [{ hash: ALG_SHA256, pcrs: quotedPcrs }];
  const quoted: Attested = {
    kind: 'quote',
    selections,
    pcrDigest: pcrDigest(selections, { sha256: values }, ALG_SHA256),
  };
  const newest = EPOCH + 2n;
  const quote = alter(hooks.quote, attestOf(ATTEST_QUOTE, sealExtraData(header, text), quoted, 5000n));
  const { attest, signature } = await sign(quote, alter(hooks.sealKey, tpm.signer.keys));
  const seal = encodeSeal(header, attest, printSignature(alter(hooks.sealSignature, signature)));
  const leaf = await issue(
    alter(hooks.certificate, {
      issuer: w.middle,
      subject: '',
      key: tpm.signer.keys,
      purposes: ['2.23.133.8.3'],
      uris: [hostUri(FLEET, HOST)],
      policies: POLICIES,
    }),
  );
  const recordLine = ecdsaDer(await signRaw(rotated.record, new TextEncoder().encode(text)));
  const lines: NoteSignature[] = [
    { name: origin, keyId: sealKeyId(origin, tpm.signer.keys.spki), signature: seal },
    { name: origin, keyId: ecdsaKeyId(rotated.record.spki), signature: recordLine },
  ];
  const note = new TextEncoder().encode(
    printNote({ text, signatures: (hooks.lines ?? ((l) => l))(lines, w) }),
  );

  const [previousAnchor, covering] = [await rawAnchor(anchors[0]), await rawAnchor(anchors[1])];
  const crls = [await makeCrl(w.middle, []), await makeCrl(w.root, [])];
  const chain = [leaf.certificate.der, w.middle.certificate.der];
  const evidence: RawEvidence = {
    note,
    record: await raw(recordAt),
    genesis: await raw(0),
    boot: await raw(bootAt),
    ...(rotated.changes.length === 0 ? {} : { keyChanges: await Promise.all(rotated.changes.map(raw)) }),
    measurements: hooks.rebooted ? [] : await Promise.all(measuredAt.map(raw)),
    related: await Promise.all((staged?.related ?? [neighbour]).map(raw)),
    ...(covering === undefined ? {} : { anchor: covering }),
    ...(previousAnchor === undefined ? {} : { previousAnchor }),
    pcrs: { sha256: alter(hooks.pcrs, values) },
    chain: await (hooks.chain ?? ((c) => c))(chain, w),
    crls: await (hooks.crls ?? ((c) => c))(crls, w),
    disclosures: staged === undefined ? disclosures : [],
  };
  const trust: JsonObject = {
    schema: TRUST_SCHEMA,
    roots: [{ certificate: toBase64(w.root.certificate.der), kind: 'hardware', name: 'test root' }],
    minimumLevel: 4,
    hosts: [hostUri(FLEET, HOST)],
    pcrs: [
      {
        name: 'reference',
        sha256: Object.fromEntries(
          [0, 1, 2, 3, 4, 5, 6, 7].map((i) => [String(i), [values[String(i)] ?? pcrValue(i)] as Json]),
        ),
      },
    ],
    acceptHostTime: true,
    crls: [],
    revocation: 'required',
  };
  // A minute later by the clock of the TPM, over one entry more.
  const sealLater = async () => {
    add('gap', { reason: 'test', detail: 'after the seal' }, boot);
    const next = printCheckpoint({ origin, size: entries.length, root: range.root() });
    const nextHeader = alter(hooks.laterHeader, {
      ...header,
      timeMs: header.timeMs + 60_000,
      seq: header.seq + 1,
      prevSeal: sealDigest(seal),
    });
    const made = attestOf(ATTEST_QUOTE, sealExtraData(nextHeader, next), quoted, 65_000n);
    const by = await sign(alter(hooks.laterQuote, made));
    const laterSeal = encodeSeal(nextHeader, by.attest, printSignature(by.signature));
    const line = { name: origin, keyId: sealKeyId(origin, tpm.signer.keys.spki), signature: laterSeal };
    const { consistency = [] } = (await rawAnchor({ at: 0, from: size })) ?? {};
    const laterNote = new TextEncoder().encode(printNote({ text: next, signatures: [line] }));
    return { seal: laterSeal, note: laterNote, consistency };
  };
  const nonce = alter(hooks.freshNonce, NONCE);
  const answer = async (a: Attest) => {
    const made = await sign(a);
    return { attest: made.attest, signature: printSignature(made.signature) };
  };
  const nowQuote = attestOf(ATTEST_QUOTE, freshExtraData(nonce, sealDigest(seal), text), quoted, 6000n);
  const nowCounter = attestOf(
    ATTEST_NV,
    freshCounterExtraData(nonce, sealDigest(seal), text),
    nv(newest),
    6001n,
  );
  const { previousAnchor: _before, pcrs, ...rest } = evidence;
  const fresh: RawFresh = {
    nonce,
    state: { ...rest, record: rest.boot, related: [], disclosures: [] },
    quote: await answer(alter(hooks.freshQuote, nowQuote)),
    ...(pcrs === undefined ? {} : { pcrs }),
    ...(hooks.counterless ? {} : { counter: await answer(alter(hooks.freshCounter, nowCounter)) }),
  };
  const timestamps = await hooks.timestamps?.({ seal, later: await sealLater() }, w);
  return {
    raw: alter(hooks.raw, timestamps === undefined ? evidence : { ...evidence, timestamps }),
    trust: await (hooks.trust ?? ((t) => t))(trust, w),
    fresh: alter(hooks.fresh, fresh),
  };
}

/** Flips the lowest bit of one byte. */
export function flip(b: Uint8Array, at: number): Uint8Array {
  const i = at < 0 ? b.length + at : at;
  return concat(b.subarray(0, i), Uint8Array.of((b[i] as number) ^ 1), b.subarray(i + 1));
}
