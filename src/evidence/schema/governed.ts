/**
 * Bodies of the governed flow: asking for a grant, using one, ending what was begun, approving, revoking. As with
 * records, nothing is defaulted into what is signed but what is named here, and who calls is never the caller's to say.
 */
import { type Static, Type } from 'typebox';
import { Claimed, Parents, Trace } from './execution.ts';
import { closed, list, Time, text, Ulid } from './field.ts';
import { asked, HolderRequest } from './governance.ts';
import { RecordRequest } from './request.ts';

const of = RecordRequest.properties;

/**
 * Body of POST /v1/grants. `holder` absent, or without a uid: the caller itself, bound to its unit, or else its control
 * group.
 */
export const GrantRequest = closed({
  scope: asked.scope,
  maxUses: asked.maxUses,
  seconds: asked.seconds,
  holder: Type.Optional(HolderRequest),
  /** Absent: now. */
  notBefore: Type.Optional(Time),
  delegable: asked.delegable,
  environment: asked.environment,
  claimed: Type.Optional(Claimed),
  parameters: of.parameters,
  plain: Type.Optional(closed({ parameters: of.parameters })),
  /** Approval records of a denial of this very request. */
  approvals: Type.Optional(Type.Array(Ulid, { minItems: 1, maxItems: 16 })),
  /** The grant to take it out of. */
  delegatedFrom: Type.Optional(Ulid),
  /** On the admin socket, where it is configured: past policy and conditions, for this reason. */
  breakGlass: Type.Optional(closed({ reason: text(1024) })),
  parents: Type.Optional(Parents),
  trace: Type.Optional(Trace),
});

/** Body of POST /v1/executions. */
export const ExecutionRequest = closed({
  grant: Ulid,
  action: of.action,
  claimed: of.claimed,
  inputs: of.inputs,
  parameters: of.parameters,
  plain: of.plain,
  artefacts: of.artefacts,
  parents: of.parents,
  trace: of.trace,
  capture: of.capture,
});

/** Body of POST /v1/executions/{id}/complete. */
export const CompletionRequest = closed({
  outcome: of.outcome,
  claimed: of.claimed,
  outputs: of.outputs,
  plain: Type.Optional(closed({ outputs: of.outputs })),
  artefacts: of.artefacts,
  parents: Type.Optional(list(Parents.items, 63)),
  trace: of.trace,
  capture: of.capture,
});

/** Body of POST /v1/approvals: the id of the denial, and for how long the approval is good. */
export const ApprovalRequest = closed({
  request: Ulid,
  seconds: Type.Integer({ minimum: 1, maximum: 86_400 }),
  comment: Type.Optional(text(1024)),
});

/** Body of DELETE /v1/grants/{id}, if there is one. */
export const RevocationRequest = closed({ reason: Type.Optional(text(1024)) });

export type GrantRequest = Static<typeof GrantRequest>;
export type ExecutionRequest = Static<typeof ExecutionRequest>;
export type CompletionRequest = Static<typeof CompletionRequest>;
export type ApprovalRequest = Static<typeof ApprovalRequest>;
