/**
 * A timestamp authority for tests that writes whatever token a test wants, right or wrong: TSTInfo and CMS put together
 * here, signed with P-256 keys of WebCrypto. What it makes without a wish is what `openssl ts -verify` accepts.
 */
import { createHash } from 'node:crypto';
import { concat, utf8 } from '../../src/core/bytes.ts';
import { ecdsaDer } from '../../src/evidence/x509/signature.ts';
import { EKU_TIMESTAMPING } from '../../src/verify/timestamp.ts';
import { type Issued, issue, oid, sequence, signRaw, tlv, type Wish } from './authority.ts';

const SHA256 = sequence(oid('2.16.840.1.101.3.4.2.1'), tlv(5));
const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));
const hash = (b: Uint8Array) => new Uint8Array(createHash('sha256').update(b).digest());
const octets = (b: Uint8Array) => tlv(4, b);
const set = (...parts: Uint8Array[]) => tlv(0x31, ...parts);
const attribute = (type: string, value: Uint8Array) => sequence(oid(type), set(value));

/** GeneralizedTime with a fraction only where there is one, as RFC 3161 wants it. */
export function generalizedTime(ms: number): Uint8Array {
  const [digits = '', fraction = ''] = new Date(ms)
    .toISOString()
    .replace(/[-:TZ]/g, '')
    .split('.');
  const rest = fraction.replace(/0+$/, '');
  return tlv(0x18, utf8(`${digits}${rest === '' ? '' : `.${rest}`}Z`));
}

/** The certificate of a signer, as a timestamp authority's is. */
export const signerWish = (issuer: Issued): Wish => ({
  issuer,
  subject: 'tsa',
  extensions: [{ oid: '2.5.29.37', critical: true, value: sequence(oid(EKU_TIMESTAMPING)) }],
});

export interface Tsa {
  readonly root: Issued;
  readonly signer: Issued;
}

export async function makeTsa(): Promise<Tsa> {
  const root = await issue({ subject: 'tsa root', ca: {} });
  return { root, signer: await issue(signerWish(root)) };
}

/** What may be otherwise in a token. */
export interface TokenWish {
  readonly genTime: number;
  /** Certificates in the token; that of the signer when absent. */
  readonly certificates?: readonly Uint8Array[];
  readonly accuracy?: number;
  readonly nonce?: Uint8Array;
  /** Content of the TSTInfo, whole. */
  readonly info?: (info: Uint8Array) => Uint8Array;
  /** Extensions of the TSTInfo: content of [1]. */
  readonly extensions?: Uint8Array;
  /** Digest in the message imprint. */
  readonly imprint?: Uint8Array;
  readonly contentType?: string;
  /** Signed attributes in the order in which they stand. */
  readonly attributes?: (list: Uint8Array[]) => Uint8Array[];
  readonly signature?: (s: Uint8Array) => Uint8Array;
  readonly algorithm?: Uint8Array;
  /** Whose certificate ESSCertIDv2 names. */
  readonly vouchedFor?: Uint8Array;
  /** DER of the name in TSTInfo. */
  readonly tsaName?: Uint8Array;
  /** Parts after the signature in SignerInfo. */
  readonly unsigned?: Uint8Array;
}

/** A token by `signer` over `message`. */
export async function makeToken(signer: Issued, message: Uint8Array, wish: TokenWish): Promise<Uint8Array> {
  const { certificate, keys } = signer;
  const plain = sequence(
    tlv(2, Uint8Array.of(1)),
    oid('1.2.3.4.1'),
    sequence(SHA256, octets(wish.imprint ?? hash(message))),
    tlv(2, Uint8Array.of(7)),
    generalizedTime(wish.genTime),
    ...(wish.accuracy === undefined ? [] : [sequence(tlv(2, Uint8Array.of(wish.accuracy)))]),
    ...(wish.nonce === undefined ? [] : [tlv(2, wish.nonce)]),
    ...(wish.tsaName === undefined ? [] : [tlv(0xa0, tlv(0xa4, wish.tsaName))]),
    ...(wish.extensions === undefined ? [] : [tlv(0xa1, wish.extensions)]),
  );
  const info = (wish.info ?? ((i) => i))(plain);
  const type = wish.contentType ?? '1.2.840.113549.1.9.16.1.4';
  const ess = sequence(sequence(sequence(octets(hash(wish.vouchedFor ?? certificate.der)))));
  const attributes = [
    attribute('1.2.840.113549.1.9.3', oid(type)),
    attribute('1.2.840.113549.1.9.4', octets(hash(info))),
    attribute('1.2.840.113549.1.9.16.2.47', ess),
  ];
  const signed = set(...(wish.attributes ?? ((l) => l))(attributes));
  const signature = ecdsaDer(await signRaw(keys, signed));
  const signerInfo = sequence(
    tlv(2, Uint8Array.of(1)),
    sequence(certificate.issuer, tlv(2, certificate.serial)),
    SHA256,
    concat(Uint8Array.of(0xa0), signed.subarray(1)),
    wish.algorithm ?? ECDSA_SHA256,
    octets((wish.signature ?? ((s) => s))(signature)),
    ...(wish.unsigned === undefined ? [] : [wish.unsigned]),
  );
  const list = wish.certificates ?? [certificate.der];
  return sequence(
    oid('1.2.840.113549.1.7.2'),
    tlv(
      0xa0,
      sequence(
        tlv(2, Uint8Array.of(3)),
        set(SHA256),
        sequence(oid(type), tlv(0xa0, octets(info))),
        ...(list.length === 0 ? [] : [tlv(0xa0, ...list)]),
        set(signerInfo),
      ),
    ),
  );
}
