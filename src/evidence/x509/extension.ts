/** Certificate and CRL extensions (RFC 5280 §4.2, §5.2): the frame they share, and the ones attestation reads. */
import { fromUtf8 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { type Der, expect, oidText, readDer, smallInteger, TAG } from './der.ts';

/** One extension, undecoded. */
export interface Extension {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

export const OID = {
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  alternativeName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  crlNumber: '2.5.29.20',
  reasonCode: '2.5.29.21',
  invalidityDate: '2.5.29.24',
  nameConstraints: '2.5.29.30',
  crlDistribution: '2.5.29.31',
  policies: '2.5.29.32',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
} as const;

/** Reads `Extensions`; an OID may stand once. @throws MALFORMED */
export function readExtensions(list: Der | undefined, deviations: string[]): Extension[] {
  const out: Extension[] = [];
  for (const e of list?.children ?? []) {
    const oid = oidText(e.children[0], 'extension');
    if (out.some((x) => x.oid === oid))
      throw new AttestdError('MALFORMED', `DER: extension ${oid} stands twice`);
    const flag = e.children.length === 3 ? expect(e.children[1], TAG.boolean, 'critical') : undefined;
    if (flag?.content[0] === 0) deviations.push('a DEFAULT value is encoded');
    const value = expect(e.children[e.children.length - 1], TAG.octetString, `extension ${oid}`).content;
    if (e.children.length < 2 || e.children.length > 3)
      throw new AttestdError('MALFORMED', 'DER: an extension');
    out.push({ oid, critical: flag !== undefined && flag.content[0] !== 0, value });
  }
  return out;
}

export type KeyUsage =
  | 'digitalSignature'
  | 'nonRepudiation'
  | 'keyEncipherment'
  | 'dataEncipherment'
  | 'keyAgreement'
  | 'keyCertSign'
  | 'cRLSign'
  | 'encipherOnly'
  | 'decipherOnly';
const USAGES: readonly KeyUsage[] = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
];

/** The named bits that are set. @throws MALFORMED */
export function readKeyUsage(value: Uint8Array, deviations: string[]): KeyUsage[] {
  const c = expect(readDer(value, deviations), TAG.bitString, 'keyUsage').content;
  return USAGES.filter((_, i) => (((c[1 + (i >> 3)] ?? 0) << (i & 7)) & 0x80) !== 0);
}

/** basicConstraints; a missing pathLen is no limit. @throws MALFORMED */
export function readBasicConstraints(value: Uint8Array, deviations: string[]) {
  const parts = [...expect(readDer(value, deviations), TAG.sequence, 'basicConstraints').children];
  let ca = false;
  if (parts[0]?.tag === TAG.boolean) {
    ca = parts[0].content[0] !== 0;
    if (!ca) deviations.push('a DEFAULT value is encoded');
    parts.shift();
  }
  const pathLength = parts.length > 0 ? smallInteger(parts.shift(), 'pathLen') : undefined;
  if (parts.length > 0) throw new AttestdError('MALFORMED', 'DER: basicConstraints has more than two parts');
  return { ca, pathLength };
}

/** The OIDs of a SEQUENCE OF OID (extKeyUsage). @throws MALFORMED */
export function readOids(value: Uint8Array, deviations: string[]): string[] {
  return expect(readDer(value, deviations), TAG.sequence, 'extKeyUsage').children.map((o) =>
    oidText(o, 'key purpose'),
  );
}

/** The policy OIDs of certificatePolicies; qualifiers are not read. @throws MALFORMED */
export function readPolicies(value: Uint8Array, deviations: string[]): string[] {
  return expect(readDer(value, deviations), TAG.sequence, 'certificatePolicies').children.map((p) =>
    oidText(p.children[0], 'policy'),
  );
}

/** The URIs of cRLDistributionPoints with a fullName. @throws MALFORMED */
export function readCrlUris(value: Uint8Array, deviations: string[]): string[] {
  const uris: string[] = [];
  for (const point of readDer(value, deviations).children) {
    for (const name of point.children[0]?.children[0]?.children ?? []) {
      if (name.tag === 0x86) uris.push(fromUtf8(name.content));
    }
  }
  return uris;
}

/** keyIdentifier of authorityKeyIdentifier, where it is given. @throws MALFORMED */
export function readAuthorityKeyId(value: Uint8Array, deviations: string[]): Uint8Array | undefined {
  return readDer(value, deviations).children.find((c) => c.tag === 0x80)?.content;
}
