/**
 * Asks a timestamp authority for a token (RFC 3161 §3.4, over HTTP) and believes it only when it is what an auditor will
 * accept: everything that the verifier checks is checked here first, and the nonce besides, so that an authority which
 * does not suit is found when it is set up and not years later.
 */
import { AttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { MAX_TOKEN } from '../evidence/timestamp/cms.ts';
import {
  parseTimestampResponse,
  printTimestampRequest,
  timestampNonce,
} from '../evidence/timestamp/exchange.ts';
import { verifySignature } from '../evidence/x509/signature.ts';
import { judgeToken } from '../verify/timestamp.ts';
import type { TsaConfig } from './config.ts';

const MAX_ANSWER = MAX_TOKEN + 1024;

/**
 * A token over `message`.
 * @param random exactly n random bytes
 * @throws TIMESTAMP_UNAVAILABLE when it cannot be had now, TIMESTAMP_REFUSED when what came is no good
 */
export async function askTsa(
  tsa: TsaConfig,
  message: Uint8Array,
  random: (n: number) => Uint8Array,
): Promise<Uint8Array> {
  const seed = random(16);
  const request = printTimestampRequest(sha256(message), seed);
  const { status, token } = parse(tsa, await post(tsa, request));
  if (token === undefined) {
    throw new AttestdError('TIMESTAMP_REFUSED', `${tsa.name} grants no timestamp (status ${status})`);
  }
  const verdict = await judgeToken({
    token,
    message,
    nonce: timestampNonce(seed),
    ...(tsa.policy === undefined ? {} : { policy: tsa.policy }),
    authorities: [tsa.authority],
    crls: tsa.crls,
    verify: verifySignature,
  });
  if (!verdict.ok) {
    const { fault, why } = verdict;
    throw new AttestdError('TIMESTAMP_REFUSED', `the timestamp of ${tsa.name} is no good: ${why} (${fault})`);
  }
  return token;
}

function parse(tsa: TsaConfig, body: Uint8Array) {
  try {
    return parseTimestampResponse(body);
  } catch (cause) {
    const why = (cause as Error).message;
    throw new AttestdError('TIMESTAMP_REFUSED', `${tsa.name} answered no timestamp: ${why}`, { cause });
  }
}

async function post(tsa: TsaConfig, body: Uint8Array): Promise<Uint8Array> {
  const away = (why: string, cause?: unknown) =>
    new AttestdError('TIMESTAMP_UNAVAILABLE', `${tsa.name}: ${why}`, cause === undefined ? {} : { cause });
  let response: Response;
  try {
    response = await fetch(tsa.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/timestamp-query',
        accept: 'application/timestamp-reply',
        ...(tsa.authorization === undefined ? {} : { authorization: tsa.authorization }),
      },
      body: new Uint8Array(body),
      // An authority that sends us elsewhere is not the one that was configured.
      redirect: 'error',
      signal: AbortSignal.timeout(tsa.timeoutMs),
    });
  } catch (e) {
    const { cause } = e as { cause?: { code?: string; message?: string } };
    throw away(cause?.code ?? cause?.message ?? (e as Error).message, e);
  }
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw away(`HTTP ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > MAX_ANSWER) throw new Error(`more than ${MAX_ANSWER} bytes`);
      chunks.push(chunk);
    }
  } catch (e) {
    throw away((e as Error).message, e);
  }
  return new Uint8Array(Buffer.concat(chunks));
}
