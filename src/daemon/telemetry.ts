/**
 * Spans become records: those of generative AI by the semantic conventions that are pinned here, and those that carry
 * `attestd.record = true`. A span tells of what is over, so its record is `completed` and says who told it; the span
 * itself stays on the host as a disclosure, and its digest as it came is an artefact of the record.
 */
import { createHash } from 'node:crypto';
import { cutText } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { ResourceSpans, Span } from '../evidence/otlp/span.ts';
import type { RecordRequest } from '../evidence/schema/request.ts';

/** The conventions by which GenAI spans are read: operation, provider, model, agent and tool have these names in them. */
export const GENAI_CONVENTIONS = '1.37.0';
/** Largest span that a disclosure holds itself, in bytes of JSON. */
const INLINE = 32_768;
/** What a resource says about itself and the record keeps as claimed. */
const CLAIMED = [
  'service.name',
  'service.namespace',
  'service.version',
  'service.instance.id',
  'telemetry.sdk.language',
  'telemetry.sdk.name',
  'telemetry.sdk.version',
];

/** A span that becomes a record. */
export interface Telling {
  readonly span: Span;
  /** Without the parent, which is known once its own record is there. */
  readonly request: RecordRequest;
  /** The same span is one record, however often it is exported. */
  readonly key: string;
  /** Key of the nearest span above it that becomes a record too. */
  readonly parent?: string;
  /** Why it can become none. */
  readonly fault?: AttestdError;
}

const keyOf = (traceId: string, spanId: string | undefined): string => `otlp/${traceId}/${spanId}`;

/** The spans of a request that become records, parents before their children. @param via how they came */
export function tellings(all: readonly ResourceSpans[], via: 'otlp' | 'otlp-bridge'): Telling[] {
  const spans = new Map<string, Span>();
  for (const r of all) for (const s of r.spans) spans.set(keyOf(s.traceId, s.spanId), s);
  const depths = new Map<Span, number>();
  /** How many stand above a span. A circle of parents has no beginning; it is cut, not followed. */
  function depth(span: Span): number {
    const path: Span[] = [];
    let at: Span | undefined = span;
    for (; at !== undefined && !depths.has(at); at = spans.get(keyOf(at.traceId, at.parentSpanId))) {
      depths.set(at, 0);
      path.push(at);
    }
    let above = at === undefined ? 0 : (depths.get(at) as number) + 1;
    for (const one of path.reverse()) depths.set(one, above++);
    return depths.get(span) as number;
  }
  const above = new Map<Span, string | undefined>();
  /** Between a model and its tool stand spans that are nobody's business. */
  function chosenAbove(span: Span): string | undefined {
    const path: Span[] = [];
    let at: Span | undefined = span;
    let found: string | undefined;
    while (at !== undefined && found === undefined && !above.has(at)) {
      above.set(at, undefined);
      path.push(at);
      at = spans.get(keyOf(at.traceId, at.parentSpanId));
      if (at !== undefined && isChosen(at)) found = keyOf(at.traceId, at.spanId);
    }
    found ??= at === undefined ? undefined : above.get(at);
    for (const one of path) above.set(one, found);
    return found;
  }
  return all
    .flatMap(({ resource, spans }) =>
      spans.filter(isChosen).map((span): readonly [number, Telling] => {
        const { traceId, spanId } = span;
        const parent = chosenAbove(span);
        const fault =
          isId(traceId, 32) && isId(spanId, 16)
            ? undefined
            : new AttestdError('MALFORMED', 'a span has no trace id of 16 bytes and span id of 8');
        return [
          depth(span),
          {
            span,
            request: requestOf(span, resource, via),
            key: keyOf(traceId, spanId),
            ...(parent === undefined ? {} : { parent }),
            ...(fault === undefined ? {} : { fault }),
          },
        ];
      }),
    )
    .sort(([a], [b]) => a - b)
    .map(([, t]) => t);
}

/** Hexadecimal, and not zeros alone: such stand for none. */
const isId = (id: string, digits: number): boolean =>
  id.length === digits && /^[0-9a-f]+$/.test(id) && /[1-9a-f]/.test(id);

const isChosen = ({ attributes }: Span): boolean =>
  typeof attributes['gen_ai.operation.name'] === 'string' || attributes['attestd.record'] === true;

function requestOf(span: Span, resource: JsonObject, via: string): RecordRequest {
  const { traceId, spanId, parentSpanId, name, attributes: a } = span;
  const operation = a['gen_ai.operation.name'];
  const first = (...names: string[]) =>
    names.map((n) => a[n]).find((v) => typeof v === 'string' && v !== '') as string | undefined;
  const subject = first('gen_ai.tool.name', 'gen_ai.agent.name', 'gen_ai.request.model') ?? name;
  const target = first('gen_ai.provider.name', 'gen_ai.system', 'attestd.target');
  const failed = span.status.code === 2;
  const code = first('error.type');
  const { original, ...told } = span;
  const whole = { ...told, events: [...told.events] } as unknown as JsonObject;
  const size = Buffer.byteLength(JSON.stringify(whole));
  const sha256 = createHash('sha256').update(original).digest('hex');
  return {
    phase: 'completed',
    action: {
      type: clean(typeof operation === 'string' ? `gen_ai.${operation}` : 'span', 128),
      name: clean(subject, 256),
      ...(target === undefined ? {} : { target: clean(target, 1024) }),
    },
    claimed: { ...claimedOf(resource), via },
    inputs: { span: size <= INLINE ? whole : { sha256, size } },
    plain: {
      parameters: {
        conventions: `gen_ai/${GENAI_CONVENTIONS}`,
        ...(parentSpanId === undefined ? {} : { parentSpanId }),
      },
    },
    artefacts: [{ name: `otlp:${traceId}:${spanId}`, sha256 }],
    trace: { traceparent: `00-${traceId}-${spanId}-${(span.flags & 0xff).toString(16).padStart(2, '0')}` },
    outcome: {
      status: failed ? 'failed' : 'succeeded',
      effect: 'unknown',
      ...(code === undefined ? {} : { code: clean(code, 64) }),
    },
    capture: {
      complete: false,
      omitted: [
        'told by telemetry once it was over; attestd did not see it begin',
        ...(span.dropped > 0 ? [`${span.dropped} attributes, events or links that the SDK dropped`] : []),
      ],
    },
  };
}

function claimedOf(resource: JsonObject): Record<string, string> {
  return Object.fromEntries(
    CLAIMED.flatMap((name) => {
      const v = resource[name];
      return typeof v === 'string' ? [[name, cutText(v, 1024)]] : [];
    }),
  );
}

/** Text as an action can hold it. */
const clean = (text: string, max: number): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the schema takes none of them
  cutText(text.replace(/[\u0000-\u001f\u007f]/g, ' '), max) || 'unnamed';
