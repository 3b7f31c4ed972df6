/**
 * What a NexArt CER says, `cer.ai.execution.v1` of protocols 1.2.0 to 1.3.1, and whether its hashes hold. Stricter than
 * the verifier of its maker: no member that no hash covers and nobody knows, times that are times, and a profile that is
 * chosen inside the hash only. A CER that passes here proves integrity and nothing else: it has no key.
 */

import { Check } from 'typebox/value';
import { toHex, utf8 } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import { type Json, type JsonObject, jcsBytes } from '../../core/json.ts';
import { Hex32, Origin, text } from '../schema/field.ts';

/** Members that certificateHash covers; the last three where they are there. */
const COVERED = [
  'bundleType',
  'createdAt',
  'snapshot',
  'version',
  'context',
  'contextSummary',
  'policyEvaluation',
] as const;
/** Members that anybody may change. */
const UNCOVERED = ['meta', 'declaration'] as const;
const PROTOCOLS = ['1.2.0', '1.3.0', '1.3.1'];
const HASH = /^sha256:[0-9a-f]{64}$/;

/** Why something is refused: a stable word, and a sentence. */
export interface Refused {
  readonly fault: string;
  readonly why: string;
}
/** Refuses. */
export const refused = (fault: string, why: string): Refused => ({ fault, why });

/** A CER whose hashes hold. */
export interface Cer {
  /** `sha256:` and 64 digits. */
  readonly certificateHash: string;
  readonly protocolVersion: string;
  readonly executionId: string;
  /** As it says, ISO 8601. */
  readonly createdAt: string;
  /** What certificateHash covers, and what a node signs. */
  readonly projection: JsonObject;
  /** Members that are there and that nothing covers. */
  readonly uncovered: readonly (typeof UNCOVERED)[number][];
  readonly snapshot: JsonObject;
  readonly meta?: JsonObject;
  /** The attestd record that the snapshot says it was made from. */
  readonly link?: { readonly digest: string; readonly log: string };
}

export const objectOf = (v: Json | undefined): JsonObject | undefined =>
  v !== null && typeof v === 'object' && !Array.isArray(v) ? v : undefined;

/** `sha256:` over the text itself, or over the canonical form of anything else. */
const hashOf = (v: Json): string => `sha256:${toHex(sha256(typeof v === 'string' ? utf8(v) : jcsBytes(v)))}`;

/** Milliseconds of an RFC 3339 time with seconds; undefined for what is none. */
export function instant(v: Json | undefined): number | undefined {
  if (typeof v !== 'string') return undefined;
  const m = /^(\d{4})-(\d\d)-(\d\d)T\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/.exec(v);
  if (m === null) return undefined;
  const [year, month, day] = m.slice(1).map(Number) as [number, number, number];
  if (day < 1 || new Date(Date.UTC(year, month - 1, day)).getUTCDate() !== day) return undefined;
  const ms = Date.parse(v);
  return Number.isNaN(ms) ? undefined : ms;
}

const filled = (v: Json | undefined, max = 1024): boolean =>
  typeof v === 'string' && v.length > 0 && v.length <= max;
const textOrNull = (v: Json | undefined): boolean => v === undefined || v === null || typeof v === 'string';
const numberOrNull = (v: Json | undefined): boolean => v === null || typeof v === 'number';
const content = (v: Json | undefined): boolean =>
  typeof v === 'string' || (v !== null && typeof v === 'object');

interface Draft {
  readonly cer: JsonObject;
  readonly snapshot: JsonObject;
  readonly parameters: JsonObject;
}
type Rule = readonly [fault: string, why: string, holds: (d: Draft) => boolean];

/** In the order in which they are asked; a later rule may rely on those before it. */
const RULES: readonly Rule[] = [
  ['version', 'the version is not 0.1', ({ cer }) => cer.version === '0.1'],
  [
    'unknown-member',
    'a member is neither covered by the hash nor known to be outside of it',
    ({ cer }) =>
      Object.keys(cer).every((n) => [...COVERED, ...UNCOVERED, 'certificateHash'].includes(n as 'meta')),
  ],
  ['created-at', 'createdAt is no time', ({ cer }) => instant(cer.createdAt) !== undefined],
  [
    'certificate-hash-form',
    'certificateHash is not sha256 and 64 lower-case digits',
    ({ cer }) => HASH.test(String(cer.certificateHash)),
  ],
  ['meta', 'meta is no object', ({ cer }) => cer.meta === undefined || objectOf(cer.meta) !== undefined],
  ['snapshot', 'there is no snapshot', ({ cer }) => objectOf(cer.snapshot) !== undefined],
  ['snapshot-type', 'the snapshot is no ai.execution.v1', ({ snapshot: s }) => s.type === 'ai.execution.v1'],
  [
    'protocol',
    'the protocol is none of 1.2.0, 1.3.0 and 1.3.1',
    ({ snapshot: s }) => PROTOCOLS.includes(String(s.protocolVersion)),
  ],
  ['surface', 'the execution surface is not ai', ({ snapshot: s }) => s.executionSurface === 'ai'],
  [
    'execution-id',
    'executionId is not text of 1 to 256 characters without controls',
    ({ snapshot: s }) => Check(text(256), s.executionId),
  ],
  ['timestamp', 'timestamp is no time', ({ snapshot: s }) => instant(s.timestamp) !== undefined],
  ['provider', 'provider is empty', ({ snapshot: s }) => filled(s.provider)],
  ['model', 'model is empty', ({ snapshot: s }) => filled(s.model)],
  [
    'optional-text',
    'modelVersion, sdkVersion or appId is neither text nor null',
    ({ snapshot: s }) => textOrNull(s.modelVersion) && textOrNull(s.sdkVersion) && textOrNull(s.appId),
  ],
  ['prompt', 'prompt is empty', ({ snapshot: s }) => filled(s.prompt, Number.POSITIVE_INFINITY)],
  ['input', 'input is neither text nor an object', ({ snapshot: s }) => content(s.input)],
  ['output', 'output is neither text nor an object', ({ snapshot: s }) => content(s.output)],
  ['parameters', 'there are no parameters', ({ snapshot: s }) => objectOf(s.parameters) !== undefined],
  [
    'parameters',
    'temperature or maxTokens is no number, or topP or seed neither number nor null',
    ({ parameters: p }) =>
      typeof p.temperature === 'number' &&
      typeof p.maxTokens === 'number' &&
      numberOrNull(p.topP) &&
      numberOrNull(p.seed),
  ],
  [
    'time-order',
    'it was created before what it records',
    ({ cer, snapshot: s }) => (instant(cer.createdAt) as number) >= (instant(s.timestamp) as number),
  ],
  [
    'input-hash',
    'inputHash is not that of the input',
    ({ snapshot: s }) => s.inputHash === hashOf(s.input as Json),
  ],
  [
    'output-hash',
    'outputHash is not that of the output',
    ({ snapshot: s }) => s.outputHash === hashOf(s.output as Json),
  ],
  [
    'certificate-hash',
    'certificateHash is not that of what it covers',
    ({ cer }) => cer.certificateHash === hashOf(projectionOf(cer)),
  ],
  [
    'link',
    'the link to an attestd record is none',
    ({ snapshot: s }) => s.attestd === undefined || linkOf(s.attestd) !== undefined,
  ],
];

function projectionOf(cer: JsonObject): JsonObject {
  return Object.fromEntries(COVERED.flatMap((n) => (cer[n] === undefined ? [] : [[n, cer[n]]])));
}

function linkOf(v: Json): { digest: string; log: string } | undefined {
  const { recordDigest: digest, log } = objectOf(v) ?? {};
  return Check(Hex32, digest) && Check(Origin, log) ? { digest, log } : undefined;
}

/** Reads one CER, whatever it is. Never throws. */
export function readCer(value: Json): Cer | Refused {
  const cer = objectOf(value);
  if (cer === undefined) return refused('no-object', 'it is no JSON object');
  if (cer.bundleType !== 'cer.ai.execution.v1') {
    const type = typeof cer.bundleType === 'string' ? cer.bundleType.slice(0, 64) : 'none';
    return refused('bundle-type', `its bundle type is ${type}, not cer.ai.execution.v1`);
  }
  const snapshot = objectOf(cer.snapshot) ?? {};
  const parameters = objectOf(snapshot.parameters) ?? {};
  for (const [fault, why, holds] of RULES) {
    if (!holds({ cer, snapshot, parameters })) return refused(fault, why);
  }
  const link = snapshot.attestd === undefined ? undefined : linkOf(snapshot.attestd);
  const meta = objectOf(cer.meta);
  return {
    certificateHash: cer.certificateHash as string,
    protocolVersion: snapshot.protocolVersion as string,
    executionId: snapshot.executionId as string,
    createdAt: cer.createdAt as string,
    projection: projectionOf(cer),
    uncovered: UNCOVERED.filter((n) => cer[n] !== undefined),
    snapshot,
    ...(meta === undefined ? {} : { meta }),
    ...(link === undefined ? {} : { link }),
  };
}
