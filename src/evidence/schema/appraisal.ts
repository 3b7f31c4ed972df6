/**
 * The appraisal policy: reference values for a machine, as JSON Schema. Registers are judged by value, by the events of
 * the logs that lead to them, or named as ignored; one that is none of these is refused. Patterns are globs, not regular
 * expressions, so no policy can make a verifier run long.
 */
import { type Static, Type } from 'typebox';
import { base64, closed, Hex32, list, oneOf, Pcr, text, Uint32 } from './field.ts';

export const APPRAISAL_SCHEMA = 'attestd.dev/appraisal/v1';
/** Largest policy, in bytes; the files of an IMA list are the bulk of it. */
export const MAX_APPRAISAL = 11 * 1024 * 1024;

const Digests = Type.Array(Hex32, { minItems: 1, maxItems: 4096 });
/** Digests of a key store's event; none at all where the firmware must not measure it. */
const Store = list(Hex32, 4096);
/** `*` stands for any run of characters, `?` for one; everything else for itself. */
const Pattern = Type.String({ minLength: 1, maxLength: 2048 });

/** Events that may stand in a register; order and number are not judged. */
const EventRule = closed({
  pcr: Pcr,
  /** TCG event type; 0 for events of userspace. It narrows a rule and never widens one: no digest covers it. */
  type: Uint32,
  digests: Digests,
  /** For people. */
  what: Type.Optional(text(256)),
});

/** Events that are not judged. Type and name are the log's own word: whoever can write the log can use this. */
const IgnoredEvent = closed({ pcr: Pcr, type: Uint32, name: Type.Optional(Pattern) });

/** `sha256:<hex>`, or `verity:sha256:<hex>` for the digest of an fs-verity tree. */
const ImaDigest = Type.String({
  maxLength: 256,
  pattern: '^(?:verity:)?[a-z0-9_-]{1,48}:(?:[0-9a-f]{2}){16,64}$',
});

/** What IMA may have measured. An entry that nothing here allows or ignores is refused. */
const Ima = closed({
  /** Digests by path as the kernel names it, in rising order; a path stands here once. */
  files: list(
    closed({
      path: Type.String({ minLength: 1, maxLength: 4096 }),
      digests: Type.Array(ImaDigest, { minItems: 1, maxItems: 256 }),
    }),
    262_144,
  ),
  /** SubjectPublicKeyInfo of keys, RSA, P-256 or P-384, whose signature (`ima-sig`) allows a file under any path. */
  keys: list(base64(1024), 64),
  /** Paths that are not judged. */
  ignore: list(Pattern, 1024),
  /** Entries whose content the kernel could not vouch for. Which file they are of, nothing covers. */
  violations: oneOf('refuse', 'ignore'),
});

export const AppraisalSchema = closed({
  schema: Type.Literal(APPRAISAL_SCHEMA),
  name: text(128),
  /** Registers judged by value alone. */
  pcrs: Type.Record(Type.String({ pattern: '^(?:[0-9]|1[0-9]|2[0-3])$' }), Digests, {
    additionalProperties: false,
  }),
  events: list(EventRule, 8192),
  secureBoot: Type.Optional(
    closed({
      enabled: Type.Boolean(),
      /** Digests of the events that measure the key stores. */
      variables: closed({ PK: Store, KEK: Store, db: Store, dbx: Store }),
      /** Digests of the certificates by which images were accepted. */
      authorities: list(Hex32, 4096),
    }),
  ),
  /** Where given, one of them must have been measured. */
  kernel: Type.Optional(Digests),
  initrd: Type.Optional(Digests),
  /** Where given, there must be a kernel command line, and every one must fit a pattern. */
  commandLine: Type.Optional(Type.Array(Pattern, { minItems: 1, maxItems: 256 })),
  /** Where given, PCR 10 is judged by the IMA list that leads to it, and there must be one. */
  ima: Type.Optional(Ima),
  ignore: closed({ pcrs: list(Pcr, 24), events: list(IgnoredEvent, 1024) }),
});

const Base64 = (max: number) =>
  Type.String({ minLength: 4, maxLength: max, pattern: '^[A-Za-z0-9+/]+={0,2}$' });

/** A DSSE envelope (protocol v1.0.2) whose payload is a policy. */
export const EnvelopeSchema = closed({
  payload: Base64(Math.ceil(MAX_APPRAISAL / 3) * 4),
  payloadType: Type.Literal('application/vnd.attestd.appraisal+json'),
  signatures: Type.Array(
    closed({ keyid: Type.Optional(Type.String({ maxLength: 256 })), sig: Base64(256) }),
    {
      minItems: 1,
      maxItems: 8,
    },
  ),
});

export type AppraisalPolicy = Static<typeof AppraisalSchema>;
export type ImaPolicy = Static<typeof Ima>;
export type EventRule = Static<typeof EventRule>;
export type Envelope = Static<typeof EnvelopeSchema>;
