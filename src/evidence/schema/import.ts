/**
 * The import predicate: somebody else's record entered this log, so that it has a place, a time and a machine that vouches
 * for when it was there. What it proved by itself is written beside it and is never raised by being here.
 */
import { type Static, Type } from 'typebox';
import { MAX_CER } from '../import/judge.ts';
import { Observed, Parents } from './execution.ts';
import { closed, DisclosureDigest, list, oneOf, text } from './field.ts';
import { ofRun } from './predicates.ts';

/** `sha256:` and 64 lower-case digits. */
const CertificateHash = Type.String({ pattern: '^sha256:[0-9a-f]{64}$' });
/** An Ed25519 key as JWKs have it: 32 bytes in base64url. */
const X = Type.String({ pattern: '^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$' });
/** The key of a NexArt node, as a user pins it. */
export const PinnedNodeKey = closed({ nodeId: text(256), kid: text(128), x: X });

/** What was checked and held; what fails is not imported. */
const Held = oneOf('pass', 'absent');

export const Import = ofRun({
  format: Type.Literal('nexart-cer'),
  caller: closed({ observed: Observed }),
  source: closed({
    certificateHash: CertificateHash,
    protocolVersion: oneOf('1.2.0', '1.3.0', '1.3.1'),
    executionId: text(256),
    /** As the CER says. */
    createdAt: text(40),
    /** Members of the CER that nothing covers. */
    uncovered: list(oneOf('meta', 'declaration'), 2),
  }),
  /** `record`: the attestd record of this log that the CER links to says the same. */
  checks: closed({ integrity: Type.Literal('pass'), receipt: Held, envelope: Held, record: Held }),
  /** What the CER proves by itself; being in this log adds when and where, never more than this. */
  proved: oneOf('integrity-only', 'node-signed'),
  /** The node whose pinned key signed it. */
  assertedBy: Type.Optional(
    closed({ ...PinnedNodeKey.properties, attestationId: text(256), attestedAt: text(40) }),
  ),
  /** The CER itself, withheld under the name `cer`. */
  inputs: closed({ _sd: Type.Array(DisclosureDigest, { minItems: 1, maxItems: 1 }) }),
  parents: Type.Optional(Parents),
});
export type ImportPredicate = Static<typeof Import>;

/** Body of POST /v1/imports. `content` is the file as text. */
export const ImportRequest = closed({
  format: Type.Literal('nexart-cer'),
  content: Type.String({ minLength: 1, maxLength: MAX_CER }),
  keys: Type.Optional(list(PinnedNodeKey, 64)),
  /** The certificateHash that the caller has from elsewhere. */
  expect: Type.Optional(CertificateHash),
});
export type ImportRequest = Static<typeof ImportRequest>;
