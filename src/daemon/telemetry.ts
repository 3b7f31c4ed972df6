/**
 * Spans become records: those of generative AI by the semantic conventions that are pinned here, and those that carry
 * `attestd.record = true`. A span tells of what is over, so its record is `completed` and says who told it; the span
 * itself stays on the host as a disclosure, and its digest as it came is an artefact of the record.
 */
import { createHash } from 'node:crypto';
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
}

/** The spans of a request that become records, parents before their children. @param via how they came */
export function tellings(all: readonly ResourceSpans[], via: 'otlp' | 'otlp-bridge'): Telling[] {
  const chosen = all.flatMap(({ resource, spans }) =>
    spans.filter(isChosen).map((span) => ({
      span,
      request: requestOf(span, resource, via),
      key: `otlp/${span.traceId}/${span.spanId}`,
    })),
  );
  const byId = new Map(chosen.map((t) => [t.key, t]));
  const depth = (t: Telling, seen = 0): number => {
    const parent = byId.get(`otlp/${t.span.traceId}/${t.span.parentSpanId}`);
    // A circle of parents has no beginning; it is cut, not followed.
    return parent === undefined || seen > 64 ? 0 : 1 + depth(parent, seen + 1);
  };
  return chosen
    .map((t) => [depth(t), t] as const)
    .sort(([a], [b]) => a - b)
    .map(([, t]) => t);
}

const isChosen = ({ attributes }: Span): boolean =>
  typeof attributes['gen_ai.operation.name'] === 'string' || attributes['attestd.record'] === true;

function requestOf(span: Span, resource: JsonObject, via: string): RecordRequest {
  const { traceId, spanId, parentSpanId, name, attributes: a } = span;
  if (!/^[0-9a-f]{32}$/.test(traceId) || !/^[0-9a-f]{16}$/.test(spanId))
    throw new AttestdError('MALFORMED', 'a span has no trace id of 16 bytes and span id of 8');
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
      return typeof v === 'string' ? [[name, v.slice(0, 1024)]] : [];
    }),
  );
}

/** Text as an action can hold it. */
const clean = (text: string, max: number): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the schema takes none of them
  [...text.replace(/[\u0000-\u001f\u007f]/g, ' ')].join('').slice(0, max) || 'unnamed';
