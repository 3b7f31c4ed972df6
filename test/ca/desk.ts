/** What the tests of refusals share: an authority with one vendor, a clock that a test can move, and how to look. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Authority, initAuthority, openSigner } from '../../src/ca/authority.ts';
import { type ChallengeOptions, makeChallenge } from '../../src/ca/challenge.ts';
import { type Condition, conditionOf } from '../../src/ca/condition.ts';
import { type IssueAnswer, issue } from '../../src/ca/issue.ts';
import { readRegistry } from '../../src/ca/registry.ts';
import type { Signer } from '../../src/ca/signer.ts';
import { type AttestdError, isAttestdError } from '../../src/core/errors.ts';
import { type FakeHost, makeVendor, NOW, type Vendor, type Wishes } from './fakehost.ts';

/** One operator's desk. */
export interface Desk {
  readonly vendor: Vendor;
  readonly authority: Authority;
  readonly signer: Signer;
  /** Milliseconds since 1970; a test may move it. */
  now: number;
}

export const approve = () => true;

/** Makes desks in a folder of their own; `close` removes it. */
export async function makeDesks() {
  const dir = mkdtempSync(join(tmpdir(), 'attestd-ca-'));
  const vendor = await makeVendor();
  let made = 0;
  return {
    vendor,
    close: () => rmSync(dir, { recursive: true, force: true }),
    async desk(kind: 'hardware' | 'software' = 'software', now: number = NOW): Promise<Desk> {
      const time = { now };
      const deps = { clock: () => time.now, random: (n: number) => new Uint8Array(randomBytes(n)) };
      const authority = await initAuthority(
        {
          dir: join(dir, `${++made}`),
          name: 'Authority',
          kind,
          protection: { unencrypted: true },
          ekRoots: [vendor.root.certificate.der],
        },
        deps,
      );
      const signer = await openSigner(authority);
      return Object.defineProperty({ vendor, authority, signer, now: NOW }, 'now', {
        get: () => time.now,
        set: (ms: number) => {
          time.now = ms;
        },
      });
    },
  };
}

/** A whole exchange. */
export async function finish(
  { authority, signer }: Desk,
  host: FakeHost,
  wishes: Wishes = {},
  options: ChallengeOptions & { readonly replace?: boolean } = {},
): Promise<IssueAnswer> {
  const { challenge } = await makeChallenge(authority, host.request, options);
  return issue(authority, host.respond(challenge, wishes), {
    signer,
    approve,
    replace: options.replace ?? false,
  });
}

/** The error that a promise ends with. */
export async function failure(p: Promise<unknown>): Promise<AttestdError> {
  try {
    await p;
  } catch (e) {
    if (isAttestdError(e)) return e;
    throw e;
  }
  throw new Error('it was accepted');
}

/** Refused for this reason; nothing left the authority, and the refusal stands in the registry. */
export async function expectRefused(desk: Desk, p: Promise<unknown>, condition: Condition): Promise<void> {
  const issued = async () =>
    (await readRegistry(desk.authority.dir)).filter((l) => l.event === 'issued').length;
  const before = await issued();
  expect(conditionOf(await failure(p))).toBe(condition);
  expect(await issued()).toBe(before);
  const last = (await readRegistry(desk.authority.dir)).at(-1);
  expect(last).toMatchObject({ event: 'refused', code: 'ENROL_REFUSED' });
}

/** The same bytes, but for one bit at the end. */
export const xorLast = (b: Uint8Array): Uint8Array => b.map((x, i) => (i === b.length - 1 ? x ^ 1 : x));
