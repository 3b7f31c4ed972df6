/**
 * The HTTP surface against openapi.json: requests made from the document for every operation, whole and damaged in every
 * way that is listed here, on real sockets of a real daemon with a software TPM. Each is answered as the document says or
 * its connection is closed; none is answered with a fault of the daemon; none that is refused leaves anything in the log;
 * what comes behind it on the connection is still understood; and in the end the audit finds nothing.
 */

import { readFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { enrol } from '../daemon/enrol.ts';
import { makePolicies, POLICIES } from '../govern/kit.ts';
import { type DaemonProcess, makeProcessHost, type ProcessHost, until, within } from '../kit/host.ts';
import { BODY_DAMAGES, type Damage, type Dice } from './bodydamage.ts';
import { OPERATIONS, type Operation } from './document.ts';
import { createExamples, ELSEWHERE, type Example, type Examples } from './example.ts';
import { converse } from './exchange.ts';
import { complaints } from './judge.ts';
import { assemble, CLIENT, type Pair, type Request, type Shot, shotOf } from './request.ts';
import { fitting } from './values.ts';
import { WIRE_DAMAGES } from './wiredamage.ts';

/** Requests of each operation; FUZZ_RUNS asks for more. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 30);
/** A landing is not held up by luck: the test run draws the same requests each time, scripts/fuzz others. */
const SEED = process.env.FUZZ_SEED ?? (process.env.FUZZ_RUNS === undefined ? '1' : undefined);
const PARAMETERS = { numRuns: RUNS, ...(SEED === undefined ? {} : { seed: Number(SEED) }) };
const DAMAGES: Readonly<Record<string, Damage>> = { ...BODY_DAMAGES, ...WIRE_DAMAGES };

let host: ProcessHost;
let daemon: DaemonProcess;
let examples: Examples;
let paths: Readonly<Record<'client' | 'admin', string>>;
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

beforeAll(async () => {
  const policies = makePolicies(POLICIES);
  const many = ['quotes', 'signatures', 'measurements'].map((what) => `${what}_per_minute = 6000`);
  host = await makeProcessHost({
    policy: [`directory = "${policies.directory}"`, `keys = ["${policies.publicKey}"]`],
    limits: [...many, 'request_ms = 2000', 'body_bytes = 262144'],
    seal: ['published_ms = 100'],
    log: ['level = "error"'],
  });
  await enrol(host);
  daemon = host.start();
  await daemon.ready();
  paths = { client: host.socket, admin: host.config.admin_socket.path };
  const epoch = host.logDir.split('/').at(-1) as string;
  examples = createExamples(host.socket, epoch);
}, 240_000);
afterAll(async () => {
  agent.destroy();
  await host?.remove();
});

interface Status {
  readonly entries: number;
  readonly queue: { readonly records: number; readonly bytes: number };
}

/** What the daemon says of itself, on a connection that stays. */
function status(): Promise<Status> {
  return new Promise((resolve, reject) => {
    const headers = { [CLIENT[0]]: CLIENT[1] };
    httpRequest({ socketPath: paths.admin, path: '/v1/status', agent, headers }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      res.on('end', () => resolve(JSON.parse(text) as Status));
    })
      .on('error', reject)
      .end();
  });
}

const BEHIND: readonly Pair[] = [['host', 'x'], CLIENT, ['connection', 'close']];
const NEXT = assemble('GET /v1/health HTTP/1.1', BEHIND, Buffer.alloc(0));

/** Sends a shot, and what comes behind it, and holds what came of it against everything that is known. */
async function fire(shot: Shot): Promise<{ status: number | undefined; wrong: string[] }> {
  const before = (await status()).entries;
  const bytes = shot.end ? shot.bytes : Buffer.concat([shot.bytes, NEXT]);
  const conversation = await converse(paths[shot.socket], bytes, shot.end, [shot.head]);
  const grown = (await status()).entries - before;
  const wrong = complaints(shot, conversation, grown);
  if (!daemon.running) wrong.push(`the daemon ended: ${daemon.output()}`);
  return { status: conversation.answers[0]?.status, wrong };
}

/** A request of an operation by the document, with what an example has in its place. */
function requestOf(operation: Operation, drawn: Drawn, example: Example | undefined): Request {
  const { parameters } = operation;
  let path = operation.path;
  for (const p of parameters.filter((p) => p.in === 'path')) {
    const value = example?.path?.[p.name] ?? String(drawn.parameters[p.name]);
    path = path.replace(`{${p.name}}`, p.name === '*' ? encodeURI(value) : encodeURIComponent(value));
  }
  const drawnQuery = parameters
    .filter((p) => p.in === 'query' && drawn.parameters[p.name] !== undefined)
    .map((p) => [p.name, String(drawn.parameters[p.name])] as const);
  const query = example === undefined ? drawnQuery : Object.entries(example.query ?? {});
  const base = { operation, socket: example?.socket ?? drawn.socket, method: operation.method, path, query };
  if (operation.bodies.size === 0) return { ...base, headers: [] };
  const media = example === undefined ? drawn.media : 'application/json';
  return { ...base, headers: [], media, value: example === undefined ? drawn.value : example.value };
}

interface Drawn {
  readonly socket: 'client' | 'admin';
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly media: string;
  readonly value: unknown;
  readonly byExample: boolean;
  readonly damage: string | undefined;
  readonly seed: number;
}

function draw({ parameters, bodies }: Operation): fc.Arbitrary<Drawn> {
  const named = parameters.filter((p) => p.in !== 'header');
  const required = named.filter((p) => p.in === 'path').map((p) => p.name);
  // Made once: what makes values of a large schema is itself large.
  const ofMedia = [...bodies].map(([media, schema]) =>
    fc.record({ media: fc.constant(media), value: fitting(schema) }),
  );
  const nothing = fc.constant({ media: 'application/json', value: undefined });
  const body: fc.Arbitrary<Pick<Drawn, 'media' | 'value'>> =
    ofMedia.length === 0 ? nothing : fc.oneof(...ofMedia);
  return fc
    .record({
      socket: fc.constantFrom<('client' | 'admin')[]>('client', 'client', 'admin'),
      parameters: fc.record(Object.fromEntries(named.map((p) => [p.name, fitting(p.schema)])), {
        requiredKeys: required,
      }),
      body,
      byExample: fc.constantFrom(true, true, false),
      damage: fc.constantFrom(undefined, undefined, ...Object.keys(DAMAGES)),
      seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    })
    .map(({ body, ...rest }) => ({ ...rest, ...body }));
}

/** xorshift32. */
function diceOf(seed: number): Dice {
  let x = seed;
  return (n) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % n;
  };
}

interface Vector {
  readonly name: string;
  readonly socket: 'client' | 'admin';
  /** Bytes as latin1. */
  readonly request: string;
  readonly operation?: string;
  readonly end?: boolean;
  readonly head?: boolean;
  readonly allow?: string;
  /** Absent: closed without an answer. */
  readonly status?: number;
}
const VECTORS = JSON.parse(
  readFileSync(new URL('../vectors/http/requests.json', import.meta.url), 'utf8'),
) as Vector[];

describe('what was found before', () => {
  it.each(VECTORS)('$name', async ({ name: _, request, operation, status, ...vector }) => {
    const known = OPERATIONS.find((o) => o.id === operation);
    const { status: answered, wrong } = await fire({
      end: false,
      head: false,
      expect: (status ?? 400) >= 400 ? 'refuse' : 'either',
      ...vector,
      ...(known === undefined ? {} : { operation: known }),
      bytes: Buffer.from(request, 'latin1'),
    });
    expect(wrong).toEqual([]);
    expect(answered).toBe(status);
  });
});

describe('requests from the document', () => {
  it.each(OPERATIONS.map((o) => [`${o.method} ${o.path}`, o] as const))(
    '%s',
    async (_name, operation) => {
      const make = examples[operation.id];
      expect(make, `an example of ${operation.id}`).toBeDefined();
      const nothing: Drawn = {
        ...{ socket: 'client', parameters: {}, media: 'application/json', value: undefined },
        ...{ byExample: true, damage: undefined, seed: 1 },
      };
      if (!ELSEWHERE.has(operation.id)) {
        const { status, wrong } = await fire(shotOf(requestOf(operation, nothing, await make?.())));
        expect([status, wrong]).toEqual([expect.toSatisfy((s: number) => s < 300), []]);
      }
      await fc.assert(
        fc.asyncProperty(draw(operation), async (drawn) => {
          const example = drawn.byExample ? await make?.() : undefined;
          const request = requestOf(operation, drawn, example);
          const damaged = drawn.damage && DAMAGES[drawn.damage]?.(request, diceOf(drawn.seed));
          const shot = damaged || shotOf(request);
          const { wrong } = await fire(shot);
          const what = `${drawn.damage ?? 'whole'} on ${shot.socket}: ${JSON.stringify(shot.bytes.toString('latin1'))}`;
          expect(wrong, what).toEqual([]);
        }),
        PARAMETERS,
      );
    },
    0,
  );

  it('and bytes of no form at all', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (noise) => {
        const shot = {
          socket: 'client',
          bytes: Buffer.from(noise),
          end: true,
          head: false,
          expect: 'refuse',
        } as const;
        expect((await fire(shot)).wrong).toEqual([]);
      }),
      PARAMETERS,
    );
  });
});

describe('after all of it', () => {
  it('the daemon ends well, has reported no fault of its own, and the audit finds nothing', async () => {
    expect(daemon.running).toBe(true);
    await until('everybody to give back what was theirs', async () => {
      const { queue } = await status();
      return queue.records === 0 && queue.bytes === 0;
    });
    expect(await within('the daemon to end', daemon.stop())).toEqual({ code: 0, signal: null });
    expect(daemon.output()).toBe('');
    for (const report of await host.audit()) {
      expect(report.findings).toEqual([]);
      expect(report.verdict).toBe('verified');
    }
  });
});
