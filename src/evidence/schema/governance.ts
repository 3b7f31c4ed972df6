/**
 * Predicates of governed execution: grant, denial, approval, revocation, policychange, and what an execution says about
 * the grant that it used (design §7). A reference to another record carries its ULID beside its digest, so that it is
 * found without an index of digests; the digest is what binds.
 */
import { type Static, Type } from 'typebox';
import { Action, Claimed, Disclosed, MEMBER_NAME, Observed, Parents, Trace } from './execution.ts';
import {
  base64,
  Count,
  closed,
  Hex32,
  list,
  MAX_USES,
  oneOf,
  PcrBank,
  PolicyRef,
  Ref,
  Time,
  text,
} from './field.ts';
import { ofRun } from './predicates.ts';

/** Most rows in a scope. */
export const MAX_SCOPE = 16;
/** Deepest chain of delegations below a grant. */
export const MAX_DEPTH_OF_DELEGATION = 8;

/** Why something was refused, in the order in which they are looked at. One code, one condition (design §7). */
export const DENIAL_CODES = [
  'RATE_LIMITED',
  'STORAGE_UNAVAILABLE',
  'TPM_UNAVAILABLE',
  'AUDIT_CONTINUITY_LOST',
  'ATTRIBUTION_FAILED',
  'EVIDENCE_CHAIN_INVALID',
  'LINEAGE_DISCONTINUITY',
  'IDENTITY_MISMATCH',
  'GRANT_NOT_YET_VALID',
  'GRANT_EXPIRED',
  'SCOPE_EXCEEDED',
  'ENVIRONMENT_MISMATCH',
  'POLICY_DENY',
] as const;
export type DenialCode = (typeof DENIAL_CODES)[number];

const scalar = Type.Union([Type.String({ maxLength: 1024 }), Type.Number(), Type.Boolean()]);
const bounds = { min: Type.Number(), max: Type.Number() };

/** What a plain parameter of the execution must be. A parameter that is withheld or absent meets no constraint. */
export const Constraint = Type.Union([
  closed({ oneOf: Type.Array(scalar, { minItems: 1, maxItems: 32 }) }),
  closed(bounds),
  closed({ min: bounds.min }),
  closed({ max: bounds.max }),
]);

/**
 * A row of a scope. Each text stands for itself, or, ending in `*`, for everything that begins as it does. Without
 * `target` the row covers actions that name none; `*` covers those too.
 */
export const ScopeRow = closed({
  type: text(128),
  name: text(256),
  target: Type.Optional(text(1024)),
  parameters: Type.Optional(
    Type.Record(Type.String({ pattern: MEMBER_NAME }), Constraint, {
      additionalProperties: false,
      minProperties: 1,
      maxProperties: 16,
    }),
  ),
});
export const Scope = Type.Array(ScopeRow, { minItems: 1, maxItems: MAX_SCOPE });

const holding = {
  uid: Type.Integer({ minimum: 0, maximum: 0xffffffff }),
  unit: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  cgroup: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
  exeSha256: Type.Optional(Hex32),
};

/**
 * Who may use a grant: a uid, and the unit or else the control group that it had. Where it was asked for, only while it
 * runs this executable: that narrows a grant and stands for none of the others, for a caller may execute something else
 * once its request is written.
 */
export const Holder = closed(holding);

/** A holder as it is asked for. Without a uid it is the caller itself, as it is bound where no holder is named. */
export const HolderRequest = Type.Object(
  { ...holding, uid: Type.Optional(holding.uid) },
  { additionalProperties: false, minProperties: 1, dependentRequired: { unit: ['uid'], cgroup: ['uid'] } },
);

/** What the machine must be when the grant is used; `sealed`: the grant itself must stand under a seal by then. */
export const Requirement = closed({
  pcrs: Type.Optional(PcrBank),
  boot: Type.Optional(Hex32),
  sealed: Type.Optional(Type.Literal(true)),
});

const Uses = Type.Integer({ minimum: 1, maximum: MAX_USES });
const Depth = Type.Integer({ minimum: 1, maximum: MAX_DEPTH_OF_DELEGATION });

/** What is asked for, as grants and denials alike carry it; an approval speaks for exactly this. */
export const asked = {
  scope: Scope,
  holder: Holder,
  maxUses: Uses,
  /** Length of the window in seconds. */
  seconds: Type.Integer({ minimum: 1, maximum: 31_622_400 }),
  delegable: Type.Optional(closed({ depth: Depth })),
  environment: Type.Optional(Requirement),
};

const Caller = closed({ observed: Observed, claimed: Type.Optional(Claimed) });

/** A signed permission. */
export const Grant = ofRun({
  caller: Caller,
  ...asked,
  notBefore: Time,
  notAfter: Time,
  /** Absent in a break-glass grant only. */
  policy: Type.Optional(
    closed({
      ...PolicyRef.properties,
      /** The entry that brought this policy set into force. */
      change: Ref,
      /** Policies that permitted it. */
      determining: list(text(256), 32),
    }),
  ),
  approvals: Type.Optional(
    Type.Array(closed({ ...Ref.properties, uid: Holder.properties.uid }), { minItems: 1, maxItems: 16 }),
  ),
  /** Taken out of another grant: `use.count` uses of it, from number `use.n` on. */
  delegation: Type.Optional(closed({ grant: Ref, use: closed({ n: Uses, prev: Ref, count: Uses }) })),
  /** An operator granted it past policy and conditions, and says why. */
  breakGlass: Type.Optional(closed({ reason: text(1024) })),
  parameters: Type.Optional(Disclosed),
  parents: Type.Optional(Parents),
  trace: Type.Optional(Trace),
});

/** A signed refusal. */
export const Denial = ofRun({
  caller: Caller,
  requested: closed({
    what: oneOf('grant', 'execution', 'completion', 'delegation', 'approval', 'revocation'),
    ask: Type.Optional(closed(asked)),
    action: Type.Optional(Action),
    grant: Type.Optional(Ref),
    attempt: Type.Optional(Ref),
    parameters: Type.Optional(Disclosed),
  }),
  reason: oneOf(...DENIAL_CODES),
  /** The condition that failed, as a sentence. */
  condition: text(1024),
  policy: Type.Optional(closed({ ...PolicyRef.properties, change: Ref, determining: list(text(256), 32) })),
  /** Entries in the log, and under its newest seal, when it was decided. */
  state: Type.Optional(closed({ entries: Count, sealed: Count })),
  /** Decided when nothing could be written to the log, at this time, and kept until it could. */
  late: Type.Optional(closed({ decided: Time })),
  /** So many more of the same kind were refused since the last denial of this kind. */
  repeated: Type.Optional(Count),
  parents: Type.Optional(Parents),
  trace: Type.Optional(Trace),
});

/** Somebody else stands up for what a denial says was asked. */
export const Approval = ofRun({
  caller: Caller,
  /** The denial. */
  request: Ref,
  notAfter: Time,
  comment: Type.Optional(text(1024)),
});

/** A grant is good for nothing from here on. */
export const Revocation = ofRun({ caller: Caller, grant: Ref, reason: Type.Optional(text(1024)) });

/** Most bytes of a policy manifest. */
export const MAX_MANIFEST = 32_768;

/** Another policy set is in force: what its signer signed, and with which key. */
export const Policychange = ofRun({
  policy: PolicyRef,
  /** SHA-256 of the Cedar schema that it was checked against. */
  schema: Hex32,
  /** The manifest's bytes; their SHA-256 is the policy's. */
  manifest: base64(MAX_MANIFEST),
  /** ECDSA P-256 with SHA-256 over the DSSE encoding of the manifest, DER. */
  signature: base64(80),
  /** Public key of the signer, SubjectPublicKeyInfo. */
  key: base64(128),
  previous: Type.Optional(Ref),
});

export type GrantPredicate = Static<typeof Grant>;
export type DenialPredicate = Static<typeof Denial>;
export type PolicychangePredicate = Static<typeof Policychange>;
export type ScopeRow = Static<typeof ScopeRow>;
export type Constraint = Static<typeof Constraint>;
export type Holder = Static<typeof Holder>;
export type Requirement = Static<typeof Requirement>;
/** What is asked for; see `asked`. */
export type Asked = {
  readonly scope: readonly ScopeRow[];
  readonly holder: Holder;
  readonly maxUses: number;
  readonly seconds: number;
  readonly delegable?: { readonly depth: number };
  readonly environment?: Requirement;
};
