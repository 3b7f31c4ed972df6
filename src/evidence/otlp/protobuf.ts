/** `ExportTraceServiceRequest` in protobuf. Fields that are not known are skipped, as proto3 has it. */
import { toBase64, toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import type { Json, JsonObject } from '../../core/json.ts';
import {
  integer,
  MAX_ATTRIBUTES,
  MAX_NESTING,
  MAX_SPANS,
  number,
  type ResourceSpans,
  type Span,
} from './span.ts';
import { bytesOf, type Field, fields, numberOf, textOf } from './wire.ts';

/** @throws MALFORMED, TOO_LARGE */
export function readProtobuf(bytes: Uint8Array): ResourceSpans[] {
  const all: ResourceSpans[] = [];
  let count = 0;
  for (const f of fields(bytes)) {
    if (f.number !== 1) continue;
    const one = { resource: {} as JsonObject, schemaUrl: '', spans: [] as Span[] };
    for (const r of fields(bytesOf(f))) {
      if (r.number === 1) one.resource = attributes(bytesOf(r), 1);
      else if (r.number === 3) one.schemaUrl = textOf(r);
      else if (r.number === 2) {
        const scope = scopeOf(bytesOf(r));
        for (const s of fields(bytesOf(r))) {
          if (s.number !== 2) continue;
          if (++count > MAX_SPANS) throw new AttestdError('TOO_LARGE', `more than ${MAX_SPANS} spans`);
          one.spans.push({ ...span(bytesOf(s)), ...scope });
        }
      }
    }
    all.push(one);
  }
  return all;
}

function scopeOf(scopeSpans: Uint8Array): Pick<Span, 'scope'> {
  const scope = { name: '', version: '' };
  for (const f of fields(scopeSpans)) {
    if (f.number !== 1) continue;
    for (const s of fields(bytesOf(f))) {
      if (s.number === 1) scope.name = textOf(s);
      else if (s.number === 2) scope.version = textOf(s);
    }
  }
  return scope.name === '' ? {} : { scope };
}

function span(original: Uint8Array): Span {
  const s = { traceId: '', spanId: '', name: '', kind: 0, start: '0', end: '0', flags: 0, dropped: 0 };
  let parentSpanId = '';
  let traceState = '';
  let status = { code: 0, message: '' };
  const events: JsonObject[] = [];
  const links: JsonObject[] = [];
  for (const f of fields(original)) {
    if (f.number === 1) s.traceId = toHex(bytesOf(f));
    else if (f.number === 2) s.spanId = toHex(bytesOf(f));
    else if (f.number === 3) traceState = textOf(f);
    else if (f.number === 4) parentSpanId = toHex(bytesOf(f));
    else if (f.number === 5) s.name = textOf(f);
    else if (f.number === 6) s.kind = enumOf(f);
    else if (f.number === 7) s.start = numberOf(f, 64).toString();
    else if (f.number === 8) s.end = numberOf(f, 64).toString();
    else if ([10, 12, 14].includes(f.number)) s.dropped += countOf(f);
    else if (f.number === 11) s.dropped += keep(events, () => event(bytesOf(f)));
    else if (f.number === 13) s.dropped += keep(links, () => link(bytesOf(f)));
    else if (f.number === 15) status = statusOf(bytesOf(f));
    else if (f.number === 16) s.flags = Number(numberOf(f, 32));
  }
  return {
    ...s,
    ...(parentSpanId === '' ? {} : { parentSpanId }),
    ...(traceState === '' ? {} : { traceState }),
    attributes: attributes(original, 9),
    events,
    ...(links.length === 0 ? {} : { links }),
    status,
    original,
  };
}

/** Takes one more into a list, unless it is full. @returns how many were left out */
function keep(list: JsonObject[], make: () => JsonObject): number {
  if (list.length >= MAX_ATTRIBUTES) return 1;
  list.push(make());
  return 0;
}

/** Numbers that are narrower than their varint: what is above them is cut off, as proto3 has it. */
const enumOf = (f: Field): number => Number(BigInt.asIntN(32, numberOf(f)));
const countOf = (f: Field): number => Number(BigInt.asUintN(32, numberOf(f)));

function link(bytes: Uint8Array): JsonObject {
  const found: JsonObject = { traceId: '', spanId: '', attributes: attributes(bytes, 4) };
  for (const f of fields(bytes)) {
    if (f.number === 1) found.traceId = toHex(bytesOf(f));
    else if (f.number === 2) found.spanId = toHex(bytesOf(f));
    else if (f.number === 3) found.traceState = textOf(f);
  }
  return found;
}

function statusOf(bytes: Uint8Array): Span['status'] {
  const status = { code: 0, message: '' };
  for (const f of fields(bytes)) {
    if (f.number === 2) status.message = textOf(f);
    else if (f.number === 3) status.code = enumOf(f);
  }
  return status;
}

function event(bytes: Uint8Array): JsonObject {
  const found: JsonObject = { name: '', attributes: attributes(bytes, 3) };
  for (const f of fields(bytes)) {
    if (f.number === 1) found.time = numberOf(f, 64).toString();
    else if (f.number === 2) found.name = textOf(f);
  }
  return found;
}

/** The attributes of a message, in this field of it. */
function attributes(bytes: Uint8Array, field: number, depth = 0): JsonObject {
  const found: [string, Json][] = [];
  for (const f of fields(bytes)) {
    if (f.number !== field) continue;
    if (found.length === MAX_ATTRIBUTES)
      throw new AttestdError('TOO_LARGE', `more than ${MAX_ATTRIBUTES} attributes`);
    let key = '';
    let held: Json = null;
    for (const kv of fields(bytesOf(f))) {
      if (kv.number === 1) key = textOf(kv);
      else if (kv.number === 2) held = value(bytesOf(kv), depth + 1);
    }
    found.push([key, held]);
  }
  return Object.fromEntries(found);
}

function value(bytes: Uint8Array, depth: number): Json {
  if (depth > MAX_NESTING) throw new AttestdError('TOO_LARGE', `values nest deeper than ${MAX_NESTING}`);
  let held: Json = null;
  for (const f of fields(bytes)) {
    if (f.number === 1) held = textOf(f);
    else if (f.number === 2) held = numberOf(f) !== 0n;
    else if (f.number === 3) held = integer(BigInt.asIntN(64, numberOf(f)));
    else if (f.number === 4) held = double(numberOf(f, 64));
    else if (f.number === 5)
      held = [...fields(bytesOf(f))].filter((v) => v.number === 1).map((v) => value(bytesOf(v), depth + 1));
    else if (f.number === 6) held = attributes(bytesOf(f), 1, depth);
    else if (f.number === 7) held = toBase64(bytesOf(f));
  }
  return held;
}

/** A double from its bits. */
function double(bits: bigint): Json {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, bits);
  return number(view.getFloat64(0));
}
