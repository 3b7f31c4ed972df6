/**
 * A certificate authority for tests: writes whatever certificate and revocation list a test wants, right or wrong,
 * because a vector must be able to break one rule and keep all others. P-256 keys of WebCrypto, DER written here.
 */
import type { webcrypto } from 'node:crypto';
import { concat, utf8 } from '../../src/core/bytes.ts';
import { type Certificate, parseCertificate } from '../../src/evidence/x509/certificate.ts';
import { ecdsaDer } from '../../src/evidence/x509/signature.ts';

export interface Keys {
  readonly privateKey: webcrypto.CryptoKey;
  readonly publicKey: webcrypto.CryptoKey;
  readonly spki: Uint8Array;
}

export async function keyPair(namedCurve: 'P-256' | 'P-384' = 'P-256'): Promise<Keys> {
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve }, true, ['sign', 'verify']);
  return { ...pair, spki: new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey)) };
}

/** r ‖ s over SHA-256 of the message. */
export async function signRaw(keys: Keys, message: Uint8Array): Promise<Uint8Array> {
  const how = { name: 'ECDSA', hash: 'SHA-256' };
  return new Uint8Array(await crypto.subtle.sign(how, keys.privateKey, message.slice()));
}

export function tlv(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = concat(...parts);
  const n = body.length;
  const head = n < 128 ? [tag, n] : n < 256 ? [tag, 0x81, n] : [tag, 0x82, n >> 8, n & 255];
  return concat(Uint8Array.from(head), body);
}
export const sequence = (...parts: readonly Uint8Array[]) => tlv(0x30, ...parts);

export function oid(dotted: string): Uint8Array {
  const [a = 0, b = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [40 * a + b, ...rest].flatMap((arc) => {
    const out = [arc % 128];
    for (let n = Math.floor(arc / 128); n > 0; n = Math.floor(n / 128)) out.unshift(128 + (n % 128));
    return out;
  });
  return tlv(6, Uint8Array.from(bytes));
}

const time = (ms: number): Uint8Array => {
  const digits = `${new Date(ms).toISOString().replace(/[-:T]|\..*/g, '')}Z`;
  return ms < Date.UTC(2050, 0) ? tlv(0x17, utf8(digits.slice(2))) : tlv(0x18, utf8(digits));
};
const integer = (b: Uint8Array) => tlv(2, b);
const bits = (b: Uint8Array) => tlv(3, Uint8Array.of(0), b);
export const name = (cn: string): Uint8Array =>
  cn === '' ? sequence() : sequence(tlv(0x31, sequence(oid('2.5.4.3'), tlv(0x0c, utf8(cn)))));
const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));

export interface RawExtension {
  readonly oid: string;
  readonly critical?: boolean;
  readonly value: Uint8Array;
}

export interface Issued {
  readonly name: string;
  readonly keys: Keys;
  readonly certificate: Certificate;
}

export interface Wish {
  readonly issuer?: { readonly name: string; readonly keys: Keys };
  /** Common name; empty for the empty subject. */
  readonly subject: string;
  readonly key?: Keys;
  readonly ca?: { readonly pathLength?: number };
  /** First byte of the bits: 0x80 digitalSignature, 0x04 keyCertSign, 0x02 cRLSign. */
  readonly keyUsage?: number;
  readonly purposes?: readonly string[];
  readonly uris?: readonly string[];
  readonly sanCritical?: boolean;
  readonly policies?: readonly string[];
  readonly extensions?: readonly RawExtension[];
  /** Extensions of these OIDs are left out, or made uncritical. */
  readonly without?: readonly string[];
  readonly uncritical?: readonly string[];
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly serial?: Uint8Array;
  /** AlgorithmIdentifier that it claims to be signed with. */
  readonly algorithm?: Uint8Array;
}

/** Names of the TPM as the TCG profile puts them beside the host's URI. */
const TPM_NAMES = sequence(
  tlv(0x31, sequence(oid('2.23.133.2.1'), tlv(0x0c, utf8('id:00001014')))),
  tlv(0x31, sequence(oid('2.23.133.2.2'), tlv(0x0c, utf8('swtpm')))),
  tlv(0x31, sequence(oid('2.23.133.2.3'), tlv(0x0c, utf8('id:20191023')))),
);

function extensionsOf(wish: Wish): Uint8Array {
  const list: RawExtension[] = [];
  const ca = wish.ca;
  const limit = ca?.pathLength === undefined ? [] : [integer(Uint8Array.of(ca.pathLength))];
  const basic = ca === undefined ? sequence() : sequence(tlv(1, Uint8Array.of(255)), ...limit);
  list.push({ oid: '2.5.29.19', critical: true, value: basic });
  const usage = wish.keyUsage ?? (ca === undefined ? 0x80 : 0x06);
  const unused = 31 - Math.clz32(usage & -usage);
  list.push({ oid: '2.5.29.15', critical: true, value: tlv(3, Uint8Array.of(unused, usage)) });
  if (wish.purposes !== undefined)
    list.push({ oid: '2.5.29.37', value: sequence(...wish.purposes.map(oid)) });
  if (wish.uris !== undefined) {
    const names = [tlv(0xa4, TPM_NAMES), ...wish.uris.map((u) => tlv(0x86, utf8(u)))];
    list.push({
      oid: '2.5.29.17',
      critical: wish.sanCritical ?? wish.subject === '',
      value: sequence(...names),
    });
  }
  if (wish.policies !== undefined) {
    list.push({ oid: '2.5.29.32', value: sequence(...wish.policies.map((p) => sequence(oid(p)))) });
  }
  list.push(...(wish.extensions ?? []));
  return sequence(
    ...list
      .filter((e) => !(wish.without ?? []).includes(e.oid))
      .map((e) => {
        const critical = e.critical === true && !(wish.uncritical ?? []).includes(e.oid);
        return sequence(oid(e.oid), ...(critical ? [tlv(1, Uint8Array.of(255))] : []), tlv(4, e.value));
      }),
  );
}

let serials = 0x20;

/** A certificate as wished; without issuer, by itself. */
export async function issue(wish: Wish): Promise<Issued> {
  const keys = wish.key ?? (await keyPair());
  const issuer = wish.issuer ?? { name: wish.subject, keys };
  const algorithm = wish.algorithm ?? ECDSA_SHA256;
  const tbs = sequence(
    tlv(0xa0, integer(Uint8Array.of(2))),
    integer(wish.serial ?? Uint8Array.of(0x40, ++serials >> 8, serials & 255)),
    algorithm,
    name(issuer.name),
    sequence(time(wish.notBefore ?? Date.UTC(2026, 0)), time(wish.notAfter ?? Date.UTC(2036, 0))),
    name(wish.subject),
    keys.spki,
    tlv(0xa3, extensionsOf(wish)),
  );
  const signature = ecdsaDer(await signRaw(issuer.keys, tbs));
  const der = sequence(tbs, algorithm, bits(signature));
  return { name: wish.subject, keys, certificate: parseCertificate(der) };
}

/** A revocation list of the issuer over these serials. */
export async function makeCrl(
  issuer: { readonly name: string; readonly keys: Keys },
  revoked: readonly { readonly serial: Uint8Array; readonly at: number; readonly reason?: number }[],
  thisUpdate: number = Date.UTC(2026, 1),
  nextUpdate: number = Date.UTC(2035, 0),
): Promise<Uint8Array> {
  const entries = revoked.map((r) => {
    const reason = r.reason === undefined ? [] : [tlv(4, tlv(0x0a, Uint8Array.of(r.reason)))];
    const extensions = reason.map((value) => sequence(sequence(oid('2.5.29.21'), value)));
    return sequence(integer(r.serial), time(r.at), ...extensions);
  });
  const tbs = sequence(
    integer(Uint8Array.of(1)),
    ECDSA_SHA256,
    name(issuer.name),
    time(thisUpdate),
    time(nextUpdate),
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
  );
  return sequence(tbs, ECDSA_SHA256, bits(ecdsaDer(await signRaw(issuer.keys, tbs))));
}
