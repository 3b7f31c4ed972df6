/**
 * Who is who: an EK stays bound to one host name for ever; a name belongs to one live EK; an EK has one live AK. A
 * second registration is refused and never replaces the first (Keylime CVE-2025-13609); replacing is the operator's
 * explicit act, within the same name and EK.
 */
import { toHex } from '../core/bytes.ts';
import { refusal } from './condition.ts';
import { type Issued, liveCertificates, type RegistryLine } from './registry.ts';

/** Who asks. */
export interface Identity {
  readonly fleet: string;
  readonly host: string;
  readonly ekDigest: Uint8Array;
  /** SHA-256 over the AK's DER SubjectPublicKeyInfo. */
  readonly akDigest: Uint8Array;
}

/**
 * Holds an identity against everything issued.
 * @returns the live certificates that `replace` will revoke; empty for a first enrolment
 * @throws ENROL_REFUSED
 */
export function examineBinding(
  lines: readonly RegistryLine[],
  id: Identity,
  nowMs: number,
  replace: boolean,
): Issued[] {
  const ek = toHex(id.ekDigest);
  const ak = toHex(id.akDigest);
  const name = `${id.fleet}/${id.host}`;
  const issued = lines.filter((l): l is Issued => l.event === 'issued');
  const live = liveCertificates(lines, nowMs);
  const elsewhere = issued.find((l) => l.ek === ek && `${l.fleet}/${l.host}` !== name);
  if (elsewhere !== undefined) {
    throw refusal('ek-bound-to-other-host', `this EK is bound to ${elsewhere.fleet}/${elsewhere.host}`);
  }
  const other = live.find((l) => `${l.fleet}/${l.host}` === name && l.ek !== ek);
  if (other !== undefined) {
    throw refusal(
      'name-has-other-ek',
      `${name} belongs to the EK ${other.ek} until its certificate is revoked`,
    );
  }
  if (issued.some((l) => l.ak === ak && l.ek !== ek)) {
    throw refusal('ak-known', 'this AK was certified with another EK');
  }
  const own = live.filter((l) => l.ek === ek);
  const first = own[0];
  if (first !== undefined && !replace) {
    throw refusal(
      'ek-has-live-ak',
      `this EK has a live certificate, serial ${first.serial}; replace it or revoke it`,
    );
  }
  return own;
}
