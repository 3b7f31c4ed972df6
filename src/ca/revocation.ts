/**
 * Revocation: the registry says which serials are revoked, and a CRL says it to auditors. Lists are complete, signed
 * by the root, and numbered without a gap in meaning: a higher number is never older (RFC 5280 §5.2.3).
 */
import { join } from 'node:path';
import { fromHex, toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { printPem } from '../evidence/certfile.ts';
import { type Crl, parseCrl } from '../evidence/x509/crl.ts';
import { type Authority, wholeSecond } from './authority.ts';
import { type Revoked, signCrl } from './certificate.ts';
import { readIfThere, withLock, writeDurably } from './folder.ts';
import { crlExtensions } from './profile.ts';
import {
  appendRegistry,
  type RegistryEvent,
  type RegistryLine,
  readRegistry,
  revokedSerials,
} from './registry.ts';
import type { Signer } from './signer.ts';

const DAY = 24 * 3600 * 1000;
/** Days until a CRL asks to be renewed, by default and at most. */
export const CRL_DAYS = 365;

/** A signed list and the registry event that must become durable before it leaves. */
export interface MadeCrl {
  readonly crl: Crl;
  readonly event: RegistryEvent;
}

/**
 * Signs the list of everything revoked in `lines`, and of `more` that is about to be.
 * The caller holds the lock and appends the event.
 */
export async function makeCrl(
  authority: Authority,
  signer: Signer,
  lines: readonly RegistryLine[],
  more: readonly string[] = [],
  days: number = CRL_DAYS,
): Promise<MadeCrl> {
  if (!(days >= 1 && days <= CRL_DAYS)) throw new AttestdError('USAGE', `a CRL lives 1 to ${CRL_DAYS} days`);
  const now = wholeSecond(authority.deps.clock());
  const number = BigInt(1 + lines.filter((l) => l.event === 'crl').length);
  const revoked: Revoked[] = [
    ...lines.flatMap((l) =>
      l.event === 'revoked' ? [{ serial: fromHex(l.serial), timeMs: wholeSecond(Date.parse(l.time)) }] : [],
    ),
    ...more.map((serial) => ({ serial: fromHex(serial), timeMs: now })),
  ];
  const crl = await signCrl(
    {
      issuer: authority.certificate.subject,
      number,
      thisUpdate: now,
      nextUpdate: now + days * DAY,
      revoked,
      extensions: crlExtensions(number, authority.certificate),
    },
    signer,
  );
  return { crl, event: { event: 'crl', number: number.toString(), sha256: toHex(sha256(crl.der)) } };
}

/** A fresh CRL, DER. @throws USAGE, AUTHORITY_LOCKED, AUTHORITY_CORRUPT */
export async function issueCrl(authority: Authority, signer: Signer, days?: number): Promise<Uint8Array> {
  return withLock(authority.dir, async () => {
    const made = await makeCrl(authority, signer, await readRegistry(authority.dir), [], days);
    await appendRegistry(authority.dir, authority.deps.clock(), made.event);
    return keepCrl(authority.dir, made.crl.der);
  });
}

const fileOf = (dir: string) => join(dir, 'crl.der');

/** Keeps the newest CRL beside the registry, for whoever hands it out. The registry is the truth: this may be lost. */
export async function keepCrl(dir: string, der: Uint8Array): Promise<Uint8Array> {
  await writeDurably(fileOf(dir), der);
  return der;
}

/** The newest CRL; undefined where none was made or it cannot be read. */
export async function newestCrl(dir: string): Promise<Crl | undefined> {
  const der = await readIfThere(fileOf(dir));
  try {
    return der === undefined ? undefined : parseCrl(der);
  } catch {
    return undefined;
  }
}

/** PEM text of a CRL. */
export const crlPem = (der: Uint8Array): string => printPem([{ label: 'X509 CRL', der }]);

/**
 * Revokes a certificate, or all of a host, and gives the CRL that says so.
 * @param which a serial in lower-case hex, as the registry and openssl print it; or `fleet/host`
 * @throws NOT_FOUND when there is none that could be revoked, AUTHORITY_LOCKED
 */
export async function revoke(
  authority: Authority,
  signer: Signer,
  which: string,
  reason: string,
): Promise<Uint8Array> {
  return withLock(authority.dir, async () => {
    const lines = await readRegistry(authority.dir);
    const gone = revokedSerials(lines);
    const serials = lines.flatMap((l) =>
      l.event === 'issued' &&
      !gone.has(l.serial) &&
      (l.serial === which || `${l.fleet}/${l.host}` === which.replace(/^attestd:\/\//, ''))
        ? [l.serial]
        : [],
    );
    if (serials.length === 0) {
      throw new AttestdError('NOT_FOUND', `no certificate of ${which} that could be revoked`);
    }
    const made = await makeCrl(authority, signer, lines, serials);
    const events = serials.map((serial) => ({
      event: 'revoked' as const,
      serial,
      reason: reason.slice(0, 200),
    }));
    await appendRegistry(authority.dir, authority.deps.clock(), ...events, made.event);
    return keepCrl(authority.dir, made.crl.der);
  });
}
