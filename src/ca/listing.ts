/** What an authority has issued, and what became of each certificate. */
import { liveCertificates, type RegistryLine, revokedSerials } from './registry.ts';

/** One certificate. */
export interface Listed {
  readonly host: string;
  readonly serial: string;
  readonly state: 'live' | 'superseded' | 'revoked' | 'expired';
  readonly notAfter: string;
  /** Hex SHA-256 of the EK's and the AK's SubjectPublicKeyInfo. */
  readonly ek: string;
  readonly ak: string;
}

/** Every certificate in the order of issue. */
export function listCertificates(lines: readonly RegistryLine[], nowMs: number): Listed[] {
  const revoked = revokedSerials(lines);
  const live = new Set(liveCertificates(lines, nowMs).map((l) => l.serial));
  return lines.flatMap((l): Listed[] => {
    if (l.event !== 'issued') return [];
    const expired = Date.parse(l.notAfter) < nowMs;
    const state = revoked.has(l.serial)
      ? 'revoked'
      : live.has(l.serial)
        ? 'live'
        : expired
          ? 'expired'
          : 'superseded';
    const { serial, notAfter, ek, ak } = l;
    return [{ host: `attestd://${l.fleet}/${l.host}`, serial, state, notAfter, ek, ak }];
  });
}
