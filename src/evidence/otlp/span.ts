/** Spans as OTLP carries them (opentelemetry-proto 1.7, trace/v1), from protobuf and from JSON into one shape. */
import type { Json, JsonObject } from '../../core/json.ts';

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  /** Nanoseconds since 1970 in decimal. */
  readonly start: string;
  readonly end: string;
  readonly attributes: JsonObject;
  readonly events: readonly JsonObject[];
  /** Of other traces or of this one; absent where there are none. */
  readonly links?: readonly JsonObject[];
  /** W3C trace state; absent where it is empty. */
  readonly traceState?: string;
  /** Name and version of what instruments; absent where it has no name. */
  readonly scope?: JsonObject;
  readonly status: { readonly code: number; readonly message: string };
  readonly flags: number;
  /** Attributes, events and links that the SDK dropped, and those that are too many to be kept. */
  readonly dropped: number;
  /** The span as it came: its protobuf bytes, or its JSON in RFC 8785 form. */
  readonly original: Uint8Array;
}

/** Spans of one resource. */
export interface ResourceSpans {
  readonly resource: JsonObject;
  readonly schemaUrl: string;
  readonly spans: readonly Span[];
}

/** Most spans in one request; most attributes of one thing, events or links of one span; how deep values nest. */
export const MAX_SPANS = 4096;
export const MAX_ATTRIBUTES = 1024;
export const MAX_NESTING = 16;

/** A 64-bit number as JSON can hold it: a number where that loses nothing, else its decimal text. */
export const integer = (n: bigint): Json =>
  BigInt(Number(n)) === n && Number.isSafeInteger(Number(n)) ? Number(n) : n.toString();

/** A double as a record can hold it: what JSON has no number for, or none that is exact everywhere, is text. */
export const number = (n: number): Json =>
  !Number.isFinite(n) || (Number.isInteger(n) && !Number.isSafeInteger(n)) ? String(n) : n + 0;
