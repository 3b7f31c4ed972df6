/**
 * Body of `POST /v1/records`, and of each line of its stream. What fits is recorded as it was sent: no defaults, no
 * coercion, no dropping. `observed`, `observedBy`, ids, times and the predicate type are never the caller's to set.
 */
import { type Static, Type } from 'typebox';
import {
  Action,
  Capture,
  Claimed,
  MAX_MEMBERS,
  MEMBER_NAME,
  outcomeFields,
  Parents,
  Phase,
  Trace,
} from './execution.ts';
import { closed, Hex32, list, Ulid } from './field.ts';

/** Largest body of one record, in bytes; larger content is referred to by its digest. */
export const MAX_REQUEST = 262_144;

/** Name → any JSON value. */
const Members = Type.Record(Type.String({ pattern: MEMBER_NAME }), Type.Unknown(), {
  additionalProperties: false,
  maxProperties: MAX_MEMBERS,
});

/** A file or other content by digest; its name stands plain in the record, its digest only where `plain` is true. */
export const Artefact = closed({
  name: Type.String({
    description: 'not of the form kind:ULID, which names records',
    pattern: '^(?![a-z]{1,16}:[0-7][0-9A-HJKMNP-TV-Z]{25}$)[^\\u0000-\\u001f\\u007f]{1,256}$',
  }),
  sha256: Hex32,
  plain: Type.Optional(Type.Boolean()),
});

export const RecordRequest = closed({
  phase: Phase,
  action: Action,
  claimed: Type.Optional(Claimed),
  inputs: Type.Optional(Members),
  parameters: Type.Optional(Members),
  outputs: Type.Optional(Members),
  plain: Type.Optional(
    closed({
      inputs: Type.Optional(Members),
      parameters: Type.Optional(Members),
      outputs: Type.Optional(Members),
    }),
  ),
  outcome: Type.Optional(closed(outcomeFields)),
  artefacts: Type.Optional(list(Artefact, MAX_MEMBERS)),
  parents: Type.Optional(Parents),
  trace: Type.Optional(Trace),
  capture: Type.Optional(Capture),
  /** Uses this grant, in one step; absent: the record says that it is ungoverned. */
  grant: Type.Optional(Ulid),
});

/** A request that fits; only `parseJson` and the schema check make one. */
export type RecordRequest = Static<typeof RecordRequest>;
