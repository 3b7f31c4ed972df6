/**
 * The writer of execution records, made for speed: the known frame stands in canonical order as text, only what the
 * caller sent is canonicalised. Its bytes are those that `buildEntry` gives for the same predicate (a property test holds
 * them equal).
 */
import { fromBase64Url, toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { assertJson, type Json, type JsonObject } from '../core/json.ts';
import { createTimeWriter } from '../core/time.ts';
import { ulid } from '../core/ulid.ts';
import { canonical, member, quoted } from './canonical.ts';
import { artefactValue, disclosureOf, SALT_BYTES } from './disclosure.ts';
import { recordDigest } from './dsse.ts';
import { createEntryWriter } from './entrywriter.ts';
import { createRandomPool, createSalts, type RandomBytes } from './pool.ts';
import type { BuiltRecord } from './record.ts';
import type { RecordRequest } from './schema/request.ts';

/** A record with the disclosures that open it, in the order of the request. */
export interface ExecutionRecord extends BuiltRecord {
  readonly disclosures: readonly string[];
}

/** Writes one record; see `createExecutionWriter`. */
export type ExecutionWriter = (
  request: RecordRequest,
  observedCanonicalJson: string,
  timeMs: number,
  /** The `authorization` member in RFC 8785 form; absent: nobody was asked, and the record says so. */
  authorizationCanonicalJson?: string,
) => ExecutionRecord;

/** Where a run's records belong, and the source of salts and ids. */
export interface ExecutionWriterOptions {
  /** Origin of the log. */
  readonly log: string;
  /** Record digest of the run's boot entry, hexadecimal. */
  readonly boot: string;
  /** Gives that many random bytes; called for some kilobytes at a time. */
  readonly random: RandomBytes;
}

type Group = 'inputs' | 'parameters' | 'outputs';
/** Where salts come from and disclosures go. */
interface Into {
  readonly random: RandomBytes;
  readonly disclosures: string[];
}

/**
 * A writer for the records of one run. It takes requests that `parseJson` and the request schema accepted, and the
 * observed caller already in RFC 8785 form (made once per connection).
 * The writer throws RECORD_TOO_LARGE over 65,535 bytes, INVALID_REQUEST when a name is both salted and plain, and
 * MALFORMED for a lone surrogate.
 */
export function createExecutionWriter(options: ExecutionWriterOptions): ExecutionWriter {
  const random = createRandomPool(options.random);
  const salts = createSalts(random);
  const time = createTimeWriter();
  const entryOf = createEntryWriter('execution');
  const boot = `,"boot":${JSON.stringify(options.boot)},"caller":{`;
  const log = `,"log":${JSON.stringify(options.log)}`;

  return (request, observed, timeMs, authorization = '"ungoverned"') => {
    const disclosures: string[] = [];
    const id = ulid(timeMs, random(10));
    const salt = salts();
    const r = request as RecordRequest & JsonObject;
    const { plain } = request;
    const into = { random, disclosures };
    const inputs = group('inputs', request.inputs, plain?.inputs, into);
    const parameters = group('parameters', request.parameters, plain?.parameters, into);
    const outputs = group('outputs', request.outputs, plain?.outputs, into);

    let text = `{"action":${action(request)},"authorization":${authorization}${boot}`;
    if (request.claimed !== undefined) text += `"claimed":${canonical(request.claimed)},`;
    text += `"observed":${observed}}${member('capture', r.capture)},"id":"${id}"${inputs}${log}`;
    text += `${outcome(request)}${outputs}${parameters}${member('parents', r.parents)},"phase":"${request.phase}"`;
    text += `,"salt":"${salt}","time":"${time(timeMs)}"${member('trace', r.trace)},"v":1}`;

    const artefacts = artefactSubjects(request, into);
    if (text.includes('\\ud') || artefacts.includes('\\ud')) assertJson(request);
    return new Written(id, entryOf(id, text, artefacts), disclosures);
  };
}

/** What was written. The store hashes entries while the disk works, so few ask here for the digest. */
class Written implements ExecutionRecord {
  readonly id: string;
  readonly entry: Uint8Array;
  readonly disclosures: readonly string[];

  constructor(id: string, entry: Uint8Array, disclosures: readonly string[]) {
    this.id = id;
    this.entry = entry;
    this.disclosures = disclosures;
  }

  get recordDigest(): Uint8Array {
    return recordDigest(this.entry);
  }
}

function action({ action: { type, name, target } }: RecordRequest): string {
  const to = target === undefined ? '' : `,"target":${quoted(target)}`;
  return `{"name":${quoted(name)}${to},"type":${quoted(type)}}`;
}

function outcome({ outcome: o }: RecordRequest): string {
  if (o === undefined) return '';
  const code = o.code === undefined ? '' : `"code":${JSON.stringify(o.code)},`;
  return `,"outcome":{${code}"effect":"${o.effect}","observedBy":"caller","status":"${o.status}"}`;
}

/** `,"inputs":{"_sd":[…]}` with plain members in their canonical places; nothing when the caller sent neither. */
function group(name: Group, saltedMembers: unknown, plainMembers: unknown, into: Into): string {
  const salted = saltedMembers as JsonObject | undefined;
  const plain = plainMembers as JsonObject | undefined;
  if (salted === undefined && plain === undefined) return '';
  const digests: string[] = [];
  if (salted !== undefined) {
    for (const member of Object.keys(salted)) {
      if (plain !== undefined && Object.hasOwn(plain, member)) throw twice(name, member);
      digests.push(disclose(member, salted[member] as Json, into));
    }
  }
  // RFC 9901 §4.2.4.1: the order of the digests must not tell the order of the names.
  digests.sort();
  const sd = digests.length === 0 ? '[]' : `["${digests.join('","')}"]`;
  if (plain === undefined) return `,"${name}":{"_sd":${sd}}`;
  const members = ['_sd', ...Object.keys(plain)].sort();
  const texts = members.map((m) =>
    m === '_sd' ? `"_sd":${sd}` : `${quoted(m)}:${canonical(plain[m] as Json)}`,
  );
  return `,"${name}":{${texts.join(',')}}`;
}

function twice(group: Group, member: string): AttestdError {
  const pointer = `/plain/${group}/${member.replaceAll('~', '~0').replaceAll('/', '~1')}`;
  return new AttestdError('INVALID_REQUEST', `${pointer}: the name stands in /${group} too`, {
    field: pointer,
  });
}

/** Makes a disclosure, keeps its text, and returns its digest in base64url. */
function disclose(name: string, value: Json, { random, disclosures }: Into): string {
  const rest = `${quoted(name)},${canonical(value)}]`;
  if (rest.includes('\\ud')) assertJson([name, value]);
  const { digest, text } = disclosureOf(random(SALT_BYTES), rest);
  disclosures.push(text);
  return digest;
}

const hexOf = (base64Url: string): string => toHex(fromBase64Url(base64Url));

/** Subjects after the first, each with a leading comma. */
function artefactSubjects(request: RecordRequest, into: Into): string {
  let out = '';
  for (const { name, sha256: digest, plain } of request.artefacts ?? []) {
    const shown = plain === true ? digest : hexOf(disclose(name, artefactValue(digest), into));
    const mark = plain === true ? '' : '"annotations":{"salted":true},';
    out += `,{${mark}"digest":{"sha256":"${shown}"},"name":${JSON.stringify(name)}}`;
  }
  return out;
}
