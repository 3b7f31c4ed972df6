/** `ExportTraceServiceRequest` in protobuf. Fields that are not known are skipped, as proto3 has it. */
import { toBase64, toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import type { Json, JsonObject } from '../../core/json.ts';
import { integer, MAX_ATTRIBUTES, MAX_NESTING, MAX_SPANS, type ResourceSpans, type Span } from './span.ts';
import { bytesOf, fields, numberOf, textOf } from './wire.ts';

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
        for (const s of fields(bytesOf(r))) {
          if (s.number !== 2) continue;
          if (++count > MAX_SPANS) throw new AttestdError('TOO_LARGE', `more than ${MAX_SPANS} spans`);
          one.spans.push(span(bytesOf(s)));
        }
      }
    }
    all.push(one);
  }
  return all;
}

function span(original: Uint8Array): Span {
  const s = { traceId: '', spanId: '', name: '', kind: 0, start: '0', end: '0', flags: 0, dropped: 0 };
  let parentSpanId = '';
  let status = { code: 0, message: '' };
  const events: JsonObject[] = [];
  for (const f of fields(original)) {
    if (f.number === 1) s.traceId = toHex(bytesOf(f));
    else if (f.number === 2) s.spanId = toHex(bytesOf(f));
    else if (f.number === 4) parentSpanId = toHex(bytesOf(f));
    else if (f.number === 5) s.name = textOf(f);
    else if (f.number === 6) s.kind = Number(numberOf(f));
    else if (f.number === 7) s.start = numberOf(f, 64).toString();
    else if (f.number === 8) s.end = numberOf(f, 64).toString();
    else if ([10, 12, 14].includes(f.number)) s.dropped += Number(numberOf(f));
    else if (f.number === 11 && events.length < MAX_ATTRIBUTES) events.push(event(bytesOf(f)));
    else if (f.number === 15) status = statusOf(bytesOf(f));
    else if (f.number === 16) s.flags = Number(numberOf(f, 32));
  }
  const parent = parentSpanId === '' ? {} : { parentSpanId };
  return { ...s, ...parent, attributes: attributes(original, 9), events, status, original };
}

function statusOf(bytes: Uint8Array): Span['status'] {
  const status = { code: 0, message: '' };
  for (const f of fields(bytes)) {
    if (f.number === 2) status.message = textOf(f);
    else if (f.number === 3) status.code = Number(numberOf(f));
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

/** The attributes of a message, in its field `number`. */
function attributes(bytes: Uint8Array, number: number, depth = 0): JsonObject {
  const found: [string, Json][] = [];
  for (const f of fields(bytes)) {
    if (f.number !== number) continue;
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

/** A double from its bits; what JSON has no number for is text. */
function double(bits: bigint): Json {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, bits);
  const n = view.getFloat64(0);
  return Number.isFinite(n) && !Object.is(n, -0) ? n : Object.is(n, -0) ? 0 : String(n);
}
