/**
 * The types of the addon's TPM face: one ESYS context on one native thread (TPM 2.0 Part 3; TCG ESAPI).
 * Structures cross as their TPM wire bytes, without a TPM2B size in front (TPMT_PUBLIC, TPML_PCR_SELECTION, …).
 * Nothing is judged or retried here: src/tpm does. Every method rejects with a NativeError (see error.ts);
 * misuse (wrong type, a handle of another context) rejects with a TypeError.
 */
import type {
  Entity,
  Handle,
  HashSequence,
  Hierarchy,
  HmacSession,
  NvIndex,
  PolicySession,
  TpmObject,
} from './handle.ts';
import type { AttestInput, CommandOptions, CreateInput, SessionInput } from './input.ts';

export type { Entity, Handle, Hierarchy, HmacSession, NvIndex, PolicySession, TpmObject } from './handle.ts';
export type { AttestInput, CommandOptions, CreateInput } from './input.ts';

/** TPMS_CLOCK_INFO with TPMS_TIME_INFO.time. */
export interface Clock {
  readonly time: bigint;
  readonly clock: bigint;
  readonly resetCount: number;
  readonly restartCount: number;
  readonly safe: boolean;
}

/** What TPM2_Create and TPM2_CreatePrimary say about the birth of an object. */
export interface Creation {
  /** TPMT_PUBLIC */
  readonly public: Buffer;
  /** TPMS_CREATION_DATA */
  readonly creationData: Buffer;
  readonly creationHash: Buffer;
  /** TPMT_TK_CREATION */
  readonly creationTicket: Buffer;
}

/** A signed TPMS_ATTEST. */
export interface Attestation {
  /** TPMS_ATTEST */
  readonly attest: Buffer;
  /** TPMT_SIGNATURE */
  readonly signature: Buffer;
}

/** How things stand, without asking the TPM. */
export interface TpmState {
  /** Commands waiting. */
  readonly queued: number;
  /** Objects and sequences of this context that occupy the TPM. */
  readonly objects: number;
  /** Sessions of this context that occupy the TPM. */
  readonly sessions: number;
  /** The running command has passed its deadline and has not come back. */
  readonly stalled: boolean;
  readonly closed: boolean;
}

/**
 * One ESYS context. Three classes of command: control before quote (quote, certify*, nvCertify, getTime) before
 * sign (sign). A full queue refuses with TPM_UNAVAILABLE (detail `queue`), a stalled or closed context likewise.
 */
export interface TpmContext {
  /**
   * Refuses what waits, lets the running command end within `deadlineMs`, flushes everything of ours and ends the
   * thread; a hung thread is left behind. Never rejects. Twice is fine.
   */
  close(): Promise<void>;
  state(): TpmState;

  // Administration. startup, shutdown and pcrReset are for tests.
  startup(type: 'clear' | 'state', o?: CommandOptions): Promise<void>;
  shutdown(type: 'clear' | 'state', o?: CommandOptions): Promise<void>;
  selfTest(full: boolean, o?: CommandOptions): Promise<void>;
  getTestResult(o?: CommandOptions): Promise<{ outData: Buffer; testResult: number }>;
  /** `data` is TPMS_CAPABILITY_DATA. */
  getCapability(
    capability: number,
    property: number,
    count: number,
    o?: CommandOptions,
  ): Promise<{ more: boolean; data: Buffer }>;
  /** @param parms TPMT_PUBLIC_PARMS */
  testParms(parms: Uint8Array, o?: CommandOptions): Promise<void>;
  /** May give fewer bytes than asked for, as the TPM does (at most one digest). */
  getRandom(bytes: number, o?: CommandOptions): Promise<Buffer>;
  readClock(o?: CommandOptions): Promise<Clock>;

  // Objects
  createPrimary(
    input: CreateInput & { readonly hierarchy: Hierarchy },
    o?: CommandOptions,
  ): Promise<Creation & { handle: TpmObject; name: Buffer }>;
  /** `private` is the buffer of TPM2B_PRIVATE. */
  create(
    input: CreateInput & { readonly parent: TpmObject },
    o?: CommandOptions,
  ): Promise<Creation & { private: Buffer }>;
  load(
    input: { readonly parent: TpmObject; readonly private: Uint8Array; readonly public: Uint8Array },
    o?: CommandOptions,
  ): Promise<{ handle: TpmObject; name: Buffer }>;
  /** A public key only. */
  loadExternal(
    input: { readonly public: Uint8Array; readonly hierarchy: Hierarchy },
    o?: CommandOptions,
  ): Promise<{ handle: TpmObject; name: Buffer }>;
  readPublic(
    object: TpmObject,
    o?: CommandOptions,
  ): Promise<{ public: Buffer; name: Buffer; qualifiedName: Buffer }>;
  /** A persistent object that exists already; never flushed from the TPM by us. */
  persistentObject(tpmHandle: number, o?: CommandOptions): Promise<{ handle: TpmObject; name: Buffer }>;
  /** An NV index that is defined already. */
  nvIndex(tpmHandle: number, o?: CommandOptions): Promise<{ handle: NvIndex; name: Buffer }>;
  /** Tells ESYS the auth value; nothing is sent. */
  setAuth(entity: Entity, auth: Uint8Array): Promise<void>;
  getName(entity: TpmObject | NvIndex): Promise<Buffer>;
  /** The TPM's own number of a handle. */
  tpmHandle(handle: Handle): Promise<number>;
  /** Frees the slot in the TPM. Twice is fine; the handle is dead afterwards even when the TPM refuses. */
  flush(handle: Handle): Promise<void>;
  /** Frees a slot by the TPM's own number: one that no context owns, because a process was killed or a response lost. */
  flushUnowned(tpmHandle: number, o?: CommandOptions): Promise<void>;

  // Sessions and policies
  startSession(input: SessionInput & { readonly type: 'hmac' }, o?: CommandOptions): Promise<HmacSession>;
  startSession(
    input: SessionInput & { readonly type: 'policy' | 'trial' },
    o?: CommandOptions,
  ): Promise<PolicySession>;
  policySecret(
    input: {
      readonly session: PolicySession;
      readonly entity: Entity;
      readonly cpHash?: Uint8Array;
      readonly policyRef?: Uint8Array;
      /** Seconds; 0 when absent. */
      readonly expiration?: number;
    },
    o?: CommandOptions,
  ): Promise<{ timeout: Buffer; ticket: Buffer }>;
  policyOr(session: PolicySession, digests: readonly Uint8Array[], o?: CommandOptions): Promise<void>;
  /** @param selection TPML_PCR_SELECTION; @param digest of the values, empty: the current ones */
  policyPcr(
    session: PolicySession,
    digest: Uint8Array,
    selection: Uint8Array,
    o?: CommandOptions,
  ): Promise<void>;
  policyCommandCode(session: PolicySession, code: number, o?: CommandOptions): Promise<void>;
  policyAuthorize(
    input: {
      readonly session: PolicySession;
      readonly approvedPolicy: Uint8Array;
      readonly policyRef: Uint8Array;
      readonly keyName: Uint8Array;
      /** TPMT_TK_VERIFIED */
      readonly ticket: Uint8Array;
    },
    o?: CommandOptions,
  ): Promise<void>;
  /** From here on the session authorises with the object's auth value too. */
  policyAuthValue(session: PolicySession, o?: CommandOptions): Promise<void>;
  /** @param input signature: TPMT_SIGNATURE over `digest`. Answers TPMT_TK_VERIFIED of the key's hierarchy. */
  verifySignature(
    input: { readonly key: TpmObject; readonly digest: Uint8Array; readonly signature: Uint8Array },
    o?: CommandOptions,
  ): Promise<Buffer>;
  policyGetDigest(session: PolicySession, o?: CommandOptions): Promise<Buffer>;

  // Attestation
  /** @param input selection: TPML_PCR_SELECTION */
  quote(input: AttestInput & { readonly selection: Uint8Array }, o?: CommandOptions): Promise<Attestation>;
  /** Needs endorsement auth first (`auth`), then the key (`auth2`). Design §4: never with the AK. */
  getTime(input: AttestInput, o?: CommandOptions): Promise<Attestation>;
  /** `auth` authorises the certified object, `auth2` the signing key. */
  certify(input: AttestInput & { readonly object: TpmObject }, o?: CommandOptions): Promise<Attestation>;
  certifyCreation(
    input: AttestInput & {
      readonly object: TpmObject;
      readonly creationHash: Uint8Array;
      readonly creationTicket: Uint8Array;
    },
    o?: CommandOptions,
  ): Promise<Attestation>;
  /** `auth` authorises the signing key, `auth2` the `entity` that may read the index. */
  nvCertify(
    input: AttestInput & {
      readonly entity: Entity;
      readonly index: NvIndex;
      readonly size: number;
      readonly offset: number;
    },
    o?: CommandOptions,
  ): Promise<Attestation>;
  /** For tests: the authority does this in software. Buffers of TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET. */
  makeCredential(
    input: { readonly key: TpmObject; readonly credential: Uint8Array; readonly objectName: Uint8Array },
    o?: CommandOptions,
  ): Promise<{ credentialBlob: Buffer; secret: Buffer }>;
  /** `auth` authorises the object (AK), `auth2` the key (EK, usually a policy session). */
  activateCredential(
    input: {
      readonly object: TpmObject;
      readonly key: TpmObject;
      readonly credentialBlob: Uint8Array;
      readonly secret: Uint8Array;
    },
    o?: CommandOptions,
  ): Promise<Buffer>;

  // PCRs
  /** At most eight digests a call (TPML_DIGEST); `selection` says which. */
  pcrRead(
    selection: Uint8Array,
    o?: CommandOptions,
  ): Promise<{ updateCounter: number; selection: Buffer; values: Buffer[] }>;
  /** @param digests TPML_DIGEST_VALUES */
  pcrExtend(pcr: number, digests: Uint8Array, o?: CommandOptions): Promise<void>;
  pcrReset(pcr: number, o?: CommandOptions): Promise<void>;

  // NV. `entity` authorises: a hierarchy, or the index itself (its auth by `setAuth`).
  /** `public` is TPMS_NV_PUBLIC. */
  nvReadPublic(index: NvIndex, o?: CommandOptions): Promise<{ public: Buffer; name: Buffer }>;
  nvRead(
    input: {
      readonly entity: Entity;
      readonly index: NvIndex;
      readonly size: number;
      readonly offset: number;
    },
    o?: CommandOptions,
  ): Promise<Buffer>;
  /** @param input public: TPMS_NV_PUBLIC; auth: auth value of the index, known to ESYS afterwards */
  nvDefineSpace(
    input: { readonly hierarchy: Hierarchy; readonly public: Uint8Array; readonly auth?: Uint8Array },
    o?: CommandOptions,
  ): Promise<NvIndex>;
  nvIncrement(input: { readonly entity: Entity; readonly index: NvIndex }, o?: CommandOptions): Promise<void>;
  nvExtend(
    input: { readonly entity: Entity; readonly index: NvIndex; readonly data: Uint8Array },
    o?: CommandOptions,
  ): Promise<void>;
  /** Kills the handle too. */
  nvUndefineSpace(
    input: { readonly hierarchy: Hierarchy; readonly index: NvIndex },
    o?: CommandOptions,
  ): Promise<void>;

  // Signing
  /** @param input ticket: TPMT_TK_HASHCHECK, needed by restricted keys. Answers TPMT_SIGNATURE. */
  sign(
    input: {
      readonly key: TpmObject;
      readonly digest: Uint8Array;
      readonly scheme?: Uint8Array;
      readonly ticket?: Uint8Array;
    },
    o?: CommandOptions,
  ): Promise<Buffer>;
  /** `ticket` is TPMT_TK_HASHCHECK. @param input hash: TPM_ALG_ID */
  hash(
    input: { readonly data: Uint8Array; readonly hash: number; readonly hierarchy: Hierarchy },
    o?: CommandOptions,
  ): Promise<{ digest: Buffer; ticket: Buffer }>;
  hashSequenceStart(hash: number, o?: CommandOptions): Promise<HashSequence>;
  sequenceUpdate(sequence: HashSequence, data: Uint8Array, o?: CommandOptions): Promise<void>;
  /** Kills the handle. */
  sequenceComplete(
    input: { readonly sequence: HashSequence; readonly data: Uint8Array; readonly hierarchy: Hierarchy },
    o?: CommandOptions,
  ): Promise<{ digest: Buffer; ticket: Buffer }>;
  unseal(object: TpmObject, o?: CommandOptions): Promise<Buffer>;
}
