/** Takes the raw parts of a bundle apart for the checks. Reads everything, judges nothing, and never throws. */
import { equal, fromBase64, fromHex } from '../core/bytes.ts';
import type { JsonObject } from '../core/json.ts';
import type { ImaBytes, LogBytes } from '../evidence/bundle.ts';
import { recordDigest } from '../evidence/dsse.ts';
import { parseTcgLog } from '../evidence/eventlog/tcg.ts';
import { parseSeal } from '../evidence/seal.ts';
import type { Predicate, Statement } from '../evidence/statement.ts';
import { parseAttest } from '../evidence/tpm/attest.ts';
import { nvName, parseNvPublic } from '../evidence/tpm/nv.ts';
import type { PcrValues } from '../evidence/tpm/pcr.ts';
import { parseSignature } from '../evidence/tpm/signature.ts';
import { parseCertificate } from '../evidence/x509/certificate.ts';
import { parseCrl } from '../evidence/x509/crl.ts';
import type { SignatureVerifier } from '../evidence/x509/signature.ts';
import { type Checkpoint, parseCheckpoint } from '../log/checkpoint.ts';
import { ecdsaKeyId } from '../log/keys.ts';
import { type NoteSignature, parseNote } from '../log/note.ts';
import type * as facts from './evidence.ts';
import { type ImaGiven, listed } from './ima/gather.ts';
import { keyOf, signedOf } from './keyfacts.ts';
import { changeOf, type Keys, recordKeyAt } from './keys.ts';
import { absent, attempt, broken, derive, got, type Part, together } from './outcome.ts';
import { findPath } from './path.ts';
import { judgeStamps, timeOf } from './stamp.ts';
import { gatherTee } from './tee/facts.ts';
import type { Trust } from './trust.ts';
import { isCosignature, judgeWitnesses, type RawWitnessed } from './witness.ts';

/** An entry with its index and siblings, leaf first. */
export interface RawEntry {
  readonly entry: Uint8Array;
  readonly index: number;
  readonly hashes: readonly Uint8Array[];
}
/** An anchor entry with the consistency proof from the checkpoint that it anchors to the sealed one. */
export interface RawAnchor extends RawEntry {
  readonly consistency: readonly Uint8Array[];
}

/** Certificates of a host, AK first, and lists of revocations, DER. */
export interface RawChain {
  readonly chain: readonly Uint8Array[];
  readonly crls: readonly Uint8Array[];
}

/** A timestamp token over the bundle's seal, or over a later one. */
export interface RawTimestamp {
  readonly token: Uint8Array;
  readonly later?: { readonly note: Uint8Array; readonly consistency: readonly Uint8Array[] };
}

/** The pure functions that cost time, passed in so that an embedder may bring its own and a test may remember. */
export interface Tools {
  readonly verify: SignatureVerifier;
  /** See `readStatement` of the evidence floor. */
  readonly readStatement: (entry: Uint8Array) => Statement;
}

/** What a bundle holds, in bytes. */
export interface RawEvidence {
  /** The checkpoint note, verbatim. */
  readonly note: Uint8Array;
  readonly record: RawEntry;
  readonly genesis: RawEntry;
  readonly boot: RawEntry;
  /** Changes of the host's own keys below the checkpoint; absent where there are none. */
  readonly keyChanges?: readonly RawEntry[];
  /** Measurements of the record's run. */
  readonly measurements: readonly RawEntry[];
  /** Entries that the record names as parents, and theirs. */
  readonly related: readonly RawEntry[];
  readonly anchor?: RawAnchor;
  readonly previousAnchor?: RawAnchor;
  readonly pcrs?: PcrValues;
  readonly logs?: LogBytes;
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[];
  readonly crls: readonly Uint8Array[];
  readonly timestamps?: readonly RawTimestamp[];
  /** Bundles of other logs, as files. */
  readonly foreign?: readonly Uint8Array[];
  /** Certificates of hosts whose checkpoints records here hold. */
  readonly foreignChains?: readonly RawChain[];
  readonly witnessed?: RawWitnessed;
  readonly disclosures: readonly string[];
}

/** The evidence in these parts; what was no bundle gives evidence without any. */
export async function gather(
  raw: Part<RawEvidence>,
  trust: Trust,
  tools: Tools,
  given: ImaGiven = {},
): Promise<facts.Evidence> {
  return listed(await gatherUnlisted(raw, trust, tools), imaOf(raw), trust, given);
}

/** The same without the IMA list, which is the largest part by far. */
export async function gatherUnlisted(
  raw: Part<RawEvidence>,
  trust: Trust,
  tools: Tools,
): Promise<facts.Unlisted> {
  const { verify } = tools;
  const entryFacts = (entry: RawEntry, role: string) => readEntry(entry, role, tools);
  const list = (pick: (r: RawEvidence) => readonly RawEntry[], what: string) =>
    raw.ok ? pick(raw.value).map((r) => entryFacts(r, `the ${what} at index ${r.index}`)) : [];
  const genesis = derive(raw, (r) => entryFacts(r.genesis, 'the genesis entry'));
  const genesisFacts = read(genesis, 'genesis', readGenesis);
  const boot = derive(raw, (r) => entryFacts(r.boot, 'the boot entry'));
  const note = derive(raw, (r) => parseNote(r.note));
  const checkpoint = derive(note, (n) => parseCheckpoint(n.text));
  const keyChanges = list((r) => r.keyChanges ?? [], 'key change');
  const keys = derive(genesisFacts, (g): Keys => ({ genesis: g, changes: keyChanges.map(changeOf) }));
  const sealLine = chain(note, (n) => findSeal(n.signatures, together({ keys, checkpoint })));
  const seal = derive(sealLine, (l) => parseSeal(l.signature));
  const certificates = derive(raw, (r) => r.chain.map(parseCertificate));
  const crls = derive(raw, (r) => r.crls.map(parseCrl));
  const attest = derive(seal, (x) => parseAttest(x.attest));
  const sealed = together({ sealLine, seal, attest, checkpoint, certificates });
  const stamps = await judgeStamps(raw.ok ? (raw.value.timestamps ?? []) : [], sealed, trust, verify);
  const later = raw.ok ? raw.value.witnessed : undefined;
  const witnessed = await judgeWitnesses(note, checkpoint, later, trust.witnesses);
  const time = timeOf(stamps, witnessed, seal, trust);
  return {
    format: derive(raw, () => true as const),
    record: derive(raw, (r) => entryFacts(r.record, 'the record')),
    genesis,
    genesisFacts,
    boot,
    bootFacts: read(boot, 'boot', readBoot),
    keyChanges,
    keys,
    measurements: list((r) => r.measurements, 'measurement'),
    related: list((r) => r.related, 'related entry'),
    foreign: [],
    foreignProofs: { checkpoints: [], broken: [], spare: 0, seen: [] },
    anchor: anchorPart(raw, (r) => r.anchor, 'the anchor', tools),
    previousAnchor: anchorPart(raw, (r) => r.previousAnchor, 'the anchor before', tools),
    note,
    checkpoint,
    sealLine,
    seal,
    attest,
    signature: derive(seal, (s) => parseSignature(s.signature)),
    pcrs: chain(raw, (r) => (r.pcrs === undefined ? absent('no PCR values are given') : got(r.pcrs))),
    logs: gatherLogs(raw),
    certificates,
    crls,
    ...(await findPath(certificates, trust, time, verify)),
    time,
    tee: await gatherTee(boot, time, trust.tee, verify),
    stamps,
    witnessed,
    disclosures: derive(raw, (r) => r.disclosures),
    verify,
  };
}

/** The IMA list that the evidence has, if any. */
export const imaOf = (raw: Part<RawEvidence>): ImaBytes | undefined =>
  raw.ok ? raw.value.logs?.ima : undefined;

function gatherLogs(raw: Part<RawEvidence>): facts.LogFacts {
  const given = <T>(pick: (l: LogBytes) => T | undefined, what: string): Part<T> =>
    chain(raw, (r) => {
      const found = r.logs === undefined ? undefined : pick(r.logs);
      return found === undefined ? absent(`${what} not given`) : got(found);
    });
  const firmwareBytes = given((l) => l.firmware, 'the firmware log is');
  return {
    firmwareBytes,
    firmware: derive(firmwareBytes, parseTcgLog),
    userspace: given((l) => l.userspace, 'the events of userspace are'),
  };
}

function chain<A, B>(part: Part<A>, next: (a: A) => Part<B>): Part<B> {
  return part.ok ? next(part.value) : part;
}

function readEntry(raw: RawEntry, role: string, { readStatement }: Tools): facts.EntryFacts {
  const statement = attempt((): facts.StatementFacts => {
    const { kind, predicate, artefacts } = readStatement(raw.entry);
    return { kind, predicate: predicate as JsonObject, artefacts };
  });
  return {
    role,
    bytes: raw.entry,
    digest: recordDigest(raw.entry),
    index: raw.index,
    hashes: raw.hashes,
    statement,
  };
}

/** Reads the predicate of an entry that should be of this kind. */
function read<K extends 'genesis' | 'boot' | 'anchor', T>(
  entry: Part<facts.EntryFacts>,
  kind: K,
  reader: (p: Predicate<K>) => T,
): Part<T> {
  if (!entry.ok) return entry;
  const { statement, role } = entry.value;
  if (!statement.ok) return statement;
  if (statement.value.kind !== kind) return broken(`${role} is of kind ${statement.value.kind}`);
  return attempt(() => reader(statement.value.predicate as Predicate<K>));
}

function anchorPart(
  raw: Part<RawEvidence>,
  pick: (r: RawEvidence) => RawAnchor | undefined,
  role: string,
  tools: Tools,
): Part<facts.AnchorEvidence> {
  return chain(raw, (r) => {
    const found = pick(r);
    if (found === undefined) return absent(`${role} is not given`);
    const entry = readEntry(found, role, tools);
    return got({ entry, facts: read(got(entry), 'anchor', readAnchor), consistency: found.consistency });
  });
}

/** The first line that is of neither the record key nor a witness. Whether it is under the right key ID is for a check. */
function findSeal(
  lines: readonly NoteSignature[],
  known: Part<{ readonly keys: Keys; readonly checkpoint: Checkpoint }>,
): Part<NoteSignature> {
  const record = known.ok
    ? ecdsaKeyId(recordKeyAt(known.value.keys, known.value.checkpoint.size).key.spki)
    : undefined;
  const line = lines.find((l) => !isCosignature(l) && (record === undefined || !equal(l.keyId, record)));
  return line === undefined ? broken('the note has no line of a seal') : got(line);
}

export function readGenesis(p: Predicate<'genesis'>): facts.GenesisFacts {
  const { counter } = p;
  const nv = counter === undefined ? undefined : fromBase64(counter.public);
  return {
    epoch: p.epoch,
    assurance: p.assurance,
    ak: keyOf(p.ak),
    storage: keyOf(p.storage),
    recordKey: keyOf(p.recordKey),
    recordKeyCertified: signedOf(p.recordKey),
    ...(counter === undefined || nv === undefined
      ? {}
      : {
          counter: {
            public: parseNvPublic(nv),
            name: nvName(nv),
            value: BigInt(counter.value),
            certified: signedOf(counter),
          },
        }),
  };
}

export function readBoot(p: Predicate<'boot'>): facts.BootFacts {
  const { selection, firmwareLog, register, daemon } = p;
  const registerValue = register === undefined ? undefined : p.pcrs.sha256[String(register)];
  return {
    ...p.reset,
    clock: BigInt(p.reset.clock),
    firmwareVersion: BigInt(p.firmwareVersion),
    selection,
    ...(typeof firmwareLog === 'string' ? {} : { firmwareLog }),
    ...(register === undefined ? {} : { register }),
    ...(registerValue === undefined ? {} : { registerValue }),
    daemon,
  };
}

export function readAnchor(p: Predicate<'anchor'>): facts.AnchorFacts {
  return {
    counter: BigInt(p.counter),
    previous: fromHex(p.prev),
    checkpoint: { size: p.checkpoint.size, root: fromBase64(p.checkpoint.root) },
    certified: signedOf(p),
  };
}
