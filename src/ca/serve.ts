/**
 * The four files over HTTPS, for fleets: `POST /v1/challenges` takes request.json and answers challenge.json,
 * `POST /v1/certificates` takes response.json and answers the certificate file. The same functions check them as when
 * files are carried, and who is approved stands in a list. Besides: CRL, chain, the signed log's checkpoint and hashes.
 * What every request may cost is bounded before a byte of its body is kept.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { AttestdError, ERRORS, isAttestdError } from '../core/errors.ts';
import { toProblem } from '../core/problem.ts';
import { MAX_ENROLMENT_FILE, parseRequest } from '../evidence/enrolment.ts';
import { parseTilePath } from '../log/tile.ts';
import { type AllowedHost, allowedEks, isAllowed } from './allowlist.ts';
import { createAuditLog, logFolder } from './auditlog.ts';
import { type Authority, chainOf, pemOf } from './authority.ts';
import { makeChallenge } from './challenge.ts';
import { readIfThere } from './folder.ts';
import { issue } from './issue.ts';
import { createRates, type RateLimits } from './rates.ts';
import { issueCrl, newestCrl } from './revocation.ts';
import type { ServerIdentity } from './servercert.ts';
import type { Signer } from './signer.ts';

/** What a server is made from. */
export interface ServeInput {
  readonly authority: Authority;
  readonly signer: Signer;
  readonly tls: ServerIdentity;
  readonly limits: RateLimits;
  /** The list as it is now; read for each request. */
  readonly allowed: () => Promise<readonly AllowedHost[]>;
  /** Milliseconds that never go back. */
  readonly monotonic: () => number;
  /** Days until a CRL asks to be renewed. */
  readonly crlDays: number;
  /** What happened, for people; never a secret. */
  readonly journal: (event: string, facts: Readonly<Record<string, string>>) => void;
}

/** A server that listens. */
export interface AuthorityServer {
  readonly port: number;
  /** Lets requests under way end, and signs the log a last time. */
  close(): Promise<void>;
}

const CHALLENGE_LIFE_MS = 15 * 60_000;
/** Challenges open at one time: each is a file with a secret. */
const MAX_OPEN = 4096;
const SIGN_EVERY_MS = 1000;

/** Starts it. @throws USAGE when the address cannot be listened at */
export async function startAuthorityServer(
  input: ServeInput,
  at: { readonly host: string; readonly port: number },
): Promise<AuthorityServer> {
  const { authority, signer, journal } = input;
  const log = createAuditLog(authority);
  const app = createApp(input);
  await log.sign(signer);
  try {
    await app.listen({ host: at.host, port: at.port });
  } catch (cause) {
    await app.close();
    throw new AttestdError('USAGE', `${at.host}:${at.port}: ${(cause as NodeJS.ErrnoException).code}`, {
      cause,
    });
  }
  const sign = () =>
    log.sign(signer).then(
      () => undefined,
      (e: Error) => journal('log-not-signed', { why: e.message }),
    );
  const timer = setInterval(() => void sign(), SIGN_EVERY_MS);
  timer.unref();
  const address = app.server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : at.port,
    async close() {
      clearInterval(timer);
      await app.close();
      await sign();
    },
  };
}

function createApp(input: ServeInput): FastifyInstance {
  const { authority, signer, journal } = input;
  const rates = createRates(input.limits, input.monotonic);
  const app = fastify({
    logger: false,
    exposeHeadRoutes: false,
    https: { key: input.tls.key, cert: input.tls.cert, minVersion: 'TLSv1.2' },
    bodyLimit: MAX_ENROLMENT_FILE,
    requestTimeout: 30_000,
    connectionTimeout: 60_000,
    keepAliveTimeout: 10_000,
  });
  app.removeAllContentTypeParsers();
  // The bytes themselves are digested and checked: nothing parses them before.
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  );
  const refuse = (thrown: unknown, request: FastifyRequest, reply: FastifyReply) => {
    const e = problemOf(thrown);
    if (e.code === 'INTERNAL') journal('fault', { why: (thrown as Error).message });
    else if (request.method === 'POST')
      journal('refused', { from: request.ip, why: `${e.code} ${e.message}` });
    if (e.facts.retryAfter !== undefined) reply.header('retry-after', String(e.facts.retryAfter));
    return reply
      .code(ERRORS[e.code].status)
      .header('content-type', 'application/problem+json')
      .send(Buffer.from(JSON.stringify(toProblem(e))));
  };
  app.setErrorHandler((e, request, reply) => refuse(e, request, reply));
  app.setNotFoundHandler((request, reply) =>
    refuse(new AttestdError('NOT_FOUND', 'there is no such path'), request, reply),
  );
  app.addHook('onRequest', (request, reply, done) => {
    try {
      const free = rates.enter(request.ip, request.method === 'POST');
      reply.raw.once('close', free);
      done();
    } catch (e) {
      done(e as Error);
    }
  });

  app.post('/v1/challenges', async (request, reply) => {
    const file = bodyOf(request);
    const asked = parseRequest(file);
    if ((await readdir(join(authority.dir, 'challenges'))).length >= MAX_OPEN) {
      throw new AttestdError('OVERLOADED', 'too many challenges are open', { retryAfter: 60 });
    }
    const allowEk = allowedEks(await input.allowed(), asked.fleet, asked.host);
    const answer = await makeChallenge(authority, file, { allowEk, lifeMs: CHALLENGE_LIFE_MS });
    journal('challenged', { host: `${answer.fleet}/${answer.host}`, ek: answer.ekDigest });
    return reply.code(201).header('content-type', 'application/json').send(Buffer.from(answer.challenge));
  });

  app.post('/v1/certificates', async (request, reply) => {
    const file = bodyOf(request);
    let who = '';
    const answer = await issue(authority, file, {
      signer,
      renewal: true,
      async approve(facts) {
        who = `${facts.fleet}/${facts.host}`;
        return isAllowed(await input.allowed(), facts);
      },
    });
    journal('issued', { host: who, serial: answer.serial });
    return reply
      .code(201)
      .header('content-type', 'application/x-pem-file')
      .send(Buffer.from(answer.certificateFile));
  });

  app.get('/v1/crl', async (_request, reply) => {
    const kept = await newestCrl(authority.dir);
    const half = input.crlDays * 12 * 3600 * 1000;
    const fresh = kept !== undefined && authority.deps.clock() - kept.thisUpdate < half;
    const der = fresh ? kept.der : await issueCrl(authority, signer, input.crlDays);
    return reply.header('content-type', 'application/pkix-crl').send(Buffer.from(der));
  });
  app.get('/v1/chain', async (_request, reply) =>
    reply.header('content-type', 'application/x-pem-file').send(pemOf(chainOf(authority))),
  );
  app.get('/v1/log/checkpoint', async (_request, reply) =>
    sendFile(reply, 'checkpoint', 'text/plain; charset=utf-8'),
  );
  app.get('/v1/log/tile/*', async (request, reply) => {
    const path = `tile/${(request.params as { '*': string })['*']}`;
    let level: number | 'entries';
    try {
      level = parseTilePath(path).level;
    } catch {
      throw new AttestdError('NOT_FOUND', 'this is no path of a tile');
    }
    // Entries say which machines there are; they are read from the authority's folder, by its operator.
    if (level === 'entries') throw new AttestdError('FORBIDDEN', 'entries are not handed out');
    return sendFile(reply, path, 'application/octet-stream');
  });
  app.get('/v1/health', async (_request, reply) =>
    reply.header('content-type', 'application/json').send(JSON.stringify({ alive: true })),
  );

  async function sendFile(reply: FastifyReply, path: string, type: string) {
    const bytes = await readIfThere(join(logFolder(authority.dir), path));
    if (bytes === undefined) throw new AttestdError('NOT_FOUND', 'there is no such file in the log');
    return reply.header('content-type', type).send(Buffer.from(bytes));
  }
  return app;
}

function bodyOf(request: FastifyRequest): Uint8Array {
  if (!Buffer.isBuffer(request.body)) {
    throw new AttestdError('UNSUPPORTED_MEDIA_TYPE', 'send the file as application/json');
  }
  return new Uint8Array(request.body);
}

function problemOf(thrown: unknown): AttestdError {
  if (isAttestdError(thrown)) return thrown;
  const { code, statusCode } = thrown as { code?: string; statusCode?: number };
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new AttestdError('TOO_LARGE', 'a file of an enrolment has at most 256 KiB');
  if (statusCode === 415)
    return new AttestdError('UNSUPPORTED_MEDIA_TYPE', 'send the file as application/json');
  if (statusCode !== undefined && statusCode < 500)
    return new AttestdError('MALFORMED', (thrown as Error).message);
  return new AttestdError('INTERNAL', 'the request could not be served', { cause: thrown });
}
