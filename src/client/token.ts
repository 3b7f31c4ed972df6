/**
 * What a workload says about itself by a token that somebody gave it: an OIDC id token or a SPIFFE JWT-SVID. The token
 * is a credential and goes nowhere: the record gets its SHA-256 and the claims that were chosen. Nothing of it is
 * verified here or by the daemon; it stands under `claimed`, apart from what the kernel observed, and whoever has the
 * token can hold it against the record.
 */
import { createHash } from 'node:crypto';
import { fromBase64Url, fromUtf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { readJson } from '../core/ijson.ts';

/** Longest token that is taken; HTTP servers take no longer ones either. */
const MAX_TOKEN = 16_384;
/** Claims that say whose it is and who said so. */
const USUAL = ['iss', 'sub'] as const;

/**
 * The digest of a token, and claims of it.
 * @param token a JWS in compact form, white space around it allowed
 * @param names of the claims; `iss` and `sub` where none are chosen
 * @throws MALFORMED where it is no such token, INVALID_REQUEST where a claim that was chosen is not there or no scalar
 */
export function claimsOf(
  token: string,
  names: readonly string[] = USUAL,
): Readonly<Record<string, string | number | boolean>> {
  const text = token.trim();
  const malformed = (why: string, cause?: unknown) =>
    new AttestdError('MALFORMED', `the token ${why}`, { cause });
  if (text.length > MAX_TOKEN) throw malformed(`is longer than ${MAX_TOKEN} characters`);
  const parts = text.split('.');
  if (parts.length !== 3 || parts.some((p) => p === '')) throw malformed('has not the three parts of a JWT');
  let claims: unknown;
  try {
    claims = readJson(fromUtf8(fromBase64Url(parts[1] as string)));
  } catch (e) {
    throw malformed('has claims that cannot be read', e);
  }
  if (claims === null || typeof claims !== 'object' || Array.isArray(claims))
    throw malformed('has no claims');
  const chosen: [string, string | number | boolean][] = [
    ['tokenSha256', createHash('sha256').update(text).digest('hex')],
  ];
  for (const name of names) {
    const value = Object.hasOwn(claims, name) ? (claims as Record<string, unknown>)[name] : undefined;
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
      throw new AttestdError(
        'INVALID_REQUEST',
        `the claim ${name} of the token is ${value === undefined ? 'not there' : 'no text, number or boolean'}`,
        { field: `/claimed/${name}` },
      );
    chosen.push([name, value]);
  }
  // Whatever a claim is called, it becomes a member of its own.
  return Object.fromEntries(chosen);
}
