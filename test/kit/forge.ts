/**
 * A host without a TPM, for tests of the verifier: WebCrypto keys stand for AK, storage primary and record key, and
 * the structures that a TPM would sign are printed and signed here. Everything it makes is valid, and each layer can
 * be altered before the layers above are made, so that a vector breaks one rule and keeps all others.
 */
import { concat, toBase64, toHex, u64, ZERO32 } from '../../src/core/bytes.ts';
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
import { type Body, buildEntry } from '../../src/evidence/record.ts';
import { encodeSeal, type SealHeader, sealDigest, sealKeyId } from '../../src/evidence/seal.ts';
import { ALG_AES, ALG_CFB, ALG_ECDSA, ALG_SHA256 } from '../../src/evidence/tpm/algorithm.ts';
import {
  ATTEST_CERTIFY,
  ATTEST_MAGIC,
  ATTEST_NV,
  ATTEST_QUOTE,
  type Attest,
  type Attested,
  printAttest,
} from '../../src/evidence/tpm/attest.ts';
import { makeAttributes } from '../../src/evidence/tpm/attributes.ts';
import { RH_ENDORSEMENT } from '../../src/evidence/tpm/names.ts';
import {
  makeNvAttributes,
  NT_COUNTER,
  type NvPublic,
  nvName,
  printNvPublic,
} from '../../src/evidence/tpm/nv.ts';
import { pcrDigest } from '../../src/evidence/tpm/pcr.ts';
import {
  CURVE_P256,
  type EccPublic,
  printPublic,
  publicName,
  qualifiedName,
} from '../../src/evidence/tpm/public.ts';
import { printSignature, type TpmSignature } from '../../src/evidence/tpm/signature.ts';
import { ecdsaDer } from '../../src/evidence/x509/signature.ts';
import { printCheckpoint } from '../../src/log/checkpoint.ts';
import { consistencyProof } from '../../src/log/consistency.ts';
import { inclusionProof } from '../../src/log/inclusion.ts';
import { ecdsaKeyId } from '../../src/log/keys.ts';
import { leafHash, nodeHash } from '../../src/log/merkle.ts';
import { type NoteSignature, printNote } from '../../src/log/note.ts';
import { CompactRange } from '../../src/log/range.ts';
import type { RawFresh } from '../../src/verify/fresh.ts';
import type { RawAnchor, RawEntry, RawEvidence } from '../../src/verify/gather.ts';
import { TRUST_SCHEMA } from '../../src/verify/trust.ts';
import { type Issued, issue, type Keys, keyPair, makeCrl, signRaw, type Wish } from './authority.ts';

const T0 = Date.UTC(2026, 5, 1);
export const FLEET = 'fleet';
export const HOST = 'host-1';
const EPOCH = 7n;
export const PCRS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14];
export const POLICIES = ['2.23.133.11.1.1', '2.23.133.11.1.2', '2.23.133.11.1.3'];

/** Value of a PCR in the forged machine. */
export const pcrValue = (i: number): string =>
  i === 8 || i === 9 ? '0'.repeat(64) : (i + 0x11).toString(16).repeat(32);

/** Keys and authorities, made once: making them is the slow part and no vector changes them. */
export interface World {
  readonly ak: Keys;
  readonly record: Keys;
  readonly storage: Keys;
  readonly other: Keys;
  readonly root: Issued;
  readonly middle: Issued;
}
let made: Promise<World> | undefined;
export function world(): Promise<World> {
  made ??= (async () => {
    const [ak, record, storage, other] = await Promise.all([keyPair(), keyPair(), keyPair(), keyPair()]);
    const root = await issue({ subject: 'root', ca: {} });
    const middle = await issue({ issuer: root, subject: 'middle', ca: { pathLength: 0 } });
    return { ak, record, storage, other, root, middle };
  })();
  return made;
}

type Alter<T> = (value: T, w: World) => T;

/** What a vector may change. Each hook sees the valid value and gives the one that is used. */
export interface Hooks {
  readonly origin?: string;
  readonly akPublic?: Alter<EccPublic>;
  readonly storagePublic?: Alter<EccPublic>;
  readonly recordPublic?: Alter<EccPublic>;
  readonly nvPublic?: Alter<NvPublic>;
  readonly certify?: Alter<Attest>;
  readonly genesisCounter?: Alter<Attest>;
  readonly anchorAttest?: (a: Attest, which: 'previous' | 'covering') => Attest;
  readonly genesis?: Alter<Body<'genesis'>>;
  readonly boot?: Alter<Body<'boot'>>;
  readonly execution?: Alter<JsonObject>;
  readonly anchor?: (a: JsonObject, which: 'previous' | 'covering') => JsonObject;
  /** The frame of every predicate; `at` is the index in the log. */
  readonly frame?: (f: JsonObject, at: number) => JsonObject;
  /** Whether the counter and its anchors exist. */
  readonly counterless?: boolean;
  /** The bytes of every entry, last thing before they go into the tree. */
  readonly entry?: (entry: Uint8Array, at: number) => Uint8Array;
  readonly header?: Alter<SealHeader>;
  readonly quote?: Alter<Attest>;
  /** Key that signs the seal. */
  readonly sealKey?: Alter<Keys>;
  readonly sealSignature?: Alter<TpmSignature>;
  /** PCR values of the machine: quoted, in the bundle and on the allow-list. */
  readonly values?: Alter<Record<string, string>>;
  /** PCR values that the bundle gives. */
  readonly pcrs?: Alter<Record<string, string>>;
  readonly anchorValue?: (value: bigint, which: 'previous' | 'covering') => bigint;
  readonly lines?: (lines: NoteSignature[], w: World) => NoteSignature[];
  readonly certificate?: Alter<Wish>;
  readonly chain?: (chain: Uint8Array[], w: World) => Uint8Array[] | Promise<Uint8Array[]>;
  readonly crls?: (crls: Uint8Array[], w: World) => Uint8Array[] | Promise<Uint8Array[]>;
  readonly trust?: (t: JsonObject, w: World) => JsonObject | Promise<JsonObject>;
  readonly raw?: Alter<RawEvidence>;
  readonly freshNonce?: Alter<Uint8Array>;
  readonly freshQuote?: Alter<Attest>;
  readonly freshCounter?: Alter<Attest>;
  readonly fresh?: Alter<RawFresh>;
}

export interface Forged {
  readonly raw: RawEvidence;
  readonly trust: JsonObject;
  /** The answer to NONCE of the same host. */
  readonly fresh: RawFresh;
}

/** The auditor's nonce. */
export const NONCE = new Uint8Array(32).fill(0x5a);

const same = <T>(v: T): T => v;

function eccPublic(keys: Keys, attributes: EccPublic['attributes'], over: Partial<EccPublic>): EccPublic {
  const point = keys.spki.subarray(-64);
  return {
    type: 'ecc',
    nameAlg: ALG_SHA256,
    attributes,
    authPolicy: new Uint8Array(),
    symmetric: null,
    scheme: null,
    curve: CURVE_P256,
    kdf: null,
    x: point.slice(0, 32),
    y: point.slice(32),
    ...over,
  };
}

const FLAGS = ['fixedTPM', 'fixedParent', 'sensitiveDataOrigin', 'userWithAuth', 'noDA'] as const;

/** A bundle in parts and the trust file that accepts it, with the changes asked for. */
export async function forge(hooks: Hooks = {}): Promise<Forged> {
  const w = await world();
  const origin = hooks.origin ?? `${FLEET}/${HOST}/${EPOCH}`;
  const alter = <T>(hook: Alter<T> | undefined, value: T): T => (hook ?? same)(value, w);

  const sha256 = { alg: ALG_ECDSA, hash: ALG_SHA256 };
  const akPublic = printPublic(
    alter(
      hooks.akPublic,
      eccPublic(w.ak, makeAttributes(...FLAGS, 'restricted', 'sign'), { scheme: sha256 }),
    ),
  );
  const storagePublic = printPublic(
    alter(
      hooks.storagePublic,
      eccPublic(w.storage, makeAttributes(...FLAGS, 'restricted', 'decrypt'), {
        symmetric: { alg: ALG_AES, keyBits: 128, mode: ALG_CFB },
      }),
    ),
  );
  const recordPublic = printPublic(
    alter(hooks.recordPublic, eccPublic(w.record, makeAttributes(...FLAGS, 'sign'), { scheme: sha256 })),
  );
  const nvPublic = printNvPublic(
    alter(hooks.nvPublic, {
      nvIndex: 0x01_80_00_10,
      nameAlg: ALG_SHA256,
      attributes: makeNvAttributes(NT_COUNTER, 'authWrite', 'authRead', 'noDA', 'written'),
      authPolicy: new Uint8Array(),
      dataSize: 8,
    }),
  );
  const storageQn = qualifiedName(RH_ENDORSEMENT, publicName(storagePublic));
  const akQn = qualifiedName(storageQn, publicName(akPublic));
  const attestOf = (type: number, extraData: Uint8Array, attested: Attested, clock: bigint): Attest => ({
    magic: ATTEST_MAGIC,
    type,
    qualifiedSigner: akQn,
    extraData,
    clockInfo: { clock, resetCount: 3, restartCount: 1, safe: true },
    firmwareVersion: 0x2019_1023n,
    attested,
  });
  const sign = async (
    a: Attest,
    keys: Keys = w.ak,
  ): Promise<{ attest: Uint8Array; signature: TpmSignature }> => {
    const attest = printAttest(a);
    const raw = await signRaw(keys, attest);
    return { attest, signature: { alg: 'ecdsa', hash: ALG_SHA256, r: raw.slice(0, 32), s: raw.slice(32) } };
  };
  const certified = async (a: Attest) => {
    const { attest, signature } = await sign(a);
    return { attest: toBase64(attest), signature: toBase64(printSignature(signature)) };
  };
  const nv = (value: bigint): Attested => ({
    kind: 'nv',
    indexName: nvName(nvPublic),
    offset: 0,
    contents: u64(value),
  });

  // The log, entry by entry.
  const entries: Uint8Array[] = [];
  const digests: Uint8Array[] = [];
  const range = new CompactRange();
  const nodes = new Map<string, Uint8Array>();
  const add = (kind: Parameters<typeof buildEntry>[0], body: unknown, boot?: Uint8Array): void => {
    const at = entries.length;
    const frame = {
      log: origin,
      timeMs: T0 + at * 1000,
      ...(boot === undefined ? {} : { boot: toHex(boot) }),
      ...(hooks.frame?.({}, at) as object),
    };
    const built = buildEntry(kind as 'gap', body as Body<'gap'>, {
      id: `01JABCDEFGHJKMNPQRSTVWXY${String(10 + at)}`,
      salt: new Uint8Array(16).fill(at),
      ...frame,
    });
    const entry = (hooks.entry ?? same)(built.entry, at);
    entries.push(entry);
    digests.push(built.recordDigest);
    range.append(leafHash(entry), (level, index, hash) => nodes.set(`${level}/${index}`, hash));
  };
  const node = (level: number, index: number): Uint8Array => {
    const found = nodes.get(`${level}/${index}`);
    return found ?? nodeHash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1));
  };

  const empty = printCheckpoint({ origin, size: 0, root: range.root() });
  const recordQn = qualifiedName(storageQn, publicName(recordPublic));
  const certify = attestOf(
    ATTEST_CERTIFY,
    keyExtraData(1, origin),
    { kind: 'certify', name: publicName(recordPublic), qualifiedName: recordQn },
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
  const values = alter(hooks.values, Object.fromEntries(PCRS.map((i) => [String(i), pcrValue(i)])));
  add(
    'boot',
    alter(hooks.boot, {
      bootId: '6e3a1c1e-6a0b-4b7e-9a54-1d2f3c4b5a69',
      reset: { resetCount: 3, restartCount: 1, clock: '1000', safe: true },
      firmwareVersion: '538513443',
      pcrs: { sha256: values },
      selection: PCRS,
      counter: EPOCH.toString(),
      firmwareLog: 'absent',
      daemon: { version: '0.1.0', node: 'v20.20.2' },
    }),
  );
  const boot = digests[1] as Uint8Array;

  const anchors: RawAnchorSeed[] = [];
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
  add(
    'measurement',
    {
      register: 13,
      event: { type: 'start', name: 'attestd' },
      prev: '0'.repeat(64),
      expected: '1'.repeat(64),
    },
    boot,
  );
  add('gap', { reason: 'test', detail: 'a neighbour of the record' }, boot);
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
    parents: [{ rel: 'after', digest: toHex(digests[4] as Uint8Array) }],
    outcome: { status: 'succeeded', code: 0, effect: 'confirmed', observedBy: 'caller' },
  };
  add('execution', alter(hooks.execution, execution), boot);
  const recordAt = entries.length - 1;
  add('gap', { reason: 'test', detail: 'another neighbour' }, boot);
  if (!hooks.counterless) await anchor('covering', EPOCH + 2n, digests[2] as Uint8Array);
  add('gap', { reason: 'test', detail: 'the last entry' }, boot);

  // The seal over all of it.
  const size = entries.length;
  const text = printCheckpoint({ origin, size, root: range.root() });
  const header = alter(hooks.header, {
    timeMs: T0 + 60_000,
    seq: 5,
    bootIndex: 1,
    anchorCtr: hooks.counterless ? 0n : EPOCH + 2n,
    prevSeal: new Uint8Array(32).fill(9),
  });
  const selections = [{ hash: ALG_SHA256, pcrs: PCRS }];
  const quoted: Attested = {
    kind: 'quote',
    selections,
    pcrDigest: pcrDigest(selections, { sha256: values }, ALG_SHA256),
  };
  const newest = EPOCH + 2n;
  const quote = alter(hooks.quote, attestOf(ATTEST_QUOTE, sealExtraData(header, text), quoted, 5000n));
  const { attest, signature } = await sign(quote, alter(hooks.sealKey, w.ak));
  const seal = encodeSeal(header, attest, printSignature(alter(hooks.sealSignature, signature)));
  const leaf = await issue(
    alter(hooks.certificate, {
      issuer: w.middle,
      subject: '',
      key: w.ak,
      purposes: ['2.23.133.8.3'],
      uris: [hostUri(FLEET, HOST)],
      policies: POLICIES,
    }),
  );
  const recordLine = ecdsaDer(await signRaw(w.record, new TextEncoder().encode(text)));
  const lines: NoteSignature[] = [
    { name: origin, keyId: sealKeyId(origin, w.ak.spki), signature: seal },
    { name: origin, keyId: ecdsaKeyId(w.record.spki), signature: recordLine },
  ];
  const note = new TextEncoder().encode(
    printNote({ text, signatures: (hooks.lines ?? ((l) => l))(lines, w) }),
  );

  const raw = async (at: number): Promise<RawEntry> => ({
    entry: entries[at] as Uint8Array,
    index: at,
    hashes: await inclusionProof(at, size, node),
  });
  const rawAnchor = async (seed: RawAnchorSeed | undefined): Promise<RawAnchor | undefined> =>
    seed === undefined
      ? undefined
      : { ...(await raw(seed.at)), consistency: await consistencyProof(seed.from, size, node) };
  const [previousAnchor, covering] = [await rawAnchor(anchors[0]), await rawAnchor(anchors[1])];
  const crls = [await makeCrl(w.middle, []), await makeCrl(w.root, [])];
  const chain = [leaf.certificate.der, w.middle.certificate.der];
  const evidence: RawEvidence = {
    note,
    record: await raw(recordAt),
    genesis: await raw(0),
    boot: await raw(1),
    measurements: [await raw(3)],
    related: [await raw(4)],
    ...(covering === undefined ? {} : { anchor: covering }),
    ...(previousAnchor === undefined ? {} : { previousAnchor }),
    pcrs: { sha256: alter(hooks.pcrs, values) },
    chain: await (hooks.chain ?? ((c) => c))(chain, w),
    crls: await (hooks.crls ?? ((c) => c))(crls, w),
    disclosures,
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
  const { previousAnchor: _, pcrs, ...rest } = evidence;
  const fresh: RawFresh = {
    nonce,
    state: { ...rest, record: rest.boot, measurements: [], related: [], disclosures: [] },
    quote: await answer(alter(hooks.freshQuote, nowQuote)),
    ...(pcrs === undefined ? {} : { pcrs }),
    ...(hooks.counterless ? {} : { counter: await answer(alter(hooks.freshCounter, nowCounter)) }),
  };
  return {
    raw: alter(hooks.raw, evidence),
    trust: await (hooks.trust ?? ((t) => t))(trust, w),
    fresh: alter(hooks.fresh, fresh),
  };
}

interface RawAnchorSeed {
  readonly at: number;
  readonly from: number;
}

/** Flips the lowest bit of one byte. */
export function flip(b: Uint8Array, at: number): Uint8Array {
  const i = at < 0 ? b.length + at : at;
  return concat(b.subarray(0, i), Uint8Array.of((b[i] as number) ^ 1), b.subarray(i + 1));
}
