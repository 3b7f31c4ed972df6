/**
 * The execution predicate. What the kernel says about the caller (`observed`) and what the caller says about itself
 * (`claimed`) never share an object. Inputs, parameters and outputs are digests of salted disclosures (RFC 9901) in
 * `_sd`, beside the members that the caller asked to have plain.
 */
import { type Static, Type } from 'typebox';
import {
  closed,
  DisclosureDigest,
  Hex32,
  list,
  MAX_USES,
  Origin,
  oneOf,
  PolicyRef,
  PROOF,
  Ref,
  Time,
  text,
  Uint32,
} from './field.ts';
import { ofRun } from './predicates.ts';

/** Most members of inputs, parameters or outputs; most artefacts; most parents. */
export const MAX_MEMBERS = 64;
/** A member's name: 1 to 128 characters, none of them a control, and not a name that RFC 9901 reserves. */
export const MEMBER_NAME = '^(?!(?:_sd|_sd_alg|\\.\\.\\.)$)[^\\u0000-\\u001f\\u007f]{1,128}$';

const unreadable = Type.Literal('unreadable');

/** What was done, to what. */
export const Action = closed({ type: text(128), name: text(256), target: Type.Optional(text(1024)) });

/** What the caller says about itself; scalars only, never trusted. */
export const Claimed = Type.Record(
  Type.String({ pattern: MEMBER_NAME }),
  Type.Union([Type.String({ maxLength: 1024 }), Type.Number(), Type.Boolean()]),
  { additionalProperties: false, maxProperties: 32 },
);

/** Name of a user or group. */
const Name = Type.String({ pattern: '^[^:\\u0000-\\u001f\\u007f]{1,64}$' });

/** What the host's databases of users call uid and groups: the host's word for these numbers, which nothing is bound to. */
export const Account = closed({
  user: Type.Union([closed({ name: Name }), Type.Literal('unresolved')]),
  groups: list(closed({ gid: Uint32, name: Name }), 257),
  /** Groups without a name. */
  unresolved: list(Uint32, 257),
});

/** What the kernel says about the process at the other end; what could not be read says so. */
export const Observed = closed({
  uid: Type.Integer({ minimum: 0, maximum: 0xffffffff }),
  gid: Type.Integer({ minimum: 0, maximum: 0xffffffff }),
  groups: Type.Optional(Type.Union([list(Uint32, 256), unreadable])),
  account: Type.Optional(Account),
  pid: Type.Integer({ minimum: 0, maximum: 0xffffffff }),
  startTicks: Type.Union([Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }), unreadable]),
  exe: Type.Union([
    closed({
      path: Type.String({ minLength: 1, maxLength: 4096 }),
      sha256: Type.Union([Hex32, unreadable]),
    }),
    unreadable,
  ]),
  exeMethod: text(64),
  cgroup: Type.String({ minLength: 1, maxLength: 4096 }),
  unit: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  invocation: Type.Optional(Type.String({ pattern: '^[0-9a-f]{32}$' })),
  container: Type.Optional(
    closed({
      engine: oneOf('docker', 'podman', 'containerd', 'cri-o', 'kubernetes', 'nspawn', 'lxc'),
      id: text(64),
      pod: Type.Optional(text(36)),
    }),
  ),
  login: Type.Optional(closed({ uid: Uint32, session: Uint32 })),
  method: oneOf('SO_PEERCRED', 'SO_PEERCRED+SO_PEERPIDFD'),
});

/** How it ended, as the caller saw it; `code` is an exit status, or the name of a signal or an error. */
export const outcomeFields = {
  status: oneOf('succeeded', 'failed', 'timedout', 'cancelled'),
  code: Type.Optional(Type.Union([Type.Integer({ minimum: -(2 ** 31), maximum: 2 ** 32 - 1 }), text(64)])),
  effect: oneOf('dispatched', 'confirmed', 'unknown'),
};

/**
 * A record that this one rests on, by its record digest; `log` names the origin where it is another log's. One of another
 * log may be known by a checkpoint of that log: `leaf` is its leaf hash, `proof` the tlog-proof that leads from there to
 * the sealed checkpoint. So the record holds the other log to that checkpoint, and the other's content stays where it is.
 */
export const Parent = Type.Object(
  {
    rel: oneOf('authorizedBy', 'calledBy', 'derivedFrom', 'after', 'retryOf', 'compensates', 'completes'),
    digest: Hex32,
    log: Type.Optional(Origin),
    leaf: Type.Optional(Hex32),
    proof: Type.Optional(Type.String({ maxLength: 16_384, pattern: PROOF })),
  },
  { additionalProperties: false, dependentRequired: { leaf: ['log', 'proof'], proof: ['log', 'leaf'] } },
);
export const Parents = list(Parent, MAX_MEMBERS);

/** W3C trace context. */
export const Trace = closed({
  traceparent: Type.String({ pattern: '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$' }),
});

/** Whether everything was captured, and what was left out. */
export const Capture = closed({ complete: Type.Boolean(), omitted: list(text(256), MAX_MEMBERS) });

export const Phase = oneOf('attempted', 'completed', 'interrupted');

/** `_sd` and the plain members beside it. */
export const Disclosed = Type.Object(
  { _sd: list(DisclosureDigest, MAX_MEMBERS) },
  { patternProperties: { [MEMBER_NAME]: {} }, additionalProperties: false, maxProperties: MAX_MEMBERS + 1 },
);

/**
 * The single use of a grant: the how-manieth it is, and the entry that took the use before it (the grant itself for the
 * first). `policy` is absent where the grant was given past the policy.
 */
export const Authorization = closed({
  grant: Ref,
  use: closed({ n: Type.Integer({ minimum: 1, maximum: MAX_USES }), prev: Ref }),
  policy: Type.Optional(PolicyRef),
  checkedAt: Time,
});

/** The execution predicate. */
export const Execution = ofRun({
  phase: Phase,
  action: Action,
  caller: closed({ observed: Observed, claimed: Type.Optional(Claimed) }),
  authorization: Type.Union([Type.Literal('ungoverned'), Authorization]),
  inputs: Type.Optional(Disclosed),
  parameters: Type.Optional(Disclosed),
  outputs: Type.Optional(Disclosed),
  outcome: Type.Optional(closed({ ...outcomeFields, observedBy: oneOf('caller', 'attestd') })),
  parents: Type.Optional(Parents),
  trace: Type.Optional(Trace),
  capture: Type.Optional(Capture),
});

export type ExecutionPredicate = Static<typeof Execution>;
export type Authorization = Static<typeof Authorization>;
export type ObservedCaller = Static<typeof Observed>;
