/** `ExportTraceServiceRequest` in JSON: ids in hexadecimal, 64-bit numbers as text or number, names in lowerCamelCase. */
import { AttestdError } from '../../core/errors.ts';
import { type Json, type JsonObject, jcsBytes } from '../../core/json.ts';
import { integer, MAX_ATTRIBUTES, MAX_NESTING, MAX_SPANS, type ResourceSpans, type Span } from './span.ts';

const malformed = (why: string) => new AttestdError('MALFORMED', `OTLP JSON: ${why}`);

/** @param message what parseJson made of the body @throws MALFORMED, TOO_LARGE */
export function readJson(message: Json): ResourceSpans[] {
  let count = 0;
  return listOf(objectOf(message, 'the body').resourceSpans, 'resourceSpans').map((r) => ({
    resource: attributes(objectOf(r.resource ?? {}, 'resource').attributes),
    schemaUrl: textOf(r.schemaUrl, 'schemaUrl'),
    spans: listOf(r.scopeSpans, 'scopeSpans').flatMap((s) =>
      listOf(s.spans, 'spans').map((one) => {
        if (++count > MAX_SPANS) throw new AttestdError('TOO_LARGE', `more than ${MAX_SPANS} spans`);
        return span(one);
      }),
    ),
  }));
}

function span(s: JsonObject): Span {
  const parent = textOf(s.parentSpanId, 'parentSpanId').toLowerCase();
  const status = objectOf(s.status ?? {}, 'status');
  const dropped = [s.droppedAttributesCount, s.droppedEventsCount, s.droppedLinksCount];
  return {
    traceId: textOf(s.traceId, 'traceId').toLowerCase(),
    spanId: textOf(s.spanId, 'spanId').toLowerCase(),
    ...(parent === '' ? {} : { parentSpanId: parent }),
    name: textOf(s.name, 'name'),
    kind: numberOf(s.kind, 'kind'),
    start: decimal(s.startTimeUnixNano, 'startTimeUnixNano'),
    end: decimal(s.endTimeUnixNano, 'endTimeUnixNano'),
    attributes: attributes(s.attributes),
    events: listOf(s.events, 'events')
      .slice(0, MAX_ATTRIBUTES)
      .map((e) => ({
        name: textOf(e.name, 'name'),
        time: decimal(e.timeUnixNano, 'timeUnixNano'),
        attributes: attributes(e.attributes),
      })),
    status: { code: numberOf(status.code, 'code'), message: textOf(status.message, 'message') },
    flags: numberOf(s.flags, 'flags'),
    dropped: dropped.reduce((sum: number, n) => sum + numberOf(n, 'dropped'), 0),
    original: jcsBytes(s),
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
  if (v.boolValue !== undefined) return v.boolValue === true;
  if (v.intValue !== undefined) return integer(BigInt(decimal(v.intValue, 'intValue', true)));
  if (v.doubleValue !== undefined) return v.doubleValue;
  if (v.bytesValue !== undefined) return textOf(v.bytesValue, 'bytesValue');
  if (v.arrayValue !== undefined)
    return listOf(objectOf(v.arrayValue, 'arrayValue').values, 'values').map((x) => value(x, depth + 1));
  if (v.kvlistValue !== undefined) return attributes(objectOf(v.kvlistValue, 'kvlistValue').values, depth);
  return null;
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
  return text;
}
