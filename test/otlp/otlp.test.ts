/**
 * Spans of the real OpenTelemetry SDK for JavaScript, by protobuf and by JSON, gzip or not, through the bridge and on the socket; what
 * they are on record, and what a hostile exporter gets.
 */
import { deflateSync, gzipSync } from 'node:zlib';
import { SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtoExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BasicTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isAttestdError } from '../../src/core/errors.ts';
import { readJson } from '../../src/evidence/otlp/json.ts';
import { readProtobuf } from '../../src/evidence/otlp/protobuf.ts';
import { ask, type Host, makeHost } from '../daemon/kit.ts';
import { type Watch, watchLog } from '../kit/watch.ts';
import { expectRecords } from './agent.ts';
import { type Bridge, startBridge } from './bridge.ts';

let host: Host;
let watch: Watch;
let bridge: Bridge;
let url: string;
beforeAll(async () => {
  host = await makeHost();
  await host.init();
  await (await host.start()).started;
  watch = await watchLog(host.config.admin_socket.path);
  bridge = await startBridge(host.config.socket.path, 20_000 + (process.pid % 20_000));
  url = bridge.url;
}, 120_000);
afterAll(async () => {
  watch?.close();
  await bridge?.stop();
  await host?.remove();
});

/** An agent's turn: an agent that calls a model and a tool, and a span that is nobody's business. */
async function turn(exporter: SpanExporter): Promise<ReadableSpan[]> {
  const kept: ReadableSpan[] = [];
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'refund-bot', 'host.name': 'secret' }),
    spanProcessors: [
      new SimpleSpanProcessor({
        export: (spans, done) => {
          kept.push(...spans);
          done({ code: 0 });
        },
        shutdown: async () => undefined,
      }),
    ],
  });
  const tracer = provider.getTracer('test');
  const { ROOT_CONTEXT } = await import('@opentelemetry/api');
  const agent = tracer.startSpan(
    'invoke_agent refunds',
    {
      attributes: {
        'gen_ai.operation.name': 'invoke_agent',
        'gen_ai.agent.name': 'refunds',
        'gen_ai.provider.name': 'acme',
      },
    },
    ROOT_CONTEXT,
  );
  const within = trace.setSpan(ROOT_CONTEXT, agent);
  tracer
    .startSpan(
      'chat',
      {
        attributes: {
          'gen_ai.operation.name': 'chat',
          'gen_ai.request.model': 'm-1',
          'gen_ai.usage.input_tokens': 1200,
          'gen_ai.request.stop_sequences': ['a', 'ü'],
        },
      },
      within,
    )
    .end();
  const tool = tracer.startSpan(
    'execute_tool refund',
    {
      attributes: {
        'gen_ai.operation.name': 'execute_tool',
        'gen_ai.tool.name': 'refund',
        'error.type': 'timeout',
      },
    },
    within,
  );
  tool.addEvent('retry', { n: 1 });
  tool.setStatus({ code: SpanStatusCode.ERROR, message: 'too slow' });
  tool.end();
  tracer.startSpan('GET /health', {}, within).end();
  tracer
    .startSpan('deploy', { attributes: { 'attestd.record': true, 'attestd.target': 'prod' } }, within)
    .end();
  agent.end();
  await provider.shutdown();
  await new Promise<void>((resolve, reject) =>
    exporter.export(kept, (r) => (r.code === 0 ? resolve() : reject(r.error ?? new Error('export failed')))),
  );
  return kept;
}

describe.each([
  ['protobuf', (o: object) => new ProtoExporter({ url, ...o })],
  ['JSON', (o: object) => new JsonExporter({ url, ...o })],
])('the JavaScript SDK, %s through the bridge', (_, make) => {
  test.each(['none', 'gzip'])('compression %s', async (compression) => {
    await watch.look();
    const exporter = make({ compression });
    const spans = await turn(exporter as unknown as SpanExporter);
    const found = await watch.look();
    const root = spans.find((s) => s.name === 'invoke_agent refunds')?.spanContext();
    const { tool } = expectRecords(found, bridge, {
      claimed: {},
      traceparent: `00-${root?.traceId}-${root?.spanId}-0${TraceFlags.SAMPLED}`,
      agent: String(root?.spanId),
    });
    expect(tool?.predicate.outcome.code).toBe('timeout');
    expect(Object.keys(tool?.values ?? {}).sort()).toEqual([
      expect.stringMatching(/^otlp:[0-9a-f]{32}:[0-9a-f]{16}$/),
      'span',
    ]);
    // The same spans once more are the same records.
    await new Promise<void>((resolve) =>
      (exporter as unknown as SpanExporter).export(spans, () => resolve()),
    );
    expect(await watch.look()).toEqual([]);
    await exporter.shutdown();
  });
});

describe('on the socket itself', () => {
  const path = '/v1/otlp/v1/traces';
  const socket = () => host.config.socket.path;
  const span = (more: object = {}) => ({
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    name: 'x',
    startTimeUnixNano: '1',
    endTimeUnixNano: 2,
    attributes: [{ key: 'attestd.record', value: { boolValue: true } }],
    ...more,
  });
  const body = (...spans: object[]) => JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] });

  test('what comes without the bridge does not claim it', async () => {
    await watch.look();
    expect(await ask(socket(), path, { body: body(span()) })).toMatchObject({ status: 200, text: '{}' });
    const [found] = await watch.look();
    expect(found?.predicate.caller).toMatchObject({
      observed: { pid: process.pid },
      claimed: { via: 'otlp' },
    });
  });

  test('another span under the same ids is refused, and counted', async () => {
    const { status, json } = await ask(socket(), path, { body: body(span({ name: 'y' })) });
    expect([status, json.partialSuccess.rejectedSpans]).toEqual([200, '1']);
    expect(await watch.look()).toEqual([]);
  });

  const id = (n: number) => n.toString(16).padStart(16, '0');
  const sent = async (headers: Record<string, string>, sending: string | Buffer) => {
    await watch.look();
    const answer = await ask(socket(), path, {
      body: sending as Buffer,
      headers: { 'content-length': String(Buffer.byteLength(sending)), ...headers },
    });
    return { answer, found: await watch.look() };
  };

  test.each([
    ['no ids', { traceId: 'x' }],
    ['ids of zeros', { spanId: '0'.repeat(16) }],
  ])('a span with %s is refused, and counted, and no other with it', async (_, bad) => {
    const n = _ === 'no ids' ? 1 : 2;
    const { answer, found } = await sent({}, body(span(bad), span({ spanId: id(n) })));
    expect([answer.status, answer.json.partialSuccess.rejectedSpans]).toEqual([200, '1']);
    expect(found.length).toBe(1);
  });

  test('text is cut between characters, and numbers that JSON does not hold are text', async () => {
    const face = '\u{1f600}';
    const value = (v: object) => ({ key: `k${JSON.stringify(v).length}`, value: v });
    const odd = span({
      spanId: id(3),
      name: `${'x'.repeat(255)}${face}`,
      attributes: [
        { key: 'attestd.record', value: { boolValue: true } },
        { key: 'cut', value: { stringValue: face[0] } },
        { key: 'large', value: { doubleValue: 1e20 } },
        { key: 'text', value: { doubleValue: '1.5' } },
        { key: 'nan', value: { doubleValue: 'NaN' } },
        value({ intValue: '-9223372036854775808' }),
      ],
    });
    const claimed = { key: 'service.name', value: { stringValue: `${'x'.repeat(1023)}${face}` } };
    const message = {
      resourceSpans: [{ resource: { attributes: [claimed] }, scopeSpans: [{ spans: [odd] }] }],
    };
    const { answer, found } = await sent({}, JSON.stringify(message));
    expect([answer.status, answer.text]).toEqual([200, '{}']);
    expect(found[0]?.predicate.action.name).toBe(`${'x'.repeat(255)}\ufffd`);
    expect(found[0]?.predicate.caller.claimed['service.name']).toBe(`${'x'.repeat(1023)}\ufffd`);
    expect(found[0]?.values.span.attributes).toEqual({
      'attestd.record': true,
      cut: '\ufffd',
      large: '100000000000000000000',
      text: 1.5,
      nan: 'NaN',
      k35: '-9223372036854775808',
    });
  });

  test('links, trace state and scope are kept; what is too much of them is said', async () => {
    const link = { traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceState: 'a=b' };
    const spans = [
      span({
        spanId: id(4),
        traceState: 'vendor=1',
        links: [link],
        events: Array.from({ length: 1030 }, () => ({ name: 'e' })),
      }),
    ];
    const scope = { name: 'lib', version: '2' };
    const { found } = await sent({}, JSON.stringify({ resourceSpans: [{ scopeSpans: [{ scope, spans }] }] }));
    // A span so large is kept by its digest; this one without its events is not.
    expect(found[0]?.predicate.capture.omitted[1]).toMatch(/^6 attributes, events or links/);
    const small = await sent(
      {},
      JSON.stringify({
        resourceSpans: [{ scopeSpans: [{ scope, spans: [{ ...spans[0], spanId: id(5), events: [] }] }] }],
      }),
    );
    expect(small.found[0]?.values.span).toMatchObject({
      traceState: 'vendor=1',
      scope,
      links: [{ ...link, attributes: {} }],
    });
  });

  test('between two spans that are recorded others may stand', async () => {
    const chosen = span({ spanId: id(10) });
    const between = span({ spanId: id(11), parentSpanId: id(10), attributes: [] });
    const { found } = await sent({}, body(span({ spanId: id(12), parentSpanId: id(11) }), between, chosen));
    expect(found.map((r) => r.predicate.trace.traceparent.slice(36, 52))).toEqual([id(10), id(12)]);
    expect(found[1]?.predicate.parents).toEqual([{ rel: 'calledBy', digest: found[0]?.digest }]);
  });

  test('parents come before their children however deep they stand, and a circle is cut', async () => {
    const chain = Array.from({ length: 200 }, (_, i) =>
      span({ spanId: id(1000 + i), ...(i === 0 ? {} : { parentSpanId: id(999 + i) }) }),
    );
    const circle = [
      span({ spanId: id(20), parentSpanId: id(21) }),
      span({ spanId: id(21), parentSpanId: id(20) }),
      span({ spanId: id(22), parentSpanId: id(22) }),
    ];
    const { answer, found } = await sent({}, body(...chain.reverse(), ...circle));
    expect([answer.text, found.length]).toEqual(['{}', 203]);
    expect(found.filter((r) => r.predicate.parents !== undefined).length).toBe(199 + 1);
  });

  const gzip = { 'content-encoding': 'gzip' };
  const deflate = { 'content-encoding': 'deflate' };
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
  const proto = { 'content-type': 'application/x-protobuf' };
  test.each([
    ['JSON that is none', 400, {}, '{'],
    ['a name twice', 400, {}, '{"resourceSpans":[],"resourceSpans":[]}'],
    ['a boolean that is none', 400, {}, body(span({ attributes: [{ key: 'a', value: { boolValue: 1 } }] }))],
    [
      'a number that is none',
      400,
      {},
      body(span({ attributes: [{ key: 'a', value: { doubleValue: {} } }] })),
    ],
    ['a number of more than 64 bits', 400, {}, body(span({ startTimeUnixNano: '18446744073709551616' }))],
    ['a list that is none', 400, {}, '{"resourceSpans":{}}'],
    ['gzip that is none', 400, gzip, 'no gzip'],
    ['gzip that grows too large', 413, gzip, bomb],
    ['deflate that is none', 400, deflate, 'no deflate'],
    ['deflate that grows too large', 413, deflate, deflateSync(Buffer.alloc(64 * 1024 * 1024))],
    ['another encoding', 415, { 'content-encoding': 'br' }, '{}'],
    ['another type', 415, { 'content-type': 'text/plain' }, '{}'],
    ['protobuf that is cut off', 400, proto, Buffer.from([0x0a, 0x7f])],
    ['too many spans', 413, gzip, gzipSync(body(...Array.from({ length: 4097 }, () => ({}))))],
  ] as const)('%s', async (_name, status, headers, text) => {
    const sent = Buffer.from(text as string);
    const answer = await ask(socket(), path, {
      body: sent,
      headers: { 'content-length': String(sent.length), ...headers },
    });
    // OTLP/HTTP: a google.rpc.Status in the media type of the request.
    const type = headers === proto ? proto['content-type'] : 'application/json';
    expect([answer.status, answer.headers['content-type']]).toEqual([status, type]);
    if (headers === proto)
      expect([answer.text[0], answer.text.slice(1)]).toEqual([
        '\u0012',
        expect.stringMatching(/^.{8,}\[MALFORMED\]$/),
      ]);
    else expect(JSON.parse(answer.text)).toEqual({ message: expect.stringMatching(/ \[[A-Z_]+\]$/) });
    expect(await watch.look()).toEqual([]);
  });

  test('the bridge is not for pages in a browser', async () => {
    const answer = await fetch(url, {
      method: 'POST',
      body: '{}',
      headers: { origin: 'https://evil.example' },
    });
    expect(answer.status).toBe(403);
  });
});

describe('readers', () => {
  const orFault = (work: () => unknown) => {
    try {
      work();
    } catch (e) {
      expect(isAttestdError(e) && ['MALFORMED', 'TOO_LARGE'].includes(e.code), String(e)).toBe(true);
    }
  };
  test('of protobuf take any bytes or refuse them', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => orFault(() => readProtobuf(bytes))));
    const nested = (depth: number): Buffer => {
      let value: Buffer = Buffer.from([0x0a, 0x00]);
      for (let i = 0; i < depth; i++) value = wrap(5, wrap(1, value));
      return wrap(1, wrap(1, wrap(1, Buffer.concat([Buffer.from([0x0a, 1, 0x61]), wrap(2, value)]))));
    };
    expect(readProtobuf(nested(4)).length).toBe(1);
    expect(() => readProtobuf(nested(40))).toThrow(/nest deeper/);
  });
  test('of protobuf read narrow numbers as proto3 has it, and text that was cut within a character', () => {
    const span = Buffer.concat([
      wrap(5, Buffer.from([0x61, 0xf0, 0x9f])),
      Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
      Buffer.from([0x50, 0x81, 0x80, 0x80, 0x80, 0x80, 0x20]),
    ]);
    const [read] = readProtobuf(wrap(1, wrap(2, wrap(2, span))))[0]?.spans ?? [];
    expect(read).toMatchObject({ name: 'a\ufffd', kind: -1, dropped: 1 });
  });
  test('of JSON take any JSON or refuse it', () => {
    fc.assert(fc.property(fc.json(), (text) => orFault(() => readJson(Buffer.from(text)))));
  });
  /** A field that holds a message. */
  const wrap = (number: number, inner: Buffer): Buffer => {
    const length: number[] = [];
    let n = inner.length;
    for (; n > 0x7f; n >>= 7) length.push((n & 0x7f) | 0x80);
    return Buffer.concat([Buffer.from([(number << 3) | 2, ...length, n]), inner]);
  };
});
