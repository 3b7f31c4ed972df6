/**
 * A certificate for the authority's own HTTPS server, by its own key: hosts that have its root can then reach it
 * without any other. The key lives in memory only; the registry says that the certificate was made.
 */
import { generateKeyPairSync } from 'node:crypto';
import { isIP } from 'node:net';
import { toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { type Authority, chainOf, pemOf, wholeSecond } from './authority.ts';
import { EMPTY_NAME, serialNumber, signCertificate } from './certificate.ts';
import { withLock } from './folder.ts';
import { SKEW } from './issue.ts';
import { type ServerName, serverExtensions } from './profile.ts';
import { appendRegistry } from './registry.ts';
import type { Signer } from './signer.ts';

const DAYS = 90;

/** What `https.createServer` takes, PEM. */
export interface ServerIdentity {
  readonly key: string;
  /** The certificate and those above it, without the root. */
  readonly cert: string;
}

/** @param name a DNS name, or an IP address @throws USAGE, AUTHORITY_LOCKED */
export async function makeServerIdentity(
  authority: Authority,
  signer: Signer,
  name: string,
): Promise<ServerIdentity> {
  const { dir, deps, certificate: issuer } = authority;
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
  const now = wholeSecond(deps.clock());
  const certificate = await signCertificate(
    {
      serial: serialNumber(deps.random(16)),
      issuer: issuer.subject,
      subject: EMPTY_NAME,
      notBefore: Math.max(issuer.notBefore, now - SKEW),
      notAfter: Math.min(issuer.notAfter, now + DAYS * 24 * 3600 * 1000),
      spki,
      extensions: serverExtensions(spki, [serverName(name)], authority),
    },
    signer,
  );
  await withLock(dir, () =>
    appendRegistry(dir, deps.clock(), {
      event: 'served',
      serial: toHex(certificate.serial),
      name,
      certificate: toHex(sha256(certificate.der)),
    }),
  );
  const above = chainOf(authority).slice(0, -1);
  return {
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
    cert: pemOf([certificate.der, ...above]),
  };
}

function serverName(name: string): ServerName {
  if (isIP(name) === 4) return { kind: 'ip', address: Uint8Array.from(name.split('.').map(Number)) };
  if (isIP(name) === 6) return { kind: 'ip', address: ipv6(name) };
  if (
    !/^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(
      name,
    )
  ) {
    throw new AttestdError('USAGE', `${name} is no DNS name in lower case and no IP address`);
  }
  return { kind: 'dns', name };
}

/** 16 bytes of an IPv6 address that `isIP` accepted; a dotted tail is read as two groups. */
function ipv6(text: string): Uint8Array {
  const [head = '', tail] = text.split('%')[0]?.split('::') ?? [];
  const groups = (s: string): number[] =>
    s === ''
      ? []
      : s.split(':').flatMap((g) => {
          if (!g.includes('.')) return [Number.parseInt(g, 16)];
          const [a = 0, b = 0, c = 0, d = 0] = g.split('.').map(Number);
          return [a * 256 + b, c * 256 + d];
        });
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const all = [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Uint8Array.from(all.flatMap((g) => [g >> 8, g & 255]));
}
