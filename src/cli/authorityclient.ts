/**
 * The way to an authority that serves: two POSTs over HTTPS. The server must show a certificate under the roots that
 * the operator gave, and under no others; that protects the names on the way, while the enrolment itself would stand a
 * liar in between. A busy authority is asked again when it says so.
 */
import { Agent, request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { AttestdError, ERRORS, type ErrorCode } from '../core/errors.ts';
import { readPemCertificates } from '../evidence/certfile.ts';

const MAX_ANSWER = 1_048_576;
const REQUEST_MS = 60_000;
/** How long a busy authority is asked again. */
const PATIENCE_MS = 180_000;

export interface AuthorityClient {
  /** @param request bytes of request.json @returns bytes of challenge.json @throws what the authority answers */
  challenge(request: Uint8Array): Promise<Uint8Array>;
  /** @param response bytes of response.json @returns bytes of the certificate file */
  certificate(response: Uint8Array): Promise<Uint8Array>;
}

/**
 * @param server `https://name[:port]`
 * @param roots PEM of the roots under which its certificate must stand
 * @throws USAGE when it is no such URL, MALFORMED when there is no certificate in `roots`
 */
export function createAuthorityClient(server: string, roots: Uint8Array): AuthorityClient {
  let base: URL;
  try {
    base = new URL(server);
  } catch (cause) {
    throw new AttestdError('USAGE', `${server} is no URL`, { field: '--server', cause });
  }
  if (base.protocol !== 'https:' || base.username !== '' || base.search !== '' || base.hash !== '') {
    throw new AttestdError('USAGE', 'an authority is asked over https, as in https://ca.example.org:8443', {
      field: '--server',
    });
  }
  const pem = new TextDecoder().decode(roots);
  readPemCertificates(pem);
  const post = async (path: string, body: Uint8Array): Promise<Uint8Array> => {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        return await send(base, pem, path, body);
      } catch (e) {
        const wait = e instanceof AttestdError ? e.facts.retryAfter : undefined;
        if (wait === undefined || performance.now() + wait * 1000 > deadline) throw e;
        await sleep(wait * 1000);
      }
    }
  };
  return {
    challenge: (request) => post('v1/challenges', request),
    certificate: (response) => post('v1/certificates', response),
  };
}

function send(base: URL, ca: string, path: string, body: Uint8Array): Promise<Uint8Array> {
  const url = new URL(path, base.href.endsWith('/') ? base : `${base.href}/`);
  const agent = new Agent({ ca, keepAlive: false, minVersion: 'TLSv1.2' });
  return new Promise((resolve, reject) => {
    const away = (cause: NodeJS.ErrnoException) =>
      reject(
        new AttestdError('AUTHORITY_UNAVAILABLE', `${base.host}: ${cause.code ?? cause.message}`, { cause }),
      );
    const request = httpsRequest(
      url,
      {
        agent,
        method: 'POST',
        timeout: REQUEST_MS,
        headers: { 'content-type': 'application/json', 'content-length': body.length },
      },
      async (response) => {
        try {
          const chunks: Buffer[] = [];
          let size = 0;
          for await (const chunk of response as AsyncIterable<Buffer>) {
            size += chunk.length;
            if (size > MAX_ANSWER) throw new AttestdError('TOO_LARGE', 'the answer is larger than 1 MiB');
            chunks.push(chunk);
          }
          const answer = new Uint8Array(Buffer.concat(chunks));
          const status = response.statusCode ?? 0;
          if (status === 201) resolve(answer);
          else reject(problem(status, answer, response.headers['retry-after']));
        } catch (e) {
          if (e instanceof AttestdError) reject(e);
          else away(e as Error);
        }
      },
    );
    request.on('timeout', () => request.destroy(new Error('no answer in a minute')));
    request.on('error', away);
    request.end(body);
  });
}

/** What a refusal says, as the error it names. */
function problem(status: number, body: Uint8Array, retryAfter: string | undefined): AttestdError {
  let said: { type?: unknown; detail?: unknown } = {};
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body));
    if (typeof value === 'object' && value !== null) said = value;
  } catch {
    // Something else than an authority answered; the status says what there is to say.
  }
  const name = typeof said.type === 'string' ? said.type.replace('urn:attestd:error:', '') : '';
  const code: ErrorCode = Object.hasOwn(ERRORS, name) ? (name as ErrorCode) : 'AUTHORITY_UNAVAILABLE';
  const detail = typeof said.detail === 'string' ? said.detail : `it answered ${status} without a reason`;
  const seconds = Number(retryAfter);
  const wait =
    Number.isFinite(seconds) && retryAfter !== undefined ? { retryAfter: Math.min(60, seconds) } : {};
  return new AttestdError(code, detail.slice(0, 500).replace(/[\p{Cc}]/gu, ' '), wait);
}
