/** What a forged host is made of, and every place where a test may change it before the layers above are made. */
import type { JsonObject } from '../../src/core/json.ts';
import type { Body, BuiltRecord } from '../../src/evidence/record.ts';
import type { SealHeader } from '../../src/evidence/seal.ts';
import type { Subject } from '../../src/evidence/statement.ts';
import type { Attest } from '../../src/evidence/tpm/attest.ts';
import type { NvPublic } from '../../src/evidence/tpm/nv.ts';
import type { EccPublic } from '../../src/evidence/tpm/public.ts';
import type { TpmSignature } from '../../src/evidence/tpm/signature.ts';
import type { NoteSignature } from '../../src/log/note.ts';
import type { RawFresh } from '../../src/verify/fresh.ts';
import type { RawEvidence, RawTimestamp } from '../../src/verify/gather.ts';
import { type Issued, issue, type Keys, keyPair, type Wish } from './authority.ts';
import type { ForgedTpm } from './forgedtpm.ts';
import type { MeasuredBody, MeasuredRun } from './measured.ts';
import { makeTsa, type Tsa } from './timestamp.ts';

export const T0 = Date.UTC(2026, 5, 1);
export const FLEET = 'fleet';
export const HOST = 'host-1';
export const EPOCH = 7n;
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
  /** AK and record key after a rotation. */
  readonly nextAk: Keys;
  readonly nextRecord: Keys;
  readonly other: Keys;
  readonly root: Issued;
  readonly middle: Issued;
  readonly tsa: Tsa;
}
let made: Promise<World> | undefined;
export function world(): Promise<World> {
  made ??= (async () => {
    const pairs = await Promise.all([1, 2, 3, 4, 5, 6].map(() => keyPair()));
    const [ak, record, storage, other, nextAk, nextRecord] = pairs as [Keys, Keys, Keys, Keys, Keys, Keys];
    const root = await issue({ subject: 'root', ca: {} });
    const middle = await issue({ issuer: root, subject: 'middle', ca: { pathLength: 0 } });
    const tsa = await makeTsa();
    return { ak, record, storage, other, nextAk, nextRecord, root, middle, tsa };
  })();
  return made;
}

export type Alter<T> = (value: T, w: World) => T;

/** What there is to stamp: the seal of the bundle, and one after the next entry. */
export interface Stampable {
  readonly seal: Uint8Array;
  readonly later: {
    readonly seal: Uint8Array;
    readonly note: Uint8Array;
    readonly consistency: readonly Uint8Array[];
  };
}

/** A certification of a key change: of the new AK by the old one, of the old by the new, of the new record key. */
export type Certification = 'ak' | 'retired' | 'record';

/** A change of the host's own keys, and what a vector may change of it. */
export interface Rotation {
  /** `back`: to the AK of genesis. */
  readonly roles: readonly ('ak' | 'record' | 'back')[];
  readonly akPublic?: Alter<EccPublic>;
  readonly recordPublic?: Alter<EccPublic>;
  readonly certify?: (a: Attest, which: Certification) => Attest;
  /** Who signs a certification. */
  readonly signs?: (usual: Keys, which: Certification, w: World) => Keys;
  readonly body?: (b: JsonObject, role: 'ak' | 'record') => JsonObject;
}

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
  /** Report of a confidential machine over this AK Name and canonical boot predicate. */
  readonly tee?: (akName: Uint8Array, boot: Uint8Array) => Promise<Body<'boot'>['tee']>;
  /** What the daemon measured of itself, and the entries that say so. */
  readonly measured?: Alter<MeasuredRun>;
  readonly measurements?: Alter<readonly MeasuredBody[]>;
  readonly execution?: Alter<JsonObject>;
  /** Writes governed entries in place of the execution, and says which is the record and which stand beside it. */
  readonly governed?: (stage: Stage) => Promise<{ record: number; related: number[] }>;
  /** Which keys are replaced behind the record, by keys of the world named `next`. */
  readonly rotation?: Rotation;
  readonly anchor?: (a: JsonObject, which: 'previous' | 'covering') => JsonObject;
  /** The frame of every predicate; `at` is the index in the log. */
  readonly frame?: (f: JsonObject, at: number) => JsonObject;
  /** Whether the counter and its anchors exist. */
  readonly counterless?: boolean;
  /** Whether the machine started again behind the record, before anything was sealed. */
  readonly rebooted?: boolean;
  /** The bytes of every entry, last thing before they go into the tree. */
  readonly entry?: (entry: Uint8Array, at: number) => Uint8Array;
  readonly header?: Alter<SealHeader>;
  readonly quote?: Alter<Attest>;
  /** Key that signs the seal. */
  readonly sealKey?: Alter<Keys>;
  readonly sealSignature?: Alter<TpmSignature>;
  /** Registers that the run quotes; PCRS where it is absent. */
  readonly quotes?: readonly number[];
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
  /** Timestamps of the bundle, made when everything else of it is. */
  readonly timestamps?: (given: Stampable, w: World) => Promise<RawTimestamp[]>;
  /** Header and quote of the seal that comes after that of the bundle. */
  readonly laterHeader?: Alter<SealHeader>;
  readonly laterQuote?: Alter<Attest>;
  readonly raw?: Alter<RawEvidence>;
  readonly freshNonce?: Alter<Uint8Array>;
  readonly freshQuote?: Alter<Attest>;
  readonly freshCounter?: Alter<Attest>;
  readonly fresh?: Alter<RawFresh>;
}

/** Where governed entries are written. */
export interface Stage {
  /** Builds a record as if it stood at index `at`. */
  build(kind: string, body: JsonObject, at: number, artefacts?: readonly Subject[]): BuiltRecord;
  /** Appends it. @returns its index */
  put(built: BuiltRecord): number;
  /** Index of the next entry. */
  readonly next: number;
  /** Digest of the boot entry. */
  readonly boot: string;
  readonly world: World;
  readonly tpm: ForgedTpm;
}

export interface Forged {
  readonly raw: RawEvidence;
  readonly trust: JsonObject;
  /** The answer to NONCE of the same host. */
  readonly fresh: RawFresh;
}

/** The auditor's nonce. */
export const NONCE = new Uint8Array(32).fill(0x5a);

export const same = <T>(v: T): T => v;
