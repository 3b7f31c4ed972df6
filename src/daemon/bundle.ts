/**
 * Takes a record out of the log as one file for an auditor (design §4, Bundle): under one seal of the record's own run
 * stand the record, genesis, boot, the anchors around it and the parents that its reader may see. Nothing is signed
 * for it: everything was sealed before.
 */
import { fromUtf8, toBase64, toHex, utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { type ProvedBytes, printBundle, printProved } from '../evidence/bundle.ts';
import { recordDigest } from '../evidence/dsse.ts';
import { edgesOf } from '../evidence/edges.ts';
import type { ProvedAnchor, ProvedEntry } from '../evidence/schema/bundle.ts';
import { parseSeal } from '../evidence/seal.ts';
import { readStatement } from '../evidence/statement.ts';
import { parseAttest } from '../evidence/tpm/attest.ts';
import type { PcrValues } from '../evidence/tpm/pcr.ts';
import { parseNote, printNote } from '../log/note.ts';
import { printProof } from '../log/proof.ts';
import type { Sealed } from '../store/seal.ts';
import { akAt, type Keys } from '../verify/keys.ts';
import type { Certificates } from './certificate.ts';
import type { Cosigs, FoundCosigs } from './cosigs.ts';
import type { Shelf } from './machine/shelf.ts';
import { chainOf } from './measured/chainof.ts';
import type { MeasuredPlaces } from './measured/places.ts';
import type { PcrFiles } from './pcrfile.ts';
import type { LogReader } from './reader.ts';
import { coveringAnchor, type FoundAnchor, findAnchor, findParents } from './search.ts';
import type { FoundStamps, Stamps } from './stamps.ts';

export interface BundleInput {
  readonly log: LogReader;
  readonly certificates: Certificates;
  /** Every key of the host that was in force in this log. */
  readonly keys: Keys;
  readonly pcrs: Pick<PcrFiles, 'find'>;
  readonly stamps: Stamps;
  readonly cosigs: Cosigs;
  readonly shelf: Shelf;
  readonly places: Pick<MeasuredPlaces, 'between' | 'known'>;
  readonly index: number;
  /** Whose records may be in it: this uid's, or everybody's. */
  readonly reader: { readonly uid: number; readonly admin: boolean };
  /** Parents of parents too, as far back as they are found. */
  readonly lineage?: boolean;
  /** The IMA list too. */
  readonly ima?: boolean;
}

/** Most entries beside the record. */
const MAX_RELATED = 2000;

/**
 * The bytes of the bundle.
 * @throws SEAL_PENDING when no seal covers the record yet; IMA_UNAVAILABLE where the list is asked for and not at hand
 */
export async function makeBundle(input: BundleInput): Promise<Uint8Array> {
  const { log, certificates, keys, pcrs, index } = input;
  const first = log.sealCovering(index);
  if (first === undefined) throw new AttestdError('SEAL_PENDING', 'no seal covers the record yet');
  const covering = coveringAnchor(log, index);
  const seal = chooseSeal(log, index, first, covering);
  const anchors = covering !== undefined && covering.index < seal.size ? covering : undefined;
  const bootIndex = seal.bootIndex;
  const related = await relatedTo(input);
  const certificate = certificates.of(akAt(keys, seal.size).spki);
  const cosigned = await input.cosigs.find(log, seal);
  const note = cosigned?.size === seal.size ? withLines(seal.note, cosigned) : seal.note;
  const values = pcrMember(pcrs, seal);
  return printBundle({
    record: {
      entry: toBase64(log.entry(index)),
      proof: fromUtf8(printProof({ index, hashes: log.inclusionProof(index, seal.size), note })),
    },
    genesis: await proved(log, 0, seal),
    boot: await proved(log, bootIndex, seal),
    ...(await keyChangesMember(log, keys, seal)),
    measurements: await measurementsOf(log, input.places, seal),
    ...(anchors === undefined ? {} : { anchors: await anchorPair(log, anchors, seal) }),
    related: await Promise.all(related.filter((i) => i < seal.size).map((i) => proved(log, i, seal))),
    ...values,
    ...(await input.shelf.member(log, bootIndex, values.pcrs?.sha256, input.ima)),
    chain: certificate.chain.map(toBase64),
    crls: [toBase64(certificate.crl)],
    ...(await timestampsOf(log, await input.stamps.find(log, seal), seal)),
    ...(await witnessedOf(log, cosigned, seal)),
    disclosures: disclosuresOf(log, index),
  });
}

/** The sealed note with cosignatures of the same checkpoint. */
function withLines(note: Uint8Array, { lines }: FoundCosigs): Uint8Array {
  const { text, signatures } = parseNote(note);
  return utf8(printNote({ text, signatures: [...signatures, ...lines] }));
}

/** A later checkpoint that was cosigned, with what chains it to this one. */
async function witnessedOf(log: LogReader, found: FoundCosigs | undefined, seal: Sealed) {
  if (found === undefined || found.size === seal.size) return {};
  const consistency = await log.consistencyProof(seal.size, found.size);
  const note = printNote({ text: found.text, signatures: found.lines });
  return { witnessed: { note, consistency: consistency.map(toBase64) } };
}

/** The measurements behind what the seal quotes of our own register, each with its proof. */
export async function measurementsOf(
  log: LogReader,
  places: Pick<MeasuredPlaces, 'between' | 'known'>,
  seal: Sealed,
): Promise<ProvedEntry[]> {
  return Promise.all(chainOf(log, places, seal).map((i) => proved(log, i, seal)));
}

/** Timestamps of the seal, or of a later one with what chains it to this one. */
async function timestampsOf(log: LogReader, found: FoundStamps | undefined, seal: Sealed) {
  if (found === undefined) return {};
  const tokens = found.tokens.map(toBase64);
  if (found.seal.seq === seal.seq) return { timestamps: tokens.map((token) => ({ token })) };
  const consistency =
    found.seal.size === seal.size ? [] : await log.consistencyProof(seal.size, found.seal.size);
  const later = { note: fromUtf8(found.seal.note), consistency: consistency.map(toBase64) };
  return { timestamps: tokens.map((token) => ({ token, later })) };
}

/** A seal of the record's own run that covers its anchor too, or else the oldest seal of that run. */
function chooseSeal(log: LogReader, index: number, first: Sealed, anchor: FoundAnchor | undefined): Sealed {
  if (anchor === undefined || anchor.index < first.size) return first;
  return log.sealCovering(index, { minSize: anchor.index + 1, bootIndex: first.bootIndex }) ?? first;
}

/** An entry with its proof under the seal. */
export async function proved(log: LogReader, index: number, seal: Sealed): Promise<ProvedEntry> {
  const bytes: ProvedBytes = {
    entry: log.entry(index),
    index,
    hashes: log.inclusionProof(index, seal.size),
  };
  return printProved(bytes);
}

/** The changes of the host's keys below the seal. */
export async function keyChangesMember(
  log: LogReader,
  { changes }: Keys,
  seal: Sealed,
): Promise<{ keyChanges?: ProvedEntry[] }> {
  const below = changes.filter((c) => c.index < seal.size);
  if (below.length === 0) return {};
  return { keyChanges: await Promise.all(below.map((c) => proved(log, c.index, seal))) };
}

/** An anchor with its proofs: that it is in the sealed log, and that the log which it anchors is the beginning of it. */
export async function provedAnchor(log: LogReader, anchor: FoundAnchor, seal: Sealed): Promise<ProvedAnchor> {
  const { size } = anchor.predicate.checkpoint;
  const consistency = size === 0 ? [] : await log.consistencyProof(size, seal.size);
  return { ...(await proved(log, anchor.index, seal)), consistency: consistency.map(toBase64) };
}

async function anchorPair(log: LogReader, anchor: FoundAnchor, seal: Sealed) {
  const before = findAnchor(log, BigInt(anchor.predicate.counter) - 1n);
  return {
    covering: await provedAnchor(log, anchor, seal),
    ...(before === undefined ? {} : { previous: await provedAnchor(log, before, seal) }),
  };
}

/** The PCR values that the seal speaks of, where they are kept. */
export function pcrMember(
  pcrs: Pick<PcrFiles, 'find'>,
  seal: Sealed,
): { pcrs?: { sha256: Record<string, string> } } {
  const line = parseNote(seal.note).signatures.find((s) => s.signature[0] === 1);
  const attest = line === undefined ? undefined : parseAttest(parseSeal(line.signature).attest);
  if (attest?.attested.kind !== 'quote') return {};
  return bank(pcrs.find(attest.attested.pcrDigest));
}

/** The SHA-256 bank of PCR values as evidence carries it. */
export function bank(values: PcrValues | undefined): { pcrs?: { sha256: Record<string, string> } } {
  return values?.sha256 === undefined ? {} : { pcrs: { sha256: { ...values.sha256 } } };
}

/**
 * Indices of what the record rests on in this log: what decided it, whoever wrote that, and the parents and earlier uses
 * that the reader may see. References name a ULID; parents are looked for by digest.
 */
async function relatedTo(input: BundleInput): Promise<number[]> {
  const { log, index, reader } = input;
  const visible = (i: number) => reader.admin || log.owner(i).uid === reader.uid;
  const found = new Set<number>();
  const open = [index];
  for (let at = open.shift(); at !== undefined && found.size < MAX_RELATED; at = open.shift()) {
    const { kind, predicate } = readStatement(log.entry(at));
    const edges = edgesOf(predicate as unknown as JsonObject).filter(
      (e) => (e.log === undefined || e.log === log.origin) && e.rel !== 'follows',
    );
    // Of what was merely used before, and of parents, no further parents: each has a bundle of its own.
    const decides = input.lineage === true || at === index || kind !== 'execution';
    for (const { id, digest, rel } of edges) {
      const place = id === undefined ? undefined : log.lookup(id)?.index;
      if (place === undefined || found.has(place) || toHex(recordDigest(log.entry(place))) !== digest)
        continue;
      if (rel === 'usedAfter' ? !visible(place) : !decides) continue;
      found.add(place);
      open.push(place);
    }
    const byDigest = decides ? edges.filter((e) => e.id === undefined).map((e) => e.digest) : [];
    for (const place of byDigest.length === 0 ? [] : await findParents(log, at, byDigest)) {
      if (place === 0 || found.has(place) || !visible(place)) continue;
      found.add(place);
      open.push(place);
    }
  }
  found.delete(index);
  return [...found].sort((a, b) => a - b);
}

/** The disclosures of a record that are still there. */
export function disclosuresOf(log: LogReader, index: number): string[] {
  const openings = log.openings(index);
  return openings === undefined || openings === 'erased' ? [] : fromUtf8(openings).split('~');
}
