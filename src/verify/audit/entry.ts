/**
 * Reading an entry at the speed of a whole log. The same acceptance as `parseEntry` and the statement schema, but
 * canonical form is shown by printing the parsed value again (RFC 8785 prints numbers and strings as ECMAScript does)
 * and by walking the order of names; a test holds both readers to the same verdict on every vector and mutation.
 */
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { fromUtf8, utf8 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { type Json, type JsonObject, MAX_DEPTH } from '../../core/json.ts';
import { NS, PAYLOAD_TYPE, STATEMENT_TYPE } from '../../core/namespace.ts';
import { parseEntry } from '../../evidence/dsse.ts';
import { MAX_MEMBERS } from '../../evidence/schema/execution.ts';
import { Subject } from '../../evidence/statement.ts';

const PREFIX = utf8(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} `);
const HEAD = `{"_type":${JSON.stringify(STATEMENT_TYPE)},"predicate":`;
/** As JSON.stringify prints one; a backslash of the text itself is printed as two. */
const LONE_SURROGATE = /(?<!\\)(?:\\\\)*\\ud/;
const SUBJECTS = Compile(Type.Array(Subject));
const HEX = /^[0-9a-f]{64}$/;

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
  const tail = `,"predicateType":${JSON.stringify(predicateType)},"subject":${JSON.stringify(subject)}}`;
  const printed = JSON.stringify(predicate);
  if (HEAD + printed + tail === text) {
    if (LONE_SURROGATE.test(text)) throw fault('a string has a lone surrogate');
    checkOrder(predicate, 1);
    checkOrder(subject as Json, 1);
  } else {
    // JavaScript moves names that look like integers (PCR numbers) to the front: the slow reader decides on those.
    parseEntry(entry);
    if (Object.keys(value).length !== 4 || !text.startsWith(HEAD) || !text.endsWith(tail))
      throw fault('the payload is not a statement');
  }
  const kind = kindOf(predicateType);
  const predicateBytes = payload.subarray(HEAD.length, payload.length - utf8Length(tail));
  checkSubject(subject, kind, String(predicate.id), predicateBytes);
  return { kind, predicate };
}

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

function utf8Length(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the ASCII range is what is meant
  return /^[\x00-\x7f]*$/.test(text) ? text.length : utf8(text).length;
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
  if (first === null || typeof first !== 'object' || Array.isArray(first)) throw fault('there is no subject');
  const digest = first.digest;
  const claimed =
    digest !== null && typeof digest === 'object' && !Array.isArray(digest) ? digest.sha256 : undefined;
  const name = `${kind}:${id}`;
  if (typeof claimed !== 'string' || !HEX.test(claimed)) throw fault(`the first subject is not ${name}`);
  const expected = `{"digest":{"sha256":"${claimed}"},"name":${JSON.stringify(name)}}`;
  if (JSON.stringify(first) !== expected) throw fault(`the first subject is not ${name}`);
  const more = (subject as Json[]).length - 1;
  if (more > 0 && (kind !== 'execution' || more > MAX_MEMBERS || !SUBJECTS.Check(subject))) {
    throw fault('the further subjects are not artefacts of an execution');
  }
  const actual = sha256(predicate);
  for (let i = 0; i < 32; i++) {
    if (Number.parseInt(claimed.slice(2 * i, 2 * i + 2), 16) !== actual[i]) {
      throw fault('the first subject is not the digest of the predicate');
    }
  }
}

/** Names in the order of RFC 8785 §3.2.3 (UTF-16 code units, which is how `<` compares) and numbers of I-JSON. */
function checkOrder(value: Json, depth: number): void {
  if (typeof value === 'number') {
    if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
      throw fault('a number is not an I-JSON number');
    }
    return;
  }
  if (value === null || typeof value !== 'object') return;
  if (depth > MAX_DEPTH) throw fault('nested too deep');
  if (Array.isArray(value)) {
    for (const v of value) checkOrder(v, depth + 1);
    return;
  }
  let previous: string | undefined;
  for (const name of Object.keys(value)) {
    if (previous !== undefined && previous >= name) throw fault('the names are not in canonical order');
    previous = name;
    checkOrder(value[name] as Json, depth + 1);
  }
}
