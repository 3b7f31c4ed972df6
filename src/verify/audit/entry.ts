/**
 * Reading an entry at the speed of a whole log. The same acceptance as `parseEntry` and the statement schema, but
 * canonical form is shown by one look at the bytes where they are plain, and by the slow reader elsewhere; a test
 * holds both readers to the same verdict on every vector and mutation.
 */
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { fromUtf8, toHex, utf8 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import type { Json, JsonObject } from '../../core/json.ts';
import { NS, PAYLOAD_TYPE, STATEMENT_TYPE } from '../../core/namespace.ts';
import { parseEntry } from '../../evidence/dsse.ts';
import { MAX_MEMBERS } from '../../evidence/schema/execution.ts';
import { IMPORTED, Subject } from '../../evidence/statement.ts';
import { scanCanonical } from './scan.ts';

const PREFIX = utf8(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} `);
const HEAD = `{"_type":${JSON.stringify(STATEMENT_TYPE)},"predicate":`;
const SUBJECTS = Compile(Type.Array(Subject));

/** A statement as the audit needs it. */
export interface AuditedEntry {
  /** `execution`, `boot`, … */
  readonly kind: string;
  readonly predicate: JsonObject;
}

const fault = (why: string) => new AttestdError('MALFORMED', why);

/** Takes an entry apart and checks everything that the entry alone shows. @throws MALFORMED */
export function readEntry(entry: Uint8Array): AuditedEntry {
  const payload = payloadOf(entry);
  const text = fromUtf8(payload);
  let value: { predicate?: Json; predicateType?: Json; subject?: Json };
  try {
    value = JSON.parse(text) as typeof value;
  } catch {
    throw fault('the payload is not JSON');
  }
  const { predicate, predicateType, subject } = value;
  if (predicate === null || typeof predicate !== 'object' || Array.isArray(predicate)) {
    throw fault('the statement has no predicate');
  }
  let end = scanCanonical(payload);
  const known = end !== -1;
  if (!known) {
    parseEntry(entry);
    end = payload.length - utf8(tailOf(predicateType, subject)).length;
  }
  if (
    Object.keys(value).length !== 4 ||
    !text.startsWith(HEAD) ||
    (!known && !text.endsWith(tailOf(predicateType, subject)))
  )
    throw fault('the payload is not a statement');
  const kind = kindOf(predicateType);
  checkSubject(subject, kind, String(predicate.id), payload.subarray(HEAD.length, end));
  return { kind, predicate };
}

const tailOf = (predicateType: Json | undefined, subject: Json | undefined) =>
  `,"predicateType":${JSON.stringify(predicateType)},"subject":${JSON.stringify(subject)}}`;

function payloadOf(entry: Uint8Array): Uint8Array {
  for (let i = 0; i < PREFIX.length; i++) {
    if (entry[i] !== PREFIX[i]) throw fault('the entry is not the PAE of a statement');
  }
  let at = PREFIX.length;
  let length = 0;
  for (; at < entry.length; at++) {
    const c = entry[at] as number;
    if (c === 0x20) break;
    if (c < 0x30 || c > 0x39 || (length === 0 && at > PREFIX.length))
      throw fault('the length is not decimal');
    length = length * 10 + (c - 0x30);
    if (length > 65_535) throw fault('the length is over 65,535');
  }
  const payload = entry.subarray(at + 1);
  if (at === PREFIX.length || payload.length !== length) throw fault('the length is not that of the payload');
  return payload;
}

function kindOf(predicateType: Json | undefined): string {
  if (
    typeof predicateType === 'string' &&
    predicateType.startsWith(`${NS}/`) &&
    predicateType.endsWith('/v1')
  ) {
    return predicateType.slice(NS.length + 1, -'/v1'.length);
  }
  throw fault('the predicate type is not one of ours');
}

/** The first subject names and binds the predicate and says nothing else; artefacts follow it in an execution only. */
function checkSubject(subject: Json | undefined, kind: string, id: string, predicate: Uint8Array): void {
  const first = Array.isArray(subject) ? subject[0] : undefined;
  if (!isObject(first)) throw fault('there is no subject');
  const { digest, name } = first;
  const names = isObject(digest) && 'sha256' in digest && Object.keys(digest).length === 1;
  if (!names || name !== `${kind}:${id}` || Object.keys(first).length !== 2) {
    throw fault(`the first subject is not ${kind}:${id}`);
  }
  const [, second, ...others] = subject as Json[];
  if (kind === 'import') {
    const named = isObject(second) && second.name === IMPORTED && second.annotations === undefined;
    if (!named || others.length > 0 || !SUBJECTS.Check(subject))
      throw fault('the further subject is not what was imported');
  }
  const more = (subject as Json[]).length - 1;
  if (
    kind !== 'import' &&
    more > 0 &&
    (kind !== 'execution' || more > MAX_MEMBERS || !SUBJECTS.Check(subject))
  ) {
    throw fault('the further subjects are not artefacts of an execution');
  }
  if (toHex(sha256(predicate)) !== digest.sha256)
    throw fault('the first subject is not the digest of the predicate');
}

function isObject(value: Json | undefined): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
