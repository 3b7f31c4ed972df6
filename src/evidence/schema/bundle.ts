/**
 * The evidence bundle (`.attest.json`) and the fresh-evidence document, as JSON Schema. Neither holds a byte that no
 * check covers: keys, storage primary and NV public stand in the genesis entry and are not repeated, entries carry no
 * labels, and the proof has no `extra` line, which nothing would authenticate.
 */
import { type Static, Type } from 'typebox';
import { BUNDLE_MEDIA_TYPE, FRESH_MEDIA_TYPE } from '../../core/namespace.ts';
import { MAX_ENTRY } from '../dsse.ts';
import { MAX_TOKEN } from '../timestamp/cms.ts';
import { MAX_ATTEST } from '../tpm/attest.ts';
import { MAX_SIGNATURE } from '../tpm/signature.ts';
import { base64, Count, closed, Hash64, Hex32, list, Pcr, PcrBank, PROOF } from './field.ts';

/** Most bytes of a bundle or fresh-evidence document. */
export const MAX_BUNDLE = 16 * 1024 * 1024;
/** Most hashes in a proof: a path in a tree below 2^53 entries. */
const MAX_PATH = 53;
/** A consistency proof has at most a path and one more. */
const MAX_CONSISTENCY = MAX_PATH + 1;
/** Most entries beside the record: a grant's uses are at most half of it. */
const MAX_RELATED = 2048;
/** Most changes of AK and record key in one epoch. */
export const MAX_KEY_CHANGES = 256;
/** Most measurements of a run. */
export const MAX_MEASUREMENTS = 4096;
const MAX_CERTIFICATE = 8192;
/** Most bundles of other logs, and most bytes of one. */
const MAX_FOREIGN = 64;
const MAX_FOREIGN_BYTES = 4 * 1024 * 1024;
const MAX_CRL = 1_048_576;

/** An entry with its inclusion proof under the one checkpoint; hashes leaf sibling first. */
const proved = { entry: base64(MAX_ENTRY), index: Count, hashes: list(Hash64, MAX_PATH) };
export const ProvedEntry = closed(proved);

/** An anchor entry, and the consistency proof from the checkpoint that it anchors to the sealed one. */
export const ProvedAnchor = closed({ ...proved, consistency: list(Hash64, MAX_CONSISTENCY) });

/**
 * Changes of the host's own keys below the checkpoint, all of them, by rising index; absent where the keys of genesis
 * are still in force.
 */
const KeyChanges = Type.Optional(Type.Array(ProvedEntry, { minItems: 1, maxItems: MAX_KEY_CHANGES }));

/** AK certificate first, root left out: it comes from the trust file. */
const Chain = Type.Array(base64(MAX_CERTIFICATE), { minItems: 1, maxItems: 8 });
const Crls = list(base64(MAX_CRL), 8);

/** Most bytes of a firmware log in a bundle; real ones have tens of kilobytes. */
export const MAX_FIRMWARE_LOG = 4 * 1024 * 1024;
/** Most events of userspace in a bundle. */
export const MAX_USERSPACE_EVENTS = 4096;

/**
 * One extend by the operating system's userspace, as systemd's log tells it. Content is what was hashed and stands here
 * only where its SHA-256 is the digest; everything else in that log is nobody's word but the log's, and is left out.
 */
export const UserspaceEvent = closed({
  pcr: Pcr,
  sha256: Hex32,
  content: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
});

/** Most bytes of a compressed IMA list inside a bundle; a longer one is an attachment beside it, named by its digest. */
export const MAX_IMA_INSIDE = 1_048_576;
/** Most bytes of a compressed IMA list at all. */
export const MAX_IMA = 512 * 1024 * 1024;

/**
 * The kernel's IMA list from entry 0 (`binary_runtime_measurements`) as raw DEFLATE (RFC 1951): here, or in a file beside
 * the bundle that has the digest as its name. It may go on after the entry that leads to the quoted PCR 10.
 */
const ImaList = closed({
  /** SHA-256 and length of the compressed bytes. */
  sha256: Hex32,
  size: Type.Integer({ minimum: 1, maximum: MAX_IMA }),
  data: Type.Optional(base64(MAX_IMA_INSIDE)),
});

const logs = {
  firmware: Type.Optional(base64(MAX_FIRMWARE_LOG)),
  userspace: Type.Optional(Type.Array(UserspaceEvent, { minItems: 1, maxItems: MAX_USERSPACE_EVENTS })),
};

/** What was measured: the boot entry binds the firmware log by digest, quoted PCRs bind the rest. */
const Logs = Type.Object(
  { ...logs, ima: Type.Optional(ImaList) },
  { additionalProperties: false, minProperties: 1 },
);

/** A signed note; its own parser is strict, this bounds it. */
const Note = Type.String({ minLength: 1, maxLength: 65_536 });

/**
 * An RFC 3161 token over SHA-256(seal). Over the bundle's own seal, or over a later one of the same log: then with the
 * note that carries that seal, and the consistency proof from the bundle's checkpoint to it.
 */
const Timestamp = closed({
  token: base64(MAX_TOKEN),
  later: Type.Optional(closed({ note: Note, consistency: list(Hash64, MAX_CONSISTENCY) })),
});

const Witnessed = closed({ note: Note, consistency: list(Hash64, MAX_CONSISTENCY) });

export const BundleSchema = closed({
  mediaType: Type.Literal(BUNDLE_MEDIA_TYPE),
  /** The record, and the tlog-proof that carries checkpoint and seal. */
  record: closed({
    entry: base64(MAX_ENTRY),
    proof: Type.String({ maxLength: 65_536, pattern: PROOF }),
  }),
  genesis: ProvedEntry,
  boot: ProvedEntry,
  keyChanges: KeyChanges,
  /** Measurements of the record's run and of runs before it in one life of the TPM, and their gaps, by rising index. */
  measurements: list(ProvedEntry, MAX_MEASUREMENTS),
  /** The first anchor whose checkpoint covers the record; the one before it, unless that is the genesis. */
  anchors: Type.Optional(closed({ covering: ProvedAnchor, previous: Type.Optional(ProvedAnchor) })),
  /** What the record rests on in this log, by rising index: parents, grants, policies, the uses before this one. */
  related: list(ProvedEntry, MAX_RELATED),
  /**
   * What the record, or something beside it, rests on in other logs: the bundle of each as it is, rising as text. One
   * may have such bundles in its turn.
   */
  foreign: Type.Optional(Type.Array(base64(MAX_FOREIGN_BYTES), { minItems: 1, maxItems: MAX_FOREIGN })),
  /**
   * Certificates of the hosts whose checkpoints records here hold as proof of a parent, rising by the certificate of the
   * AK; one of each.
   */
  foreignChains: Type.Optional(
    Type.Array(closed({ chain: Chain, crls: Crls }), { minItems: 1, maxItems: MAX_FOREIGN }),
  ),
  /** Absent where the PCRs kept racing the quote. */
  pcrs: Type.Optional(PcrBank),
  logs: Type.Optional(Logs),
  chain: Chain,
  crls: Crls,
  timestamps: Type.Optional(Type.Array(Timestamp, { minItems: 1, maxItems: 4 })),
  /** A later checkpoint with nothing but cosignatures of witnesses, and the consistency proof to it. */
  witnessed: Type.Optional(Witnessed),
  disclosures: list(Type.String({ maxLength: 1_048_576, pattern: '^[A-Za-z0-9_-]+$' }), 256),
});

const Attestation = { attest: base64(MAX_ATTEST), signature: base64(MAX_SIGNATURE) };

export const FreshSchema = closed({
  mediaType: Type.Literal(FRESH_MEDIA_TYPE),
  /** The auditor's nonce, 16–64 bytes in hexadecimal. */
  nonce: Type.String({ pattern: '^(?:[0-9a-f]{2}){16,64}$' }),
  /** The newest sealed checkpoint note, verbatim. */
  note: Note,
  /** Quote over nonce, seal and note. */
  fresh: closed({ ...Attestation, pcrs: Type.Optional(PcrBank) }),
  /** Certification of the counter over the same, where there is a counter. */
  counter: Type.Optional(closed(Attestation)),
  genesis: ProvedEntry,
  /** Boot entry of the run that the seal speaks for. */
  boot: ProvedEntry,
  keyChanges: KeyChanges,
  /** As in a bundle; absent where the daemon did not measure itself. */
  measurements: Type.Optional(Type.Array(ProvedEntry, { minItems: 1, maxItems: MAX_MEASUREMENTS })),
  /** The newest anchor below the note's size: what the counter is held against; absent when it is the genesis. */
  anchor: Type.Optional(ProvedAnchor),
  logs: Type.Optional(Logs),
  chain: Chain,
  crls: Crls,
  /** Over the newest seal, where there is one already. */
  timestamps: Type.Optional(Type.Array(closed({ token: base64(MAX_TOKEN) }), { minItems: 1, maxItems: 4 })),
});

export type Bundle = Static<typeof BundleSchema>;
export type Fresh = Static<typeof FreshSchema>;
export type BundleTimestamp = Static<typeof Timestamp>;
export type ProvedEntry = Static<typeof ProvedEntry>;
export type ProvedAnchor = Static<typeof ProvedAnchor>;
export type UserspaceEvent = Static<typeof UserspaceEvent>;
export type LogsMember = Static<typeof Logs>;
export type ImaMember = Static<typeof ImaList>;
