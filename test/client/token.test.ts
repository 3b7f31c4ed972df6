/** Tokens of OIDC and SPIFFE: what enters a record of one, and that the token itself does not. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { claimsOf } from '../../src/client/token.ts';

const runs = Number(process.env.FUZZ_RUNS ?? '300');
const b64 = (v: unknown) => Buffer.from(typeof v === 'string' ? v : JSON.stringify(v)).toString('base64url');
const token = (claims: unknown) => `${b64({ alg: 'ES256', kid: '1' })}.${b64(claims)}.${b64('signature')}`;
const oidc = {
  iss: 'https://token.actions.githubusercontent.com',
  sub: 'repo:octo/app:ref:refs/heads/main',
  aud: 'attestd',
  run_id: '42',
  exp: 1_800_000_000,
};

describe('a token', () => {
  it('of OIDC is its digest and the claims that were chosen', () => {
    const text = token(oidc);
    const tokenSha256 = createHash('sha256').update(text).digest('hex');
    expect(claimsOf(`${text}\n`)).toEqual({ tokenSha256, iss: oidc.iss, sub: oidc.sub });
    expect(claimsOf(text, ['run_id', 'exp'])).toEqual({ tokenSha256, run_id: '42', exp: oidc.exp });
  });

  it('of SPIFFE has a workload as its subject and no issuer', () => {
    const svid = { sub: 'spiffe://example.org/ns/ci/sa/builder', aud: ['attestd'], exp: 1 };
    expect(claimsOf(token(svid), ['sub'])).toMatchObject({ sub: svid.sub });
    // A list is no claim that is taken as it is, and nothing is made of it.
    expect(() => claimsOf(token(svid), ['aud'])).toThrow(
      expect.objectContaining({ code: 'INVALID_REQUEST' }),
    );
    expect(() => claimsOf(token(svid))).toThrow(/claim iss of the token is not there/);
  });

  it.each([
    ['nothing', ''],
    ['an opaque one', 'glpat-0123456789'],
    ['one without signature', `${b64({})}.${b64(oidc)}.`],
    ['an encrypted one', 'a.b.c.d.e'],
    ['claims with a name twice', `${b64({})}.${b64('{"iss":"a","iss":"b"}')}.${b64('s')}`],
    ['claims that are a list', token([])],
    ['other base64', `${b64({})}.e+8=.${b64('s')}`],
    ['one that is too long', token({ iss: 'x'.repeat(20_000) })],
  ])('%s is refused', (_what, text) => {
    expect(() => claimsOf(text)).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
  });

  it('has claims by any name', () => {
    const text = `${b64({})}.${b64('{"__proto__":"x","constructor":1}')}.${b64('s')}`;
    const claims = claimsOf(text, ['__proto__', 'constructor']);
    expect(JSON.parse(JSON.stringify(claims))).toEqual(
      JSON.parse(`{"tokenSha256":"${claims.tokenSha256}","__proto__":"x","constructor":1}`),
    );
    expect(Object.keys(claims)).toEqual(['tokenSha256', '__proto__', 'constructor']);
  });

  it('is read or refused whatever it is, and a claim is never somebody else’s property', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.jsonValue(),
        fc.constantFrom('constructor', '__proto__', 'x'),
        (text, claims, name) => {
          for (const t of [text, token(claims)]) {
            try {
              expect(Object.keys(claimsOf(t, [name]))).toEqual(['tokenSha256', name]);
            } catch (e) {
              expect(['MALFORMED', 'INVALID_REQUEST']).toContain((e as { code?: string }).code);
            }
          }
        },
      ),
      { numRuns: runs },
    );
  });
});
