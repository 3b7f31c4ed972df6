/**
 * Key changes (`keychange/v1`). Three kinds, told apart by `role`: a key of a caller that is made or withdrawn, a new
 * attestation key, a new record key. The last two form one chain from genesis: each names the change before it, so that
 * the key in force at any place of the log is known from the changes below it.
 */
import { type Static, Type } from 'typebox';
import { closed, Hex32, oneOf, text, Uint32, Ulid } from './field.ts';
import { Certification, ofRun, Public } from './predicates.ts';

/** The key, and the certification of it by the attestation key in force. */
const Certified = closed({ public: Public, ...Certification });
const Reason = text(256);
/** The change before, or genesis where there is none. */
const Prev = closed({ id: Ulid, digest: Hex32 });

/** A caller's key, made or withdrawn. */
export const WorkloadKeychange = ofRun({
  change: oneOf('added', 'withdrawn'),
  role: oneOf('workload', 'tls'),
  name: Type.Optional(text(128)),
  reason: Reason,
  /** For whom it was made: the only caller that may use it. */
  caller: Type.Optional(closed({ uid: Uint32, unit: Type.Optional(text(256)) })),
  key: Certified,
});

/**
 * Another attestation key from here on. Both sign for it, under roles of their own: the old one that the new one takes
 * its place (so nobody else can put a key in force), the new one that it takes the place of the old one (so whoever
 * trusts the new one by its certificate knows that the old one lived in the same TPM).
 */
export const AkKeychange = ofRun({
  change: Type.Literal('replaced'),
  role: Type.Literal('ak'),
  reason: Reason,
  prev: Prev,
  key: Certified,
  retires: closed(Certification),
});

/** Another record key from here on. */
export const RecordKeychange = ofRun({
  change: Type.Literal('replaced'),
  role: Type.Literal('record'),
  reason: Reason,
  prev: Prev,
  key: Certified,
});

/** A key made, replaced or withdrawn. */
export const Keychange = Type.Union([WorkloadKeychange, AkKeychange, RecordKeychange]);

export type WorkloadKeychangePredicate = Static<typeof WorkloadKeychange>;
export type AkKeychangePredicate = Static<typeof AkKeychange>;
export type RecordKeychangePredicate = Static<typeof RecordKeychange>;
/** A change of the host's own keys. */
export type HostKeychange = AkKeychangePredicate | RecordKeychangePredicate;
export type KeychangePredicate = Static<typeof Keychange>;

/** Whether a change is of one of the host's own keys. */
export const isHostKeychange = (p: KeychangePredicate): p is HostKeychange =>
  p.role === 'ak' || p.role === 'record';
