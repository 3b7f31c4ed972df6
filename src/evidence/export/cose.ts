/**
 * A record as COSE_Sign1 (RFC 9052 §4.2) with a COSE receipt (RFC 9942): the payload is the statement as it stands in
 * the log, the receipt's proof leads from the entry, which is the DSSE PAE of that payload, to a root that the record
 * key signed. Everything that is signed here starts with the byte 0x84 of a Sig_structure, as nothing else that
 * the record key signs does.
 */
import { encode, rfc8949EncodeOptions } from 'cborg';
import { concat, utf8 } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import { PAYLOAD_TYPE } from '../../core/namespace.ts';

/** Media type of what `printSign1` gives. */
export const COSE_MEDIA_TYPE = 'application/cose; cose-type="cose-sign1"';

const HEADER = {
  alg: 1,
  contentType: 3,
  kid: 4,
  cwtClaims: 15,
  x5chain: 33,
  receipts: 394,
  vds: 395,
  vdp: 396,
};
const ES256 = -7;
const CLAIM = { issuer: 1, subject: 2 };
/** RFC 9942 §4.1: RFC9162_SHA256, which hashes as RFC 6962 does. */
const RFC9162_SHA256 = 1;
const INCLUSION = -1;
const SIGN1_TAG = Uint8Array.of(0xd2);
const NOTHING = new Uint8Array();

type Headers = ReadonlyMap<number, unknown>;
const cbor = (value: unknown): Uint8Array => encode(value, rfc8949EncodeOptions);

/** Who signs, about what. */
export interface Signer {
  /** DER SubjectPublicKeyInfo of the record key; its SHA-256 is the `kid`. */
  readonly spki: Uint8Array;
  /** `attestd://<fleet>/<host>` */
  readonly issuer: string;
}

/** A message before its signature. */
export interface Unsigned {
  /** The protected headers, encoded. */
  readonly headers: Uint8Array;
  /** Sig_structure: the bytes that are signed. */
  readonly toSign: Uint8Array;
}

const claims = (issuer: string, subject: string): Headers =>
  new Map([
    [CLAIM.issuer, issuer],
    [CLAIM.subject, subject],
  ]);

function unsigned(headers: Headers, payload: Uint8Array): Unsigned {
  const encoded = cbor(headers);
  return { headers: encoded, toSign: cbor(['Signature1', encoded, NOTHING, payload]) };
}

/** The statement to be signed. @param subject first subject of the statement, `execution:<ULID>` */
export function statementMessage(payload: Uint8Array, subject: string, by: Signer): Unsigned {
  const headers = new Map<number, unknown>([
    [HEADER.alg, ES256],
    [HEADER.contentType, PAYLOAD_TYPE],
    [HEADER.kid, sha256(by.spki)],
    [HEADER.cwtClaims, claims(by.issuer, subject)],
  ]);
  return unsigned(headers, payload);
}

/** The root to be signed, as a receipt of the log `origin`. */
export function receiptMessage(root: Uint8Array, origin: string, by: Signer): Unsigned {
  const headers = new Map<number, unknown>([
    [HEADER.alg, ES256],
    [HEADER.kid, sha256(by.spki)],
    [HEADER.cwtClaims, claims(by.issuer, origin)],
    [HEADER.vds, RFC9162_SHA256],
  ]);
  return unsigned(headers, root);
}

/** Where an entry stands under a signed root; siblings as in RFC 9162 §2.1.3.1, that of the leaf first. */
export interface InclusionPath {
  readonly size: number;
  readonly index: number;
  readonly path: readonly Uint8Array[];
}

/** A receipt: COSE_Sign1 whose payload, the root, is detached. @param signature r ‖ s, 64 bytes */
export function printReceipt(message: Unsigned, { size, index, path }: InclusionPath, signature: Uint8Array) {
  const proofs = new Map([[INCLUSION, [cbor([size, index, [...path]])]]]);
  return sign1(message, new Map([[HEADER.vdp, proofs]]), null, signature);
}

/**
 * The signed statement with its receipt.
 * @param signature r ‖ s, 64 bytes
 * @param chain DER certificates of the record key, leaf first, where there are any (RFC 9360 x5chain)
 */
export function printSign1(
  message: Unsigned,
  payload: Uint8Array,
  signature: Uint8Array,
  receipt: Uint8Array,
  chain: readonly Uint8Array[] = [],
): Uint8Array {
  const beside = new Map<number, unknown>([[HEADER.receipts, [receipt]]]);
  if (chain.length > 0) beside.set(HEADER.x5chain, chain.length === 1 ? chain[0] : [...chain]);
  return sign1(message, beside, payload, signature);
}

function sign1(
  { headers }: Unsigned,
  beside: Headers,
  payload: Uint8Array | null,
  signature: Uint8Array,
): Uint8Array {
  return concat(SIGN1_TAG, cbor([headers, beside, payload, signature]));
}

/** First bytes of every Sig_structure of ours. */
export const SIGN1_CONTEXT: Uint8Array = concat(Uint8Array.of(0x84, 0x6a), utf8('Signature1'));
