/**
 * What an enrolment authority writes down, one line for each thing it did. The same lines are the predicates of its
 * audit log (authoritylog.ts): `prev` is SHA-256 of the canonical form of the line before, zeros for the first.
 */
import { type Static, type TProperties, Type } from 'typebox';

const hex = Type.String({ pattern: '^(?:[0-9a-f]{2})+$', maxLength: 512 });
const digest = Type.String({ pattern: '^[0-9a-f]{64}$' });
const words = (maxLength: number) => Type.String({ maxLength });
const time = Type.String({ pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$' });
const frame = { prev: digest, time };
const who = { fleet: words(64), host: words(64), ek: digest };
const line = <K extends string, P extends TProperties>(event: K, more: P) =>
  Type.Object({ event: Type.Literal(event), ...frame, ...more }, { additionalProperties: false });

/** Schema of each event, by its name. */
export const AUTHORITY_EVENTS = {
  /** A root was made: SHA-256 of its certificate. */
  created: line('created', { name: words(64), root: digest }),
  /** A subordinate authority asked for its certificate: SHA-256 of the PKCS#10 request. */
  requested: line('requested', { name: words(64), request: digest }),
  /** It has one, and after a renewal another: SHA-256 of the certificate. */
  installed: line('installed', { certificate: digest }),
  challenged: line('challenged', { ...who, challenge: digest, request: digest }),
  burnt: line('burnt', { ...who, challenge: digest, response: digest }),
  /** An AK certificate: SHA-256 of the AK's SubjectPublicKeyInfo, serial, the exchange that earned it, the DER. */
  issued: line('issued', {
    ...who,
    ak: digest,
    serial: hex,
    notAfter: words(32),
    challenge: digest,
    transcript: digest,
    certificate: words(12_000),
  }),
  refused: line('refused', { ...who, code: words(64), detail: words(500) }),
  /** Another certificate of the same EK and name stands in its place; nothing about it is distrusted. */
  superseded: line('superseded', { serial: hex, by: hex }),
  revoked: line('revoked', { serial: hex, reason: words(200) }),
  crl: line('crl', { number: Type.String({ pattern: '^[1-9][0-9]{0,15}$' }), sha256: digest }),
  /** A certificate for the authority's own HTTPS server: SHA-256 of it. */
  served: line('served', { serial: hex, name: words(255), certificate: digest }),
} as const;

/** Name of an event. */
export type AuthorityEvent = keyof typeof AUTHORITY_EVENTS;
/** One line as it stands. */
export type AuthorityLine = {
  [K in AuthorityEvent]: Static<(typeof AUTHORITY_EVENTS)[K]>;
}[AuthorityEvent];
