/** A key of a caller's signs by the quick lane and by the ordinary way: what either answers is what the other does. */
import { createPublicKey, verify as verifySignature } from 'node:crypto';
import { Agent } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { concat, fromBase64, utf8 } from '../../src/core/bytes.ts';
import { WORKLOAD_PREFIX } from '../../src/evidence/export/workload.ts';
import { type Answer, ask, type Host, makeHost } from './kit.ts';

let host: Host;
let socket: string;
let spki: string;
/** A connection whose caller is known: on a new one the lane takes nothing. */
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const message = Buffer.from('order 17').toString('base64');

beforeAll(async () => {
  host = await makeHost({ limits: { body_bytes: 131_072, signatures_per_minute: 12 } });
  await host.init();
  await (await host.start()).started;
  socket = host.config.socket.path;
  const made = await ask(socket, '/v1/keys', {
    body: JSON.stringify({ name: 'mine', role: 'workload' }),
    agent,
  });
  spki = made.json.spki;
  await ask(socket, '/v1/keys', { body: JSON.stringify({ name: 'web', role: 'tls' }), agent });
});
afterAll(async () => {
  agent.destroy();
  await host.remove();
});

/** The lane takes bodies that say `application/json` and no more; the charset says the same and is left to the router. */
const WAYS = ['application/json', 'application/json; charset=utf-8'];
async function bothWays(path: string, body: string): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (const type of WAYS) {
    // A refusal may have ended the connection: the caller of the next one is known once it has been answered.
    await ask(socket, '/v1/health', { agent });
    answers.push(await ask(socket, path, { body, agent, headers: { 'content-type': type } }));
  }
  return answers;
}
/** What callers go by: all but the date, the connection and the number of the request. */
const said = ({ status, headers, json }: Answer) => {
  const { date: _, 'content-length': __, connection: ___, 'keep-alive': ____, ...rest } = headers;
  const { instance: _____, signature: ______, ...members } = json;
  return { status, headers: rest, members };
};

/** Which way refusals came: the lane numbers requests with a letter of its own. */
const numbers = (answers: readonly Answer[]) => answers.map(({ json }) => json.instance[0]);

describe('a signature', () => {
  it('is over the same bytes either way', async () => {
    const answers = await bothWays('/v1/keys/mine/sign', JSON.stringify({ message }));
    const key = createPublicKey({ key: Buffer.from(spki, 'base64'), format: 'der', type: 'spki' });
    for (const { status, json } of answers) {
      expect(status).toBe(200);
      const signed = concat(WORKLOAD_PREFIX, utf8('order 17'));
      expect(verifySignature('sha256', signed, key, fromBase64(json.signature))).toBe(true);
    }
    expect(said(answers[0] as Answer)).toEqual(said(answers[1] as Answer));
  });

  const refused: [string, string, string, number, string][] = [
    ['a key that is not there', '/v1/keys/other/sign', JSON.stringify({ message }), 404, 'NOT_FOUND'],
    ['the record key', '/v1/keys/record/sign', JSON.stringify({ message }), 404, 'NOT_FOUND'],
    ['what is no name', '/v1/keys/Not%20one/sign', JSON.stringify({ message }), 400, 'INVALID_REQUEST'],
    ['a name with two ends', '/v1/keys/mine/sign/sign', JSON.stringify({ message }), 404, 'NOT_FOUND'],
    ['no message', '/v1/keys/mine/sign', '{}', 400, 'INVALID_REQUEST'],
    ['a digest', '/v1/keys/mine/sign', JSON.stringify({ message, digest: message }), 400, 'INVALID_REQUEST'],
    ['a message twice', '/v1/keys/mine/sign', '{"message":"AA==","message":"AQ=="}', 400, 'MALFORMED'],
    ['base64url', '/v1/keys/mine/sign', '{"message":"_-8="}', 400, 'INVALID_REQUEST'],
    ['spaces', '/v1/keys/mine/sign', '{"message":"AA =="}', 400, 'INVALID_REQUEST'],
    ['no padding', '/v1/keys/mine/sign', '{"message":"AA"}', 400, 'INVALID_REQUEST'],
    ['loose base64', '/v1/keys/mine/sign', '{"message":"AB=="}', 400, 'INVALID_REQUEST'],
    [
      'too long a message',
      '/v1/keys/mine/sign',
      `{"message":"${'A'.repeat(100_000)}"}`,
      400,
      'INVALID_REQUEST',
    ],
    ['no CertificateVerify', '/v1/keys/web/sign', JSON.stringify({ message }), 400, 'INVALID_REQUEST'],
  ];
  it.each(refused)('of %s is refused in the same words either way', async (_, path, body, status, code) => {
    const answers = await bothWays(path, body);
    for (const { status: got, json } of answers)
      expect([got, json.type]).toEqual([status, `urn:attestd:error:${code}`]);
    // Not a name, and not the path: the router's to refuse.
    const plain = /^\/v1\/keys\/[a-z]+\/sign$/.test(path);
    expect(numbers(answers)).toEqual([plain ? 'q' : 'r', 'r']);
    expect(said(answers[0] as Answer)).toEqual(said(answers[1] as Answer));
  });

  it('is counted against its caller either way, and refused with the same words when there were too many', async () => {
    let answers: Answer[] = [];
    for (let i = 0; i < 12; i++) {
      answers = await bothWays('/v1/keys/mine/sign', JSON.stringify({ message }));
      if (answers.every(({ status }) => status === 429)) break;
    }
    expect(answers.map(({ json }) => json.type)).toEqual(WAYS.map(() => 'urn:attestd:error:RATE_LIMITED'));
    expect(numbers(answers)).toEqual(['q', 'r']);
    const words = answers.map((a) => {
      const { members, headers } = said(a);
      return [members, Object.keys(headers)];
    });
    expect(words[0]).toEqual(words[1]);
  });
});
