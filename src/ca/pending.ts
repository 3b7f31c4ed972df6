/**
 * Open challenges: the secret, the request it answers and the challenge as sent, one file each, named by the digest of
 * the challenge. The file is gone for good once its challenge is used or out of time. Trusted? Who can read it can
 * answer that challenge without the TPM: it is 0600 like the root key.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Type } from 'typebox';
import { fromBase64, toBase64, toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { MAX_ENROLMENT_FILE } from '../evidence/enrolment.ts';
import { parseFile, printFile } from '../evidence/jsonfile.ts';
import { readIfThere, removeDurably, writeDurably } from './folder.ts';

/** An open challenge. */
export interface Pending {
  readonly secret: Uint8Array;
  /** Exact bytes of request.json and challenge.json. */
  readonly request: Uint8Array;
  readonly challenge: Uint8Array;
  /** Milliseconds since 1970 after which it is dead. */
  readonly expiresMs: number;
  /** Whether the operator allowed this EK by its digest, there being no certificate. */
  readonly allowed: boolean;
}

const Schema = Type.Object(
  {
    schema: Type.Literal('https://attestd.dev/open-challenge/v1'),
    secret: Type.String(),
    request: Type.String(),
    challenge: Type.String(),
    expiresMs: Type.Integer(),
    allowed: Type.Boolean(),
  },
  { additionalProperties: false },
);

const folderOf = (dir: string) => join(dir, 'challenges');
const fileOf = (dir: string, digest: Uint8Array) => join(folderOf(dir), `${toHex(digest)}.json`);

/** Keeps a challenge. */
export async function keepPending(dir: string, digest: Uint8Array, p: Pending): Promise<void> {
  const bytes = printFile('open challenge', Schema, {
    schema: 'https://attestd.dev/open-challenge/v1',
    secret: toBase64(p.secret),
    request: toBase64(p.request),
    challenge: toBase64(p.challenge),
    expiresMs: p.expiresMs,
    allowed: p.allowed,
  });
  await writeDurably(fileOf(dir, digest), bytes);
}

/** Reads a challenge; undefined when it is not open. @throws AUTHORITY_CORRUPT */
export async function findPending(dir: string, digest: Uint8Array): Promise<Pending | undefined> {
  const bytes = await readIfThere(fileOf(dir, digest));
  if (bytes === undefined) return undefined;
  try {
    const j = parseFile('open challenge', Schema, bytes, 2 * MAX_ENROLMENT_FILE);
    return {
      secret: fromBase64(j.secret),
      request: fromBase64(j.request),
      challenge: fromBase64(j.challenge),
      expiresMs: j.expiresMs,
      allowed: j.allowed,
    };
  } catch (cause) {
    throw new AttestdError('AUTHORITY_CORRUPT', `challenge ${toHex(digest)}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** Forgets a challenge and its secret, durably. */
export async function burnPending(dir: string, digest: Uint8Array): Promise<void> {
  await removeDurably(fileOf(dir, digest));
}

/** Forgets every challenge whose time is over. */
export async function dropExpired(dir: string, nowMs: number): Promise<void> {
  for (const name of await readdir(folderOf(dir))) {
    if (!/^[0-9a-f]{64}\.json$/.test(name)) continue;
    const digest = Uint8Array.from(Buffer.from(name.slice(0, 64), 'hex'));
    const p = await findPending(dir, digest);
    if (p !== undefined && p.expiresMs < nowMs) await burnPending(dir, digest);
  }
}
