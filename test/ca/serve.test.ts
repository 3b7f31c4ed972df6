/** The four files over HTTPS: the same refusals as at the operator's desk, and what a request may cost. */
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AllowedHost, parseAllowList } from '../../src/ca/allowlist.ts';
import { rootPem } from '../../src/ca/authority.ts';
import { createRates } from '../../src/ca/rates.ts';
import { readRegistry } from '../../src/ca/registry.ts';
import { type AuthorityServer, startAuthorityServer } from '../../src/ca/serve.ts';
import { makeServerIdentity } from '../../src/ca/servercert.ts';
import { createAuthorityClient } from '../../src/cli/authorityclient.ts';
import { parseCertificateFile } from '../../src/evidence/certfile.ts';
import { parseCertificate } from '../../src/evidence/x509/certificate.ts';
import { parseCrl } from '../../src/evidence/x509/crl.ts';
import { parseCheckpoint } from '../../src/log/checkpoint.ts';
import { parseNote } from '../../src/log/note.ts';
import { type Desk, failure, makeDesks } from './desk.ts';
import { type FakeHost, makeHost } from './fakehost.ts';

let desks: Awaited<ReturnType<typeof makeDesks>>;
let desk: Desk;
let server: AuthorityServer;
let allowed: AllowedHost[] = [];
let root: Uint8Array;
const said: string[] = [];
const url = () => `https://127.0.0.1:${server.port}`;
const client = () => createAuthorityClient(url(), root);

beforeAll(async () => {
  desks = await makeDesks();
  // TLS is judged by the real clock.
  desk = await desks.desk('software', Date.now());
  const { authority, signer } = desk;
  root = rootPem(authority);
  server = await startAuthorityServer(
    {
      authority,
      signer,
      tls: await makeServerIdentity(authority, signer, '127.0.0.1'),
      limits: { perMinute: 6000, burst: 40, inFlight: 64 },
      allowed: async () => allowed,
      monotonic: () => performance.now(),
      crlDays: 7,
      journal: (event, facts) => said.push(`${event} ${JSON.stringify(facts)}`),
    },
    { host: '127.0.0.1', port: 0 },
  );
});
afterAll(async () => {
  await server?.close();
  desks.close();
});

async function enrol(host: FakeHost): Promise<Uint8Array> {
  const challenge = await client().challenge(host.request);
  return client().certificate(host.respond(challenge));
}

interface Got {
  readonly status: number;
  readonly type: string;
  readonly retryAfter: string | undefined;
  readonly body: Buffer;
}
function ask(
  method: string,
  path: string,
  body?: Uint8Array | string,
  type = 'application/json',
): Promise<Got> {
  return new Promise((resolve, reject) => {
    const headers =
      body === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(body) };
    const ca = Buffer.from(root);
    const r = httpsRequest(`${url()}${path}`, { method, ca, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (b: Buffer) => chunks.push(b));
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          type: response.headers['content-type'] ?? '',
          retryAfter: response.headers['retry-after'],
          body: Buffer.concat(chunks),
        }),
      );
    });
    r.on('error', reject);
    r.end(body);
  });
}
const codeOf = (got: Got) => String(JSON.parse(got.body.toString()).type).replace('urn:attestd:error:', '');

describe('an authority that serves', () => {
  it('enrols whom the list names, once, and records who was refused', async () => {
    allowed = parseAllowList('example/web-1 certified # the first\n\n');
    const host = await makeHost(desk.vendor);
    const { chain } = parseCertificateFile(await enrol(host));
    const leaf = parseCertificate(chain[0] ?? new Uint8Array());
    expect(leaf.alternativeNames?.uris).toEqual(['attestd://example/web-1']);
    const second = await failure(enrol(await host.again({})));
    expect([second.code, second.message]).toEqual([
      'ENROL_REFUSED',
      expect.stringMatching(/^ek-has-live-ak/),
    ]);
    const stranger = await failure(enrol(await makeHost(desk.vendor, { host: 'web-9' })));
    expect(stranger.message).toMatch(/^not-approved/);
    const lines = await readRegistry(desk.authority.dir);
    const refused = lines.flatMap((l) =>
      l.event === 'refused' ? [`${l.host} ${l.detail.split(':')[0]}`] : [],
    );
    expect(refused).toEqual(['web-1 ek-has-live-ak', 'web-9 not-approved']);
  });

  it('lets an old AK hand over to a new one without a person', async () => {
    allowed = parseAllowList('example/* certified');
    const host = await makeHost(desk.vendor, { host: 'web-5' });
    await enrol(host);
    await enrol(await host.rotated({ host: 'web-5' }));
    expect((await readRegistry(desk.authority.dir)).filter((l) => l.event === 'superseded').length).toBe(1);
  });

  it('enrols a TPM without certificate by its digest alone', async () => {
    const host = await makeHost(desk.vendor, { host: 'web-2', ekCertificate: null });
    allowed = parseAllowList('example/* certified');
    expect((await failure(enrol(host))).message).toMatch(/^ek-certificate-missing/);
    allowed = parseAllowList(`example/web-2 ${'0'.repeat(64)}`);
    expect((await failure(enrol(host))).message).toMatch(/^ek-certificate-missing/);
    allowed = parseAllowList(`example/web-2 ${host.ek}`);
    expect(parseCertificateFile(await enrol(host)).chain.length).toBe(2);
  });

  it('refuses a challenge that was used, and one of another authority', async () => {
    allowed = parseAllowList('example/* certified');
    const host = await makeHost(desk.vendor, { host: 'web-3' });
    const response = host.respond(await client().challenge(host.request));
    await client().certificate(response);
    expect((await failure(client().certificate(response))).code).toBe('CHALLENGE_USED');
    const other = host.respond(await client().challenge(host.request), {
      response: (r) => ({ ...r, challenge: r.request }),
    });
    expect((await failure(client().certificate(other))).message).toMatch(/^challenge-unknown/);
  });

  it.each<[string, string, string, Uint8Array | string | undefined, string | undefined, number, string]>([
    ['bytes that are no file', 'POST', '/v1/challenges', '{"schema":', undefined, 400, 'MALFORMED'],
    ['a request in the place of a response', 'POST', '/v1/certificates', '{}', undefined, 400, 'MALFORMED'],
    ['a file that is too large', 'POST', '/v1/challenges', ' '.repeat(300_000), undefined, 413, 'TOO_LARGE'],
    ['another content type', 'POST', '/v1/challenges', 'x', 'text/plain', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['no body', 'POST', '/v1/challenges', undefined, undefined, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['another path', 'GET', '/v1/registry', undefined, undefined, 404, 'NOT_FOUND'],
    [
      'a path out of the log',
      'GET',
      '/v1/log/tile/..%2f..%2froot-key.pem',
      undefined,
      undefined,
      404,
      'NOT_FOUND',
    ],
    ['entries', 'GET', '/v1/log/tile/entries/000.p/5', undefined, undefined, 403, 'FORBIDDEN'],
    ['a tile that is not there', 'GET', '/v1/log/tile/0/999', undefined, undefined, 404, 'NOT_FOUND'],
  ])('answers %s with a problem', async (_, method, path, body, type, status, code) => {
    const got = await ask(method, path, body, type);
    expect([got.status, got.type, codeOf(got)]).toEqual([status, 'application/problem+json', code]);
  });

  it('hands out CRL, chain and the signed log, and no secret', async () => {
    const crl = await ask('GET', '/v1/crl');
    expect(crl.type).toBe('application/pkix-crl');
    expect(parseCrl(crl.body).nextUpdate).toBeGreaterThan(desk.now);
    expect((await ask('GET', '/v1/chain')).body.equals(Buffer.from(root))).toBe(true);
    const { text } = parseNote((await ask('GET', '/v1/log/checkpoint')).body);
    expect(parseCheckpoint(text).size).toBeGreaterThan(0);
    expect((await ask('GET', '/v1/health')).body.toString()).toBe('{"alive":true}');
    expect(said.join('\n')).not.toContain('PRIVATE');
  });

  it('is known by the roots that were given and by no others, over TLS 1.2 at least', async () => {
    const other = await desks.desk();
    const e = await failure(
      createAuthorityClient(url(), rootPem(other.authority)).challenge(new Uint8Array(1)),
    );
    expect(e.code).toBe('AUTHORITY_UNAVAILABLE');
    const old = await new Promise<string>((resolve) => {
      const s = connect(
        {
          port: server.port,
          host: '127.0.0.1',
          maxVersion: 'TLSv1.1',
          minVersion: 'TLSv1',
          ciphers: 'ALL@SECLEVEL=0',
          rejectUnauthorized: false,
        },
        () => resolve('connected'),
      );
      s.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'refused'));
    });
    expect(old).not.toBe('connected');
    for (const bad of ['http://127.0.0.1', 'https://a:b@127.0.0.1', 'x'])
      expect(() => createAuthorityClient(bad, root)).toThrow(expect.objectContaining({ code: 'USAGE' }));
    expect(() => createAuthorityClient(url(), new Uint8Array())).toThrow(
      expect.objectContaining({ code: 'MALFORMED' }),
    );
  });
});

describe('the share of an address', () => {
  it('is used up and refills, each address by itself', () => {
    let now = 0;
    const rates = createRates({ perMinute: 60, burst: 2, inFlight: 100 }, () => now);
    const code = (address: string) => {
      try {
        rates.enter(address, true)();
        return 'taken';
      } catch (e) {
        const { code: c, facts } = e as { code: string; facts: { retryAfter?: number } };
        return `${c} ${facts.retryAfter}`;
      }
    };
    expect([code('a'), code('a'), code('a'), code('b')]).toEqual([
      'taken',
      'taken',
      'RATE_LIMITED 1',
      'taken',
    ]);
    now = 1000;
    expect([code('a'), code('a')]).toEqual(['taken', 'RATE_LIMITED 1']);
  });

  it('bounds what is under way, whoever asks and whatever it costs', () => {
    const rates = createRates({ perMinute: 60, burst: 9, inFlight: 2 }, () => 0);
    const free = [rates.enter('a', false), rates.enter('b', true)];
    expect(() => rates.enter('c', false)).toThrow(expect.objectContaining({ code: 'OVERLOADED' }));
    free[0]?.();
    free[0]?.();
    rates.enter('c', false);
    expect(() => rates.enter('d', false)).toThrow(expect.objectContaining({ code: 'OVERLOADED' }));
  });
});

describe('the list of whom to certify', () => {
  it.each([
    'web-1 certified',
    'example/web-1',
    'example/* 00',
    `example/* ${'0'.repeat(64)}`,
    'Example/a certified',
  ])('is refused with the line %s', (line) => {
    expect(() => parseAllowList(`example/a certified\n${line}\n`)).toThrow(
      expect.objectContaining({ code: 'MALFORMED', facts: { field: '/2' } }),
    );
  });
});
