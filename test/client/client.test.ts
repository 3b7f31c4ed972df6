/** The SDK against a real daemon: receipts, idempotency, and each refusal as the error that it names. */
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Client, connect, type RecordRequest } from '../../src/client/client.ts';
import { chosenSocket, MAX_BODY, socketPath } from '../../src/client/transport.ts';
import { AttestdError, type ErrorCode } from '../../src/core/errors.ts';
import { parseBundle } from '../../src/evidence/bundle.ts';
import { MAX_REQUEST } from '../../src/evidence/schema/request.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';

let host: EnrolledHost;
let client: Client;
const REQUEST: RecordRequest = {
  phase: 'completed',
  action: { type: 'tool.call', name: 'refund.approve', target: 'crm:order/17' },
  inputs: { amount: '12.00' },
  outcome: { status: 'succeeded', effect: 'confirmed' },
};
beforeAll(async () => {
  host = await makeEnrolledHost({ limits: ['quotes_per_minute = 1'] });
  await host.up();
  client = connect({ socket: host.socket, client: 'test/1' });
});
afterAll(async () => {
  client?.close();
  await host?.remove();
});

/** The error that a promise ends with. */
const fault = (work: Promise<unknown>): Promise<AttestdError> =>
  work.then(
    () => {
      throw new Error('it did not fail');
    },
    (e) => {
      expect(e).toBeInstanceOf(AttestdError);
      return e;
    },
  );

describe('a record', () => {
  test('comes back sealed with a proof, can be read again, and leaves as a bundle', async () => {
    const receipt = await client.record(REQUEST);
    expect(receipt).toMatchObject({ strength: 'sealed', log: expect.stringMatching(/^test\/host-1\//) });
    expect(receipt.proof).toMatch(/^c2sp.org\/tlog-proof@v1\n/);
    expect(await client.get(receipt.id)).toMatchObject({ digest: receipt.digest, index: receipt.index });
    const bundle = parseBundle(await client.bundle(receipt.id));
    expect(bundle.disclosures.map((d) => Buffer.from(d, 'base64url').toString())).toEqual([
      expect.stringContaining('"amount","12.00"'),
    ]);
  });

  test('is durable at once where that is enough', async () => {
    const receipt = await client.record(REQUEST, { wait: 'durable' });
    expect(receipt.strength).toBe('durable');
  });

  test('is made once for one idempotency key', async () => {
    const options = { idempotencyKey: 'order-17' };
    const first = await client.record(REQUEST, options);
    expect((await client.record(REQUEST, options)).id).toBe(first.id);
    expect((await client.record(REQUEST)).id).not.toBe(first.id);
    const other = { ...REQUEST, inputs: { amount: '13.00' } };
    expect((await fault(client.record(other, options))).code).toBe('IDEMPOTENCY_MISMATCH');
  });
});

test('many records at once, on connections that are kept', async () => {
  const receipts = await Promise.all(Array.from({ length: 200 }, () => client.record(REQUEST)));
  expect(new Set(receipts.map((r) => r.id)).size).toBe(200);
});

test('status and health', async () => {
  expect(await client.status()).toMatchObject({ schema: 'attestd.dev/status/v1', phase: expect.any(String) });
  expect(await client.health()).toMatchObject({ alive: true, canRecord: true });
});

describe('a refusal is the error that the daemon names', () => {
  const refused: [string, ErrorCode, () => Promise<unknown>, Record<string, unknown>][] = [
    [
      'a field that is not known',
      'INVALID_REQUEST',
      () => client.record({ ...REQUEST, uid: 0 } as RecordRequest),
      { field: '/uid' },
    ],
    [
      'a wrong type',
      'INVALID_REQUEST',
      () => client.record({ ...REQUEST, phase: 7 } as unknown as RecordRequest),
      { field: '/phase' },
    ],
    ['no such record', 'NOT_FOUND', () => client.get('01KAE3X5V0N9S8QX1Z7M2R4B6C'), {}],
    ['an id that is a path', 'INVALID_REQUEST', () => client.bundle('../status'), {}],
    [
      'a body that is too large',
      'TOO_LARGE',
      () => client.record({ ...REQUEST, claimed: { a: 'x'.repeat(10_000_000) } }),
      {},
    ],
    ['a nonce that is too short', 'INVALID_REQUEST', () => client.quote(new Uint8Array(3)), {}],
  ];
  test.each(refused)('%s', async (_, code, work, facts) => {
    const e = await fault(work());
    expect([e.code, e.facts]).toMatchObject([code, facts]);
  });

  test('a share that is used up says when to try again', async () => {
    const nonce = new Uint8Array(16);
    for (let i = 0; i < 20; i++) {
      const e = await client.quote(nonce).then(
        () => undefined,
        (x) => x as AttestdError,
      );
      if (e === undefined) continue;
      expect(e.code).toBe('RATE_LIMITED');
      expect(e.facts.retryAfter).toBeGreaterThan(0);
      return;
    }
    expect.unreachable('twenty quotes in a minute');
  });
});

describe('what is no daemon', () => {
  test('nobody at the socket is DAEMON_UNAVAILABLE', async () => {
    const away = connect({ socket: host.at('nobody.sock'), client: 'test/1' });
    const e = await fault(away.record(REQUEST));
    expect([e.code, e.message]).toEqual(['DAEMON_UNAVAILABLE', expect.stringContaining('ENOENT')]);
  });

  test.each([
    ['hangs up in the middle of an answer', 'DAEMON_UNAVAILABLE', 200, '{"id":', true],
    ['answers no JSON', 'INTERNAL', 200, 'hello', false],
    ['refuses without a reason', 'INTERNAL', 500, 'oops', false],
    ['refuses with a code that is not ours', 'INTERNAL', 400, '{"type":"urn:attestd:error:toString"}', false],
  ] as const)('one that %s is %s', async (_, code, status, body, cut) => {
    const server = createServer((_request, response) => {
      response.writeHead(status, { 'content-length': body.length + (cut ? 10 : 0) });
      response.write(body);
      if (cut) setTimeout(() => response.destroy(), 20);
      else response.end();
    });
    const socket = host.at('pretender.sock');
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    try {
      const e = await fault(connect({ socket, client: 'test/1' }).status());
      expect(e.code).toBe(code);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

test('the longest body that is sent is the longest that any daemon takes', () => {
  expect(MAX_BODY).toBe(MAX_REQUEST);
});

test('the address of the socket', () => {
  expect(socketPath('unix:///run/x.sock')).toBe('/run/x.sock');
  expect(socketPath('unix:/run/x.sock')).toBe('/run/x.sock');
  expect(chosenSocket(undefined, {})).toBe('/run/attestd/attestd.sock');
  expect(chosenSocket(undefined, { ATTESTD_SOCKET: 'unix:///a' })).toBe('/a');
  expect(chosenSocket('/b', { ATTESTD_SOCKET: 'unix:///a' })).toBe('/b');
  for (const address of ['http://localhost', 'tcp:1', '', 'a.sock']) {
    expect(() => socketPath(address)).toThrow(/not the address of a Unix socket: .*; it is a path from \//);
  }
});
