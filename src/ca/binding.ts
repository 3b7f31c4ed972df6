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
  /** SHA-256 of the AK that signed for this one; absent in a first enrolment. */
  readonly rotates?: Uint8Array;
}

/** How a live certificate of the same pair is treated. */
export interface Succession {
  /** The operator said so: it is revoked. */
  readonly replace?: boolean;
  /** One for the same AK may take its place in the last third of its life. */
  readonly renewal?: boolean;
}

/** What an enrolment does to certificates that are live. */
export interface Bound {
  readonly replaced: readonly Issued[];
  /** Whether they are distrusted from now on, or only succeeded. */
  readonly revokes: boolean;
}

/**
 * Holds an identity against everything issued.
 * @returns the live certificates that this one replaces; none for a first enrolment
 * @throws ENROL_REFUSED
 */
export function examineBinding(
  lines: readonly RegistryLine[],
  id: Identity,
  nowMs: number,
  how: Succession,
): Bound {
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
  const { rotates } = id;
  if (rotates !== undefined) {
    if (first === undefined || own.some((l) => l.ak !== toHex(rotates))) {
      throw refusal('rotation-unknown', 'the AK that signs for this one has no live certificate here');
    }
    return { replaced: own, revokes: false };
  }
  if (first === undefined) return { replaced: [], revokes: false };
  if (how.renewal === true && own.every((l) => l.ak === ak && inLastThird(l, nowMs))) {
    return { replaced: own, revokes: false };
  }
  if (how.replace !== true) {
    throw refusal(
      'ek-has-live-ak',
      `this EK has a live certificate, serial ${first.serial}; replace it or revoke it`,
    );
  }
  return { replaced: own, revokes: true };
}

function inLastThird(l: Issued, nowMs: number): boolean {
  const from = Date.parse(l.time);
  const to = Date.parse(l.notAfter);
  return nowMs >= to - (to - from) / 3;
}
