/**
 * Callers that record without end over real sockets, by HTTP and by NDJSON, and remember every receipt they got. What
 * they did not get an answer for they do not count: only an acknowledged record must survive.
 */
import { Agent, type ClientRequest, request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Receipt } from '../../src/client/client.ts';

/** An acknowledged record. */
export interface Acked {
  readonly receipt: Receipt;
  /** Under which idempotency key and with which body it was made, where there was a key. */
  readonly again?: { readonly key: string; readonly body: string };
}

export interface Load {
  readonly acked: readonly Acked[];
  /** Codes of refusals, counted. */
  readonly refused: ReadonlyMap<string, number>;
  /** Resolves when all callers are at rest. */
  stop(): Promise<void>;
}

let serial = 0;

/** A body that differs from all others of this process. */
export function newBody(bytes = 0): string {
  const n = ++serial;
  return JSON.stringify({
    phase: 'completed',
    action: { type: 'tool.call', name: `step.${n}` },
    inputs: { n, filler: 'x'.repeat(bytes) },
    outcome: { status: 'succeeded', effect: 'confirmed' },
  });
}

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers are read in many shapes
  readonly json: any;
}

export interface Ask {
  readonly body?: string;
  readonly key?: string;
  readonly agent?: Agent;
}

/** One request. @throws when there is no answer */
export function ask(socketPath: string, path: string, { body, key, agent }: Ask = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const r = httpRequest(
      {
        socketPath,
        path,
        agent: agent ?? false,
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          'attestd-client': 'crash/1',
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
          ...(key === undefined ? {} : { 'idempotency-key': key }),
        },
      },
      (res) => {
        const chunks: Buffer[] = [];
        res.on('data', (c: Buffer) => chunks.push(c));
        res.on('error', reject);
        res.on('end', () => {
          // An answer that broke off is none.
          if (!res.complete) return reject(new Error('half an answer'));
          try {
            resolve({ status: res.statusCode ?? 0, json: JSON.parse(Buffer.concat(chunks).toString()) });
          } catch (e) {
            reject(e as Error);
          }
        });
      },
    );
    r.on('error', reject);
    r.setTimeout(90_000, () => r.destroy(new Error('no answer within 90 s')));
    r.end(body);
  });
}

/** Milliseconds between two records of a caller. */
const PAUSE_MS = 8;

/** Starts callers: `sealed` and `durable` over HTTP, every second of the latter with idempotency keys, and a stream. */
export function startLoad(socket: string, { sealed = 4, durable = 2, stream = true } = {}): Load {
  const acked: Acked[] = [];
  const refused = new Map<string, number>();
  const agent = new Agent({ keepAlive: true });
  const streams = new Set<ClientRequest>();
  let stopped = false;

  function refusal(problem: { type?: string }): void {
    const code = String(problem.type).replace('urn:attestd:error:', '');
    refused.set(code, (refused.get(code) ?? 0) + 1);
  }

  async function caller(wait: 'sealed' | 'durable', keyed: boolean): Promise<void> {
    while (!stopped) {
      const body = newBody(serial % 300);
      const key = keyed ? `key-${process.pid}-${serial}` : undefined;
      try {
        const ofKey = key === undefined ? {} : { key };
        const answer = await ask(socket, `/v1/records?wait=${wait}`, { body, agent, ...ofKey });
        if (answer.status === 201)
          acked.push({ receipt: answer.json, ...(key === undefined ? {} : { again: { key, body } }) });
        else refusal(answer.json);
      } catch {
        // The daemon is not there yet, or no more.
      }
      await sleep(PAUSE_MS);
    }
  }

  function streaming(): Promise<void> {
    return new Promise((resolve) => {
      const r = httpRequest({
        socketPath: socket,
        path: '/v1/records?wait=durable',
        method: 'POST',
        agent: false,
        headers: { 'attestd-client': 'crash/1', 'content-type': 'application/x-ndjson' },
      });
      streams.add(r);
      const timer = setInterval(() => r.write(`${newBody()}\n${newBody(200)}\n`), PAUSE_MS * 2);
      const end = () => {
        clearInterval(timer);
        streams.delete(r);
        resolve();
      };
      r.on('response', (res) => {
        let text = '';
        res.setEncoding('utf8').on('data', (part: string) => {
          const lines = (text + part).split('\n');
          text = lines.pop() ?? '';
          for (const line of lines) {
            const { error, line: _number, ...receipt } = JSON.parse(line);
            if (error === undefined) acked.push({ receipt });
            else refusal(error);
          }
        });
        res.on('error', () => undefined);
        res.on('close', end);
        if (res.statusCode !== 200) res.destroy();
      });
      r.on('error', end);
      r.flushHeaders();
    });
  }

  async function streamer(): Promise<void> {
    while (!stopped) {
      await streaming();
      await sleep(PAUSE_MS);
    }
  }

  const work = [
    ...Array.from({ length: sealed }, () => caller('sealed', false)),
    ...Array.from({ length: durable }, (_, i) => caller('durable', i % 2 === 0)),
    ...(stream ? [streamer()] : []),
  ];
  return {
    acked,
    refused,
    async stop() {
      stopped = true;
      for (const r of streams) r.end();
      await Promise.all(work);
      agent.destroy();
    },
  };
}
