/** `ExportTraceServiceRequest` in JSON: ids in hexadecimal, 64-bit numbers as text or number, names in lowerCamelCase. */

import { fromUtf8, wellFormed } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { type Json, type JsonObject, jcsBytes, parseJson } from '../../core/json.ts';
import {
  integer,
  MAX_ATTRIBUTES,
  MAX_NESTING,
  MAX_SPANS,
  number,
  type ResourceSpans,
  type Span,
} from './span.ts';

const malformed = (why: string) => new AttestdError('MALFORMED', `OTLP JSON: ${why}`);

/** @throws MALFORMED, TOO_LARGE */
export function readJson(body: Uint8Array): ResourceSpans[] {
  let count = 0;
  return listOf(objectOf(parse(body), 'the body').resourceSpans, 'resourceSpans').map((r) => ({
    resource: attributes(objectOf(r.resource ?? {}, 'resource').attributes),
    schemaUrl: textOf(r.schemaUrl, 'schemaUrl'),
    spans: listOf(r.scopeSpans, 'scopeSpans').flatMap((s) => {
      const scope = scopeOf(objectOf(s.scope ?? {}, 'scope'));
      return listOf(s.spans, 'spans').map((one) => {
        if (++count > MAX_SPANS) throw new AttestdError('TOO_LARGE', `more than ${MAX_SPANS} spans`);
        return { ...span(one), ...scope };
      });
    }),
  }));
}

const TOKEN = /"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*/g;

/**
 * A body as I-JSON. SDKs write doubles beyond 2^53, and cut text to its limit within a character: for that nobody's spans
 * are refused; such numbers become their text and such halves U+FFFD.
 */
function parse(body: Uint8Array): Json {
  const text = fromUtf8(body);
  try {
    return parseJson(text);
  } catch {
    return parseJson(text.replace(TOKEN, mended));
  }
}

function mended(token: string): string {
  try {
    if (token[0] !== '"') parseJson(token);
    else if (token.includes('\\u')) return JSON.stringify(wellFormed(JSON.parse(token) as string));
    return token;
  } catch {
    return token[0] === '"' || !Number.isFinite(Number(token)) ? token : JSON.stringify(token);
  }
}

function scopeOf(s: JsonObject): Pick<Span, 'scope'> {
  const name = textOf(s.name, 'name');
  return name === '' ? {} : { scope: { name, version: textOf(s.version, 'version') } };
}

function span(s: JsonObject): Span {
  const parent = textOf(s.parentSpanId, 'parentSpanId').toLowerCase();
  const status = objectOf(s.status ?? {}, 'status');
  const traceState = textOf(s.traceState, 'traceState');
  const events = listOf(s.events, 'events');
  const links = listOf(s.links, 'links');
  const left = (list: readonly JsonObject[]) => Math.max(0, list.length - MAX_ATTRIBUTES);
  const dropped = [s.droppedAttributesCount, s.droppedEventsCount, s.droppedLinksCount];
  return {
    traceId: textOf(s.traceId, 'traceId').toLowerCase(),
    spanId: textOf(s.spanId, 'spanId').toLowerCase(),
    ...(parent === '' ? {} : { parentSpanId: parent }),
    ...(traceState === '' ? {} : { traceState }),
    name: textOf(s.name, 'name'),
    kind: numberOf(s.kind, 'kind'),
    start: decimal(s.startTimeUnixNano, 'startTimeUnixNano'),
    end: decimal(s.endTimeUnixNano, 'endTimeUnixNano'),
    attributes: attributes(s.attributes),
    events: events.slice(0, MAX_ATTRIBUTES).map((e) => ({
      name: textOf(e.name, 'name'),
      time: decimal(e.timeUnixNano, 'timeUnixNano'),
      attributes: attributes(e.attributes),
    })),
    ...(links.length === 0 ? {} : { links: links.slice(0, MAX_ATTRIBUTES).map(link) }),
    status: { code: numberOf(status.code, 'code'), message: textOf(status.message, 'message') },
    flags: numberOf(s.flags, 'flags'),
    dropped: dropped.reduce((sum: number, n) => sum + numberOf(n, 'dropped'), left(events) + left(links)),
    original: jcsBytes(s),
  };
}

function link(l: JsonObject): JsonObject {
  const traceState = textOf(l.traceState, 'traceState');
  return {
    traceId: textOf(l.traceId, 'traceId').toLowerCase(),
    spanId: textOf(l.spanId, 'spanId').toLowerCase(),
    ...(traceState === '' ? {} : { traceState }),
    attributes: attributes(l.attributes),
  };
}

function attributes(list: Json | undefined, depth = 0): JsonObject {
  const all = listOf(list, 'attributes');
  if (all.length > MAX_ATTRIBUTES)
    throw new AttestdError('TOO_LARGE', `more than ${MAX_ATTRIBUTES} attributes`);
  return Object.fromEntries(all.map((kv) => [textOf(kv.key, 'key'), value(kv.value ?? {}, depth + 1)]));
}

function value(any: Json, depth: number): Json {
  if (depth > MAX_NESTING) throw new AttestdError('TOO_LARGE', `values nest deeper than ${MAX_NESTING}`);
  const v = objectOf(any, 'value');
  if (v.stringValue !== undefined) return textOf(v.stringValue, 'stringValue');
  if (v.boolValue !== undefined) {
    if (typeof v.boolValue !== 'boolean') throw malformed('boolValue is neither true nor false');
    return v.boolValue;
  }
  if (v.intValue !== undefined) return integer(BigInt(decimal(v.intValue, 'intValue', true)));
  if (v.doubleValue !== undefined) return double(v.doubleValue);
  if (v.bytesValue !== undefined) return textOf(v.bytesValue, 'bytesValue');
  if (v.arrayValue !== undefined)
    return listOf(objectOf(v.arrayValue, 'arrayValue').values, 'values').map((x) => value(x, depth + 1));
  if (v.kvlistValue !== undefined) return attributes(objectOf(v.kvlistValue, 'kvlistValue').values, depth);
  return null;
}

/** A double as protobuf's JSON has it: a number, or text of one. */
function double(v: Json): Json {
  if (typeof v === 'number') return number(v);
  if (typeof v === 'string' && /^(?:NaN|-?Infinity)$/.test(v)) return v;
  if (typeof v !== 'string' || !/^-?[0-9][0-9.eE+-]{0,400}$/.test(v) || Number.isNaN(Number(v)))
    throw malformed('doubleValue is no number');
  return number(Number(v));
}

function objectOf(v: Json | undefined, name: string): JsonObject {
  if (v === null || typeof v !== 'object' || Array.isArray(v)) throw malformed(`${name} is no object`);
  return v;
}
function listOf(v: Json | undefined, name: string): JsonObject[] {
  if (v === undefined || v === null) return [];
  if (!Array.isArray(v)) throw malformed(`${name} is no list`);
  return v.map((one) => objectOf(one, name));
}
function textOf(v: Json | undefined, name: string): string {
  if (v === undefined || v === null) return '';
  if (typeof v !== 'string') throw malformed(`${name} is no text`);
  return v;
}
function numberOf(v: Json | undefined, name: string): number {
  if (v === undefined || v === null) return 0;
  if (typeof v !== 'number') throw malformed(`${name} is no number`);
  return v;
}
function decimal(v: Json | undefined, name: string, signed = false): string {
  const text = v === undefined || v === null ? '0' : String(v);
  if (!(signed ? /^-?[0-9]{1,20}$/ : /^[0-9]{1,20}$/).test(text))
    throw malformed(`${name} is no whole number`);
  const n = BigInt(text);
  if (n !== (signed ? BigInt.asIntN(64, n) : BigInt.asUintN(64, n)))
    throw malformed(`${name} is longer than 64 bits`);
  return n.toString();
}
