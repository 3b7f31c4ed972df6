/**
 * A bundle taken apart for the checks: every part is either there or says why it is not, so that one broken part
 * leaves all others to be judged. Reading decides nothing; whether a part is what it should be is for the checks.
 */

import type { JsonObject } from '../core/json.ts';
import type { TcgLog } from '../evidence/eventlog/tcg.ts';
import type { UserspaceEvent } from '../evidence/schema/bundle.ts';
import type { Seal } from '../evidence/seal.ts';
import type { Kind, Subject } from '../evidence/statement.ts';
import type { Attest } from '../evidence/tpm/attest.ts';
import type { NvPublic } from '../evidence/tpm/nv.ts';
import type { PcrValues } from '../evidence/tpm/pcr.ts';
import type { TpmPublic } from '../evidence/tpm/public.ts';
import type { TpmSignature } from '../evidence/tpm/signature.ts';
import type { Certificate } from '../evidence/x509/certificate.ts';
import type { Crl } from '../evidence/x509/crl.ts';
import type { PathFault } from '../evidence/x509/path.ts';
import type { SignatureVerifier } from '../evidence/x509/signature.ts';
import type { Checkpoint } from '../log/checkpoint.ts';
import type { Note, NoteSignature } from '../log/note.ts';
import type { ForeignProof } from './foreign/proof.ts';
import type { Sighting } from './foreign/sighting.ts';
import type { RawChain } from './gather.ts';
import type { ImaFacts } from './ima/gather.ts';
import { akAt, type Keys } from './keys.ts';
import { absent, derive, got, type Part, together } from './outcome.ts';
import { type Attestor, akQualifiedName, attestor } from './signed.ts';
import type { TeeFacts } from './tee/facts.ts';
import type { TrustRoot } from './trust.ts';
import type { Verdict } from './verdict.ts';
import type { WitnessFacts } from './witness.ts';

/** A statement whose frame (schema, first subject, canonical form) holds. */
export interface StatementFacts {
  readonly kind: Kind;
  readonly predicate: JsonObject;
  /** Subjects after the first. */
  readonly artefacts: readonly Subject[];
}

/** One entry of the log with its proof under the bundle's one checkpoint. */
export interface EntryFacts {
  /** What it is in this bundle, for sentences: `the record`, `the boot entry`. */
  readonly role: string;
  readonly bytes: Uint8Array;
  /** SHA-256 of the bytes. */
  readonly digest: Uint8Array;
  readonly index: number;
  readonly hashes: readonly Uint8Array[];
  readonly statement: Part<StatementFacts>;
}

/** A TPM key as evidence carries it. */
export interface KeyFacts {
  readonly public: TpmPublic;
  readonly spki: Uint8Array;
  readonly name: Uint8Array;
}

/** A structure that the AK signed, with its signature. */
export interface SignedAttest {
  readonly bytes: Uint8Array;
  readonly attest: Attest;
  readonly signature: TpmSignature;
}

/** What the genesis entry says about keys and counter. */
export interface GenesisFacts {
  readonly epoch: string;
  readonly assurance: string;
  readonly ak: KeyFacts;
  readonly storage: KeyFacts;
  readonly recordKey: KeyFacts;
  readonly recordKeyCertified: SignedAttest;
  readonly counter?: {
    readonly public: NvPublic;
    readonly name: Uint8Array;
    readonly value: bigint;
    readonly certified: SignedAttest;
  };
}

/** What a boot entry says about the run that it begins. */
export interface BootFacts {
  readonly resetCount: number;
  readonly restartCount: number;
  readonly clock: bigint;
  readonly safe: boolean;
  readonly firmwareVersion: bigint;
  readonly selection: readonly number[];
  /** SHA-256 in hex, and size in bytes; undefined where the daemon could not read it. */
  readonly firmwareLog?: { readonly sha256: string; readonly size: number };
  /** The register into which the run measures itself. */
  readonly register?: number;
  /** Its value in the boot entry, in hex: where the run's own measurements begin. */
  readonly registerValue?: string;
  readonly daemon: { readonly version: string; readonly node: string };
}

/** The logs of the boot. */
export interface LogFacts {
  readonly firmwareBytes: Part<Uint8Array>;
  readonly firmware: Part<TcgLog>;
  readonly userspace: Part<readonly UserspaceEvent[]>;
}

/** What an anchor entry says. */
export interface AnchorFacts {
  readonly counter: bigint;
  readonly previous: Uint8Array;
  readonly checkpoint: { readonly size: number; readonly root: Uint8Array };
  readonly certified: SignedAttest;
}

export interface AnchorEvidence {
  readonly entry: EntryFacts;
  readonly facts: Part<AnchorFacts>;
  /** From the anchored checkpoint to the sealed one. */
  readonly consistency: readonly Uint8Array[];
}

/** A path to a root of the trust file. */
export interface PathFacts {
  /** Leaf first, root last. */
  readonly path: readonly Certificate[];
  readonly root: TrustRoot;
}

/** A time that counts for the validity of certificates. */
export interface TimeFacts {
  /** Milliseconds since 1970; where it is proven, the latest time at which the seal can have been made. */
  readonly ms: number;
  readonly source: 'host' | 'timestamp' | 'witness';
}

/** A timestamp of the bundle, judged. */
export type StampFacts =
  /** `latest`: milliseconds since 1970 before which the bundle's seal was made. */
  | { readonly status: 'good'; readonly latest: number; readonly authority: string }
  | { readonly status: 'bad' | 'untrusted'; readonly fault: string; readonly why: string };

/** What came of a bundle of another log under the same trust file. */
export interface ForeignFacts {
  /** Record digest in hexadecimal, and the origin that the record says; absent where it could not be read. */
  readonly digest?: string;
  readonly log?: string;
  readonly verdict: Verdict;
  /** Why it is not verified; one sentence. */
  readonly why: string;
  /** The certificates of that host; absent where it could not be read. */
  readonly chain?: RawChain;
  /** Those of other hosts in it, at whatever depth. */
  readonly chains: readonly RawChain[];
  /** What it shows under good seals of this log and others; nothing where it is rejected. */
  readonly seen: readonly Sighting[];
  /** Proofs in it, at whatever depth, that no certificate there is for. */
  readonly open: readonly ForeignProof[];
}

/** What came of a checkpoint of another log that a record holds as proof of a parent. */
export interface ForeignCheckpoint extends ForeignProof {
  /** `open`: no certificate of that host is here, or none that was given for this and is of that time. */
  readonly status: 'sealed' | 'open' | 'unknown' | 'bad';
  readonly why?: string;
}

/** Every proof of a parent in another log. */
export interface ForeignProofs {
  readonly checkpoints: readonly ForeignCheckpoint[];
  /** Why others are no proofs. */
  readonly broken: readonly string[];
  /** Certificates that are given and serve no checkpoint. */
  readonly spare: number;
  /** Everything in the file that stands under good seals, this bundle's own entries among it. */
  readonly seen: readonly Sighting[];
}

export interface Evidence {
  /** Whether the bundle could be read at all; every other part depends on it. */
  readonly format: Part<true>;
  readonly record: Part<EntryFacts>;
  readonly genesis: Part<EntryFacts>;
  readonly genesisFacts: Part<GenesisFacts>;
  readonly boot: Part<EntryFacts>;
  readonly bootFacts: Part<BootFacts>;
  /** Of the record's run, and of runs before it in the same life of the TPM; and the gaps between them. */
  readonly measurements: readonly EntryFacts[];
  readonly related: readonly EntryFacts[];
  /** Bundles of other logs, each judged as if it stood alone. */
  readonly foreign: readonly ForeignFacts[];
  readonly foreignProofs: ForeignProofs;
  /** Changes of the host's own keys. */
  readonly keyChanges: readonly EntryFacts[];
  /** The keys that genesis and these changes put in force. */
  readonly keys: Part<Keys>;
  /** The first anchor that covers the record, and the one before it (absent where that is genesis). */
  readonly anchor: Part<AnchorEvidence>;
  readonly previousAnchor: Part<AnchorEvidence>;
  readonly note: Part<Note>;
  readonly checkpoint: Part<Checkpoint>;
  /** The line that carries the seal, judged by its place only. */
  readonly sealLine: Part<NoteSignature>;
  readonly seal: Part<Seal>;
  readonly attest: Part<Attest>;
  readonly signature: Part<TpmSignature>;
  readonly pcrs: Part<PcrValues>;
  readonly logs: LogFacts;
  /** The IMA list, replayed against the quoted PCR 10, and what was asked of it. */
  readonly ima: ImaFacts;
  readonly certificates: Part<readonly Certificate[]>;
  readonly crls: Part<readonly Crl[]>;
  readonly path: Part<PathFacts>;
  /** What stood in the way, where there is no path. */
  readonly pathFault?: PathFault;
  readonly time: Part<TimeFacts>;
  /** The report of a confidential machine in the boot entry; absent where there is none or nobody asks. */
  readonly tee: Part<TeeFacts>;
  /** Timestamps, in the order of the bundle; none where it has none. */
  readonly stamps: readonly StampFacts[];
  /** Cosignatures of witnesses. */
  readonly witnessed: WitnessFacts;
  /** Encoded disclosures as given. */
  readonly disclosures: Part<readonly string[]>;
  /** Verifies signatures; passed in so that an embedder may bring its own. */
  readonly verify: SignatureVerifier;
}

/** Evidence before its IMA list was read. */
export type Unlisted = Omit<Evidence, 'ima'>;

/** Every entry that is there, the record first. */
export function entriesOf(e: Evidence): EntryFacts[] {
  const parts = [e.record, e.genesis, e.boot].flatMap((p) => (p.ok ? [p.value] : []));
  const anchors = [e.previousAnchor, e.anchor].flatMap((p) => (p.ok ? [p.value.entry] : []));
  return [...parts, ...e.keyChanges, ...e.measurements, ...e.related, ...anchors];
}

/** The certificate of the AK. */
export function leafOf(e: Evidence): Part<Certificate> {
  if (!e.certificates.ok) return e.certificates;
  const [leaf] = e.certificates.value;
  return leaf === undefined ? absent('there is no certificate') : got(leaf);
}

/** The attestation key in force under the seal. */
export function akOf(e: Evidence): Part<KeyFacts> {
  return derive(together({ keys: e.keys, checkpoint: e.checkpoint }), ({ keys, checkpoint }) =>
    akAt(keys, checkpoint.size),
  );
}

/**
 * How signatures of what stands at an index are verified. The key in force under the seal is the certified one, so its
 * signatures are held against the certificate; those of keys before it against what the log says of them, which the
 * succession of keys ties to the certified one.
 */
export function attestors(e: Evidence): Part<(at: number) => Attestor> {
  const parts = together({ keys: e.keys, ak: akOf(e), leaf: leafOf(e) });
  return derive(parts, ({ keys, ak, leaf }) => (at: number): Attestor => {
    const found = akAt(keys, at);
    if (found !== ak) return attestor(keys.genesis, found);
    return { spki: leaf.spki, key: leaf.key, qualifiedName: akQualifiedName(keys.genesis, found) };
  });
}
