/** Bad input gets a problem+json that names the field, or a closed connection; and nothing is recorded. */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Ask, ask, body, type Host, makeHost, until } from './kit.ts';

let host: Host;
let socket: string;
beforeAll(async () => {
  host = await makeHost({ limits: { request_ms: 500, stalled_ms: 500, body_bytes: 65_536 } });
  await host.init();
  await (await host.start()).started;
  socket = host.config.socket.path;
});
afterAll(() => host.remove());

const entries = async (): Promise<number> => (await ask(socket, '/v1/status')).json.entries;
const good = JSON.parse(body());
const sent = (o: unknown) => JSON.stringify(o);

const bad: [string, Ask, number, string, string | undefined][] = [
  ['a wrong type', { body: sent({ ...good, phase: 7 }) }, 400, 'INVALID_REQUEST', '/phase'],
  [
    'a number as text',
    { body: sent({ ...good, outcome: { status: 'failed', effect: 3 } }) },
    400,
    'INVALID_REQUEST',
    '/outcome/effect',
  ],
  ['an unknown field', { body: sent({ ...good, extra: 1 }) }, 400, 'INVALID_REQUEST', '/extra'],
  [
    'an unknown field deep down',
    { body: sent({ ...good, action: { ...good.action, x: 1 } }) },
    400,
    'INVALID_REQUEST',
    '/action/x',
  ],
  [
    'observed facts of its own',
    { body: sent({ ...good, observed: { uid: 0 } }) },
    400,
    'INVALID_REQUEST',
    '/observed',
  ],
  [
    'a caller of its own',
    { body: sent({ ...good, caller: { observed: { uid: 0 } } }) },
    400,
    'INVALID_REQUEST',
    '/caller',
  ],
  [
    'an observer of its own',
    { body: sent({ ...good, outcome: { ...good.outcome, observedBy: 'attestd' } }) },
    400,
    'INVALID_REQUEST',
    '/outcome/observedBy',
  ],
  [
    'an id of its own',
    { body: sent({ ...good, id: '01KAE3X5V0N9S8QX1Z7M2R4B6C' }) },
    400,
    'INVALID_REQUEST',
    '/id',
  ],
  [
    'a predicate type of its own',
    { body: sent({ ...good, predicateType: 'x' }) },
    400,
    'INVALID_REQUEST',
    '/predicateType',
  ],
  ['a missing field', { body: sent({ ...good, action: undefined }) }, 400, 'INVALID_REQUEST', '/action'],
  [
    'a name that RFC 9901 reserves',
    { body: sent({ ...good, inputs: { _sd: 1 } }) },
    400,
    'INVALID_REQUEST',
    '/inputs/_sd',
  ],
  [
    'a name both salted and plain',
    { body: sent({ ...good, plain: { inputs: { amount: 1 } } }) },
    400,
    'INVALID_REQUEST',
    '/plain/inputs/amount',
  ],
  [
    'a duplicate key',
    { body: '{"phase":"completed","phase":"attempted","action":{"type":"a","name":"b"}}' },
    400,
    'MALFORMED',
    undefined,
  ],
  [
    'deep nesting',
    { body: body({ inputs: { a: JSON.parse('['.repeat(40) + ']'.repeat(40)) } }) },
    400,
    'MALFORMED',
    undefined,
  ],
  ['NaN', { body: body().replace('"12.00"', 'NaN') }, 400, 'MALFORMED', undefined],
  [
    'a number beyond 2^53',
    { body: body().replace('"12.00"', '9007199254740993') },
    400,
    'MALFORMED',
    undefined,
  ],
  ['a lone surrogate, escaped', { body: body().replace('12.00', '\\ud800') }, 400, 'MALFORMED', undefined],
  [
    'bytes that are not UTF-8',
    { body: Buffer.from(body().replace('12.00', '\xff'), 'latin1') },
    400,
    'MALFORMED',
    undefined,
  ],
  ['half of a JSON text', { body: body().slice(0, 40) }, 400, 'MALFORMED', undefined],
  ['an array', { body: '[]' }, 400, 'INVALID_REQUEST', ''],
  ['too large a body', { body: body({ inputs: { a: 'x'.repeat(70_000) } }) }, 413, 'TOO_LARGE', undefined],
  [
    'too large a record',
    { body: body({ claimed: { a: 'x' }, plain: { inputs: { b: 'y'.repeat(65_000) } } }) },
    413,
    'RECORD_TOO_LARGE',
    undefined,
  ],
  [
    'another content type',
    { body: 'x', headers: { 'content-type': 'text/plain' } },
    415,
    'UNSUPPORTED_MEDIA_TYPE',
    undefined,
  ],
  [
    'a charset that is not UTF-8',
    { body: body(), headers: { 'content-type': 'application/json; charset=iso-8859-1' } },
    415,
    'UNSUPPORTED_MEDIA_TYPE',
    'content-type',
  ],
  [
    'an encoding',
    { body: body(), headers: { 'content-encoding': 'gzip' } },
    415,
    'UNSUPPORTED_MEDIA_TYPE',
    'content-encoding',
  ],
  ['no body', { method: 'POST' }, 400, 'MALFORMED', undefined],
  [
    'no attestd-client header',
    { body: body(), headers: { 'attestd-client': '' } },
    403,
    'CLIENT_HEADER_MISSING',
    'attestd-client',
  ],
  [
    'a browser',
    { body: body(), headers: { 'attestd-client': 'Mozilla 5.0 (X11)' } },
    403,
    'CLIENT_HEADER_MISSING',
    'attestd-client',
  ],
  [
    'a bad Idempotency-Key',
    { body: body(), headers: { 'idempotency-key': 'a b' } },
    400,
    'INVALID_REQUEST',
    'idempotency-key',
  ],
];

describe('a request with', () => {
  it.each(bad)('%s is refused and records nothing', async (_what, request, status, code, field) => {
    const before = await entries();
    const answer = await ask(socket, '/v1/records', request);
    expect(answer.json).toMatchObject({ status, type: `urn:attestd:error:${code}` });
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.json.field).toBe(field);
    expect(await entries()).toBe(before);
  });

  it.each([
    ['an unknown wait', '/v1/records?wait=forever', 'POST', 400, '/wait'],
    ['an unknown query', '/v1/records?x=1', 'POST', 400, '/x'],
    ['an id that is none', '/v1/records/abc', 'GET', 400, '/id'],
    ['a path that is none', '/v1/nothing', 'GET', 404, undefined],
    ['another method', '/v1/records', 'DELETE', 405, undefined],
    ['another method of what few paths take', `/v1/attachments/${'0'.repeat(64)}`, 'DELETE', 405, undefined],
  ])('%s is refused by name', async (_what, path, method, status, field) => {
    const answer = await ask(socket, path, method === 'POST' ? { body: body() } : { method });
    expect([answer.status, answer.json.field]).toEqual([status, field]);
  });

  it('a refusal is counted in the status', async () => {
    expect((await ask(socket, '/v1/status')).json.refused.INVALID_REQUEST).toBeGreaterThan(5);
  });
});

/** Sends bytes on a connection and gives everything that comes back until it closes. */
function raw(bytes: string, read = true): Promise<string> {
  return new Promise((resolve) => {
    const s = connect(socket, () => s.write(bytes));
    let got = '';
    if (read)
      s.on('data', (d) => {
        got += d;
      });
    else s.pause();
    s.on('close', () => resolve(got));
    s.on('error', () => undefined);
  });
}
const head =
  'POST /v1/records HTTP/1.1\r\nhost: x\r\nattestd-client: test/1\r\ncontent-type: application/json\r\n';

describe('a connection with', () => {
  it.each([
    ['half a header', 'POST /v1/rec'],
    ['half a body', `${head}content-length: 500\r\n\r\n{"phase":`],
    ['half a chunked body', `${head}transfer-encoding: chunked\r\n\r\n5\r\n{"pha`],
    ['what is not HTTP', '\x16\x03\x01\x02\x00\x01\x00'],
  ])('%s is closed in time and records nothing', async (_what, bytes) => {
    const before = await entries();
    const got = await raw(bytes);
    expect(got === '' || /^HTTP\/1\.1 4\d\d /.test(got)).toBe(true);
    expect(await entries()).toBe(before);
  });

  it('a length and another one is refused', async () => {
    const got = await raw(`${head}content-length: 5\r\ncontent-length: 6\r\n\r\n{}`);
    expect(got).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('a caller that goes away before it is known takes nothing with it', async () => {
    const request = `${head}content-length: 60000\r\n\r\n{`;
    for (let i = 0; i < 200; i++) {
      await new Promise((resolve) => {
        const s = connect(socket, () => s.end(request));
        s.on('error', () => undefined);
        s.on('close', resolve);
        s.resume();
      });
    }
    const idle = { records: 0, bytes: 0 };
    await until(async () => {
      const { queue } = (await ask(socket, '/v1/status')).json;
      return queue.records === idle.records && queue.bytes === idle.bytes;
    });
  });

  it('an expectation, a tunnel, another protocol or no host is met by name, and never by silence', async () => {
    const get = (more: string) => `GET /v1/health HTTP/1.1\r\nattestd-client: test/1\r\n${more}\r\n`;
    expect(await raw(get('host: x\r\nexpect: 200-ok\r\n'))).toMatch(
      /^HTTP\/1\.1 400 [\s\S]*"field":"expect"/,
    );
    expect(await raw(get(''))).toMatch(/^HTTP\/1\.1 400 [\s\S]*"field":"host"/);
    expect(await raw('CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n')).toMatch(/^HTTP\/1\.1 405 /);
    // Node reads nothing behind a request that offers another protocol: its connection ends with the answer.
    const upgrade = get('host: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n');
    expect(await raw(upgrade)).toMatch(/^HTTP\/1\.1 200 [\s\S]*"alive":true/);
  });

  it('a tunnel that is asked for by somebody who goes away, or behind a request under way, ends nothing else', async () => {
    const tunnel = 'CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n';
    for (let i = 0; i < 200; i++) {
      await new Promise((resolve) => {
        const s = connect(socket, () => s.write(tunnel, () => s.destroy()));
        s.on('error', () => undefined);
        s.on('close', resolve);
      });
    }
    const whole = body();
    const got = await raw(`${head}content-length: ${Buffer.byteLength(whole)}\r\n\r\n${whole}${tunnel}`);
    // Its own answer, or none: never that to another request.
    expect(got).not.toMatch(/^HTTP\/1\.1 405/);
    expect((await ask(socket, '/v1/health')).json.alive).toBe(true);
  });

  it('something broken behind a request under way answers that request, and nothing else', async () => {
    const whole = body();
    const got = await raw(
      `${head}content-length: ${Buffer.byteLength(whole)}\r\n\r\n${whole}\x00\x16nonsense\r\n\r\n`,
    );
    expect(got).toMatch(/^HTTP\/1\.1 201 /);
    expect(got.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  it('a client that never reads is cut', async () => {
    const line = `${sent({ bad: 1 })}\n`;
    const stream = `${head.replace('application/json', 'application/x-ndjson')}transfer-encoding: chunked\r\n\r\n`;
    const s = connect(socket);
    s.on('error', () => undefined);
    s.pause();
    const closed = new Promise((resolve) => s.on('close', resolve));
    s.write(stream);
    const chunk = `${(line.length * 500).toString(16)}\r\n${line.repeat(500)}\r\n`;
    const timer = setInterval(() => s.writableLength < 1e6 && s.write(chunk), 1);
    await closed;
    clearInterval(timer);
    await until(() => host.lines.some((l) => l.msg === 'a connection was cut' && l.why === 'stalled'));
  });
});
