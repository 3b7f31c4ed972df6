/** Certificate revocation lists as facts (RFC 5280 §5): complete lists of one issuer; anything narrower is flagged. */
import { equal, toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { type SignatureAlgorithm, signatureAlgorithm } from './algorithm.ts';
import { type Der, expect, readDer, TAG, timeValue, wholeBits } from './der.ts';
import { OID, readAuthorityKeyId, readExtensions } from './extension.ts';

/** Largest list that is read, in bytes. */
export const MAX_CRL = 1_048_576;

/** One entry of a list. */
export interface Revocation {
  /** When the issuer revoked it, milliseconds since 1970. */
  readonly at: number;
  /** Since when it may have been bad (RFC 5280 §5.3.2), where the issuer says so. */
  readonly invalid?: number;
  /** CRLReason (§5.3.1): 1 key compromise, 2 CA compromise, 4 superseded, …; absent: unspecified. */
  readonly reason?: number;
}

export interface Crl {
  readonly der: Uint8Array;
  readonly tbs: Uint8Array;
  readonly issuer: Uint8Array;
  /** Milliseconds since 1970; a list without `nextUpdate` never says when it is stale. */
  readonly thisUpdate: number;
  readonly nextUpdate?: number;
  /** By hex of the serial's content octets. */
  readonly revoked: ReadonlyMap<string, Revocation>;
  readonly algorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
  readonly authorityKeyId?: Uint8Array;
  /** OIDs of critical extensions not understood (delta lists, partial scopes): the list must not be used. */
  readonly unknownCritical: readonly string[];
  readonly deviations: readonly string[];
}

/** Reads one list that fills `bytes`. @throws MALFORMED, TOO_LARGE */
export function parseCrl(bytes: Uint8Array): Crl {
  if (bytes.length > MAX_CRL) throw new AttestdError('TOO_LARGE', 'a revocation list over 1 MiB');
  const deviations: string[] = [];
  const der = bytes.slice();
  const outer = expect(readDer(der, deviations), TAG.sequence, 'certificate list');
  const tbs = expect(outer.children[0], TAG.sequence, 'tbsCertList');
  if (outer.children.length !== 3)
    throw new AttestdError('MALFORMED', 'DER: a revocation list has three parts');
  const parts = [...tbs.children];
  if (parts[0]?.tag === TAG.integer) parts.shift();
  const algorithm = expect(parts.shift(), TAG.sequence, 'signature');
  if (!equal(algorithm.bytes, expect(outer.children[1], TAG.sequence, 'signatureAlgorithm').bytes)) {
    throw new AttestdError('MALFORMED', 'DER: the outer signature algorithm is not the signed one');
  }
  const issuer = expect(parts.shift(), TAG.sequence, 'issuer').bytes;
  const thisUpdate = timeValue(parts.shift(), 'thisUpdate');
  const isTime = parts[0]?.tag === TAG.utcTime || parts[0]?.tag === TAG.generalizedTime;
  const nextUpdate = isTime ? timeValue(parts.shift(), 'nextUpdate') : undefined;
  const entries = parts[0]?.tag === TAG.sequence ? parts.shift() : undefined;
  const list = parts[0]?.tag === 0xa0 ? parts.shift()?.children[0] : undefined;
  if (parts.length > 0) throw new AttestdError('MALFORMED', 'DER: an unknown part of a revocation list');
  const extensions = readExtensions(list, deviations);
  const unknown = extensions
    .filter((e) => e.critical && e.oid !== OID.authorityKeyId && e.oid !== OID.crlNumber)
    .map((e) => e.oid);
  const aki = extensions.find((e) => e.oid === OID.authorityKeyId);
  const authorityKeyId = aki === undefined ? undefined : readAuthorityKeyId(aki.value, deviations);
  return {
    der,
    tbs: tbs.bytes,
    issuer,
    thisUpdate,
    ...(nextUpdate === undefined ? {} : { nextUpdate }),
    revoked: readEntries(entries, deviations, unknown),
    algorithm: signatureAlgorithm(algorithm),
    signature: wholeBits(outer.children[2], 'signatureValue'),
    ...(authorityKeyId === undefined ? {} : { authorityKeyId }),
    unknownCritical: unknown,
    deviations,
  };
}

function readEntries(
  entries: Der | undefined,
  deviations: string[],
  unknown: string[],
): Map<string, Revocation> {
  const revoked = new Map<string, Revocation>();
  for (const e of entries?.children ?? []) {
    const serial = toHex(expect(e.children[0], TAG.integer, 'userCertificate').content);
    let entry: Revocation = { at: timeValue(e.children[1], 'revocationDate') };
    for (const x of readExtensions(e.children[2], deviations)) {
      if (x.oid === OID.reasonCode) entry = { ...entry, reason: readReason(x.value, deviations) };
      else if (x.oid === OID.invalidityDate) {
        entry = { ...entry, invalid: timeValue(readDer(x.value, deviations), 'invalidityDate') };
      } else if (x.critical) unknown.push(x.oid);
    }
    revoked.set(serial, entry);
  }
  return revoked;
}

function readReason(value: Uint8Array, deviations: string[]): number {
  const node = expect(readDer(value, deviations), TAG.enumerated, 'reasonCode');
  if (node.content.length !== 1) throw new AttestdError('MALFORMED', 'DER: reasonCode is out of range');
  return node.content[0] as number;
}
