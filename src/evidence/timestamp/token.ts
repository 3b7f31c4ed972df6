/**
 * Timestamp tokens (RFC 3161 §2.4.2): a TSTInfo signed in CMS. Facts only; whether a token proves a time is decided in
 * verify/timestamp.ts.
 */
import { fromUtf8 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import type { HashName } from '../x509/algorithm.ts';
import { type Der, expect, oidText, readDer, smallInteger, TAG } from '../x509/der.ts';
import { readExtensions } from '../x509/extension.ts';
import { parseSignedData, type SignedData } from './cms.ts';
import { digestAlgorithm } from './digest.ts';

/** id-ct-TSTInfo. */
export const TST_INFO = '1.2.840.113549.1.9.16.1.4';

/** What the authority signed. */
export interface TstInfo {
  readonly policy: string;
  readonly imprint: { readonly hash: HashName; readonly digest: Uint8Array };
  /** Content octets of the serial number. */
  readonly serial: Uint8Array;
  /** Milliseconds since 1970, a fraction of a millisecond cut off. */
  readonly genTime: number;
  /** How far the true time may be from `genTime`, milliseconds, rounded up; 0 where it is not stated. */
  readonly accuracy: number;
  /** Content octets of the nonce. */
  readonly nonce?: Uint8Array;
  /** The authority's name as it states it: a directoryName in raw DER. */
  readonly tsa?: Uint8Array;
  /** Extensions marked critical: nothing here understands one. */
  readonly critical: readonly string[];
}

export interface TimestampToken extends SignedData {
  readonly der: Uint8Array;
  readonly info: TstInfo;
}

const malformed = (why: string) => new AttestdError('MALFORMED', `timestamp token: ${why}`);

/** Reads a token that fills `bytes`. @throws MALFORMED, TOO_LARGE */
export function parseToken(bytes: Uint8Array): TimestampToken {
  const data = parseSignedData(bytes);
  if (data.contentType !== TST_INFO) throw malformed('the content is no TSTInfo');
  return { der: bytes.slice(), ...data, info: parseTstInfo(data.content) };
}

/** Reads a TSTInfo in DER. @throws MALFORMED */
export function parseTstInfo(bytes: Uint8Array): TstInfo {
  const deviations: string[] = [];
  const parts = [...expect(readDer(bytes, deviations), TAG.sequence, 'TSTInfo').children];
  if (smallInteger(parts.shift(), 'version') !== 1) throw malformed('not of version 1');
  const policy = oidText(parts.shift(), 'policy');
  const [hash, digest, ...more] = expect(parts.shift(), TAG.sequence, 'messageImprint').children;
  if (more.length > 0) throw malformed('messageImprint has more than two parts');
  const imprint = {
    hash: digestAlgorithm(hash, 'messageImprint'),
    digest: expect(digest, TAG.octetString, 'hashedMessage').content,
  };
  const serial = expect(parts.shift(), TAG.integer, 'serialNumber').content;
  const genTime = readGenTime(parts.shift());
  const accuracy = parts[0]?.tag === TAG.sequence ? readAccuracy(parts.shift() as Der) : 0;
  if (parts[0]?.tag === TAG.boolean) {
    if (parts.shift()?.content[0] === 0) deviations.push('a DEFAULT value is encoded');
  }
  const nonce = parts[0]?.tag === TAG.integer ? parts.shift()?.content : undefined;
  const tsa = parts[0]?.tag === 0xa0 ? parts.shift()?.children[0] : undefined;
  const extensions = parts[0]?.tag === 0xa1 ? (parts.shift() as Der) : undefined;
  if (parts.length > 0) throw malformed('TSTInfo has an unknown part');
  const critical = readExtensions(extensions, deviations).flatMap((e) => (e.critical ? [e.oid] : []));
  if (deviations.length > 0) throw malformed(deviations[0] as string);
  return {
    policy,
    imprint,
    serial,
    genTime,
    accuracy,
    ...(nonce === undefined ? {} : { nonce }),
    ...(tsa?.tag === 0xa4 && tsa.children[0] !== undefined ? { tsa: tsa.children[0].bytes } : {}),
    critical,
  };
}

/** GeneralizedTime in UTC with seconds and, where there is one, a fraction without trailing zeros (§2.4.2). */
function readGenTime(node: Der | undefined): number {
  const text = fromUtf8(expect(node, TAG.generalizedTime, 'genTime').content);
  const m = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d*[1-9]))?Z$/.exec(text);
  if (m === null) throw malformed('genTime is not a UTC time with seconds');
  const iso = `${m[1]}-${m[2]}-${m[3]}T${m[4]}:${m[5]}:${m[6]}.${(m[7] ?? '').padEnd(3, '0').slice(0, 3)}Z`;
  const ms = Date.parse(iso);
  if (Number.isNaN(ms) || new Date(ms).toISOString() !== iso) throw malformed('genTime is no date');
  return ms;
}

/** Accuracy ::= SEQUENCE { seconds?, millis [0]?, micros [1]? } */
function readAccuracy(node: Der): number {
  const parts = [...node.children];
  const seconds = parts[0]?.tag === TAG.integer ? smallInteger(parts.shift(), 'seconds') : 0;
  const millis = parts[0]?.tag === 0x80 ? thousandths(parts.shift() as Der) : 0;
  const micros = parts[0]?.tag === 0x81 ? thousandths(parts.shift() as Der) : 0;
  if (parts.length > 0) throw malformed('the accuracy has an unknown part');
  return seconds * 1000 + millis + (micros > 0 ? 1 : 0);
}

function thousandths({ content }: Der): number {
  const value = content.reduce((n, x) => n * 256 + x, 0);
  if (
    content.length === 0 ||
    content.length > 2 ||
    (content[0] as number) > 0x7f ||
    value < 1 ||
    value > 999
  ) {
    throw malformed('a part of the accuracy is not 1 to 999');
  }
  return value;
}
