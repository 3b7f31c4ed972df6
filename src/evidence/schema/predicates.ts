/**
 * Predicates of what the daemon writes about itself: genesis, boot, anchor, gap, measurement, tombstone;
 * key changes have a file of their own.
 * The frame (v, id, log, boot, time, salt) is the same everywhere, so that no entry can be moved to another log or
 * run.
 */
import { type Static, type TProperties, Type } from 'typebox';
import { MAX_ATTEST } from '../tpm/attest.ts';
import { MAX_PUBLIC } from '../tpm/public.ts';
import { MAX_SIGNATURE } from '../tpm/signature.ts';
import {
  base64,
  Count,
  closed,
  Decimal64,
  Epoch,
  Hash64,
  Hex32,
  Origin,
  oneOf,
  Pcr,
  PcrBank,
  Salt,
  Time,
  text,
  Uint32,
  Ulid,
} from './field.ts';

const frame = { v: Type.Literal(1), id: Ulid, log: Origin, time: Time, salt: Salt };
/** A predicate of a run: the frame with the record digest of the run's boot entry. */
export const ofRun = <P extends TProperties>(body: P) => closed({ ...frame, boot: Hex32, ...body });

export const Public = base64(MAX_PUBLIC);
export const Certification = { attest: base64(MAX_ATTEST), signature: base64(MAX_SIGNATURE) };

/** Entry 0 of an epoch. */
export const Genesis = closed({
  ...frame,
  epoch: Epoch,
  assurance: oneOf('tpm', 'software'),
  ak: closed({ public: Public }),
  recordKey: closed({ public: Public, ...Certification }),
  storage: closed({ public: Public }),
  counter: Type.Optional(closed({ public: base64(128), value: Decimal64, ...Certification })),
  previous: Type.Optional(closed({ origin: Origin, seal: Hex32, size: Count })),
});

/**
 * Report of a confidential machine over its TPM key and this entry (report data: binding.ts, `teeReportData`);
 * `unreadable` where there is one and the daemon could not get it. `certificates` is what the host adds for SEV-SNP.
 */
const Tee = Type.Union([
  closed({
    platform: oneOf('sev-snp', 'tdx', 'nitro'),
    report: base64(16_384),
    certificates: Type.Optional(base64(24_576)),
  }),
  Type.Literal('unreadable'),
]);

/** First entry of a run: the state of the platform before it takes a record. */
export const Boot = closed({
  ...frame,
  bootId: text(64),
  reset: closed({ resetCount: Uint32, restartCount: Uint32, clock: Decimal64, safe: Type.Boolean() }),
  firmwareVersion: Decimal64,
  pcrs: PcrBank,
  selection: Type.Array(Pcr, { maxItems: 24, uniqueItems: true }),
  counter: Type.Optional(Decimal64),
  firmwareLog: Type.Union([
    closed({ sha256: Hex32, size: Count }),
    Type.Literal('unreadable'),
    Type.Literal('absent'),
  ]),
  recovered: Type.Optional(closed({ from: Count, size: Count })),
  daemon: closed({ version: text(64), node: text(64) }),
  /** The register into which this run measures its software; absent where the daemon does not measure itself. */
  register: Type.Optional(Pcr),
  tee: Type.Optional(Tee),
});

/** The NV counter certified over a durable checkpoint. */
export const Anchor = ofRun({
  counter: Decimal64,
  prev: Hex32,
  checkpoint: closed({ size: Count, root: Hash64 }),
  reason: oneOf('boot', 'interval', 'stop'),
  ...Certification,
});

/** Something is missing and known to be: entries, counter values, measurements. */
export const Gap = ofRun({
  reason: text(128),
  from: Type.Optional(Count),
  to: Type.Optional(Count),
  detail: text(1024),
  /** Our own register held something else than the entries before this one lead to: somebody else extended it. */
  measured: Type.Optional(closed({ register: Pcr, expected: Hex32, found: Hex32 })),
});

/**
 * What is extended into our own register: `start` and `ready` frame what the daemon found out about itself, `code`,
 * `config`, `policy` and `unit`; `file`, `image` and `model` were asked for by a caller. `sha256` is absent where there
 * is no content, or none that could be read.
 */
export const MeasuredEvent = closed({ type: text(64), name: text(1024), sha256: Type.Optional(Hex32) });

/** One event extended into our own register. */
export const Measurement = ofRun({
  register: Pcr,
  event: MeasuredEvent,
  prev: Hex32,
  expected: Hex32,
  /** Who asked for it; absent where the daemon measured of itself. */
  caller: Type.Optional(closed({ uid: Uint32, pid: Uint32, unit: Type.Optional(text(256)) })),
});

const Reason = Type.Optional(text(1024));
/**
 * What was erased for good: the openings of a record, or, by retention, entries below an index, of which the leaf hashes
 * stay in the log.
 */
export const Tombstone = Type.Union([
  ofRun({ record: Hex32, reason: Reason }),
  ofRun({ retention: closed({ before: Count }), reason: Reason }),
]);

export type GenesisPredicate = Static<typeof Genesis>;
export type BootPredicate = Static<typeof Boot>;
export type AnchorPredicate = Static<typeof Anchor>;
export type GapPredicate = Static<typeof Gap>;
export type MeasuredEvent = Static<typeof MeasuredEvent>;
export type MeasurementPredicate = Static<typeof Measurement>;
export type TombstonePredicate = Static<typeof Tombstone>;
