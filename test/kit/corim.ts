/** Manifests of reference values (draft-ietf-rats-corim) for tests: built field by field, so that one can be wrong. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { fromHex } from '../../src/core/bytes.ts';
import { type Cbor, CborTag, encodeCbor } from '../../src/evidence/cbor.ts';
import { sign1Input } from '../../src/evidence/cose.ts';

export type Map_ = ReadonlyMap<Cbor, Cbor>;
export const map = (...pairs: readonly (readonly [Cbor, Cbor])[]): Map_ => new Map(pairs);
export const tag = (n: number, value: Cbor): Cbor => new CborTag(n, value);
export const time = (iso: string): Cbor => tag(1, Date.parse(iso) / 1000);

const SHA256 = 1;
export const digests = (...hex: readonly string[]): Cbor => hex.map((h) => [SHA256, fromHex(h)]);
export const environment = (model = 'model 1'): Cbor => map([0, map([1, 'vendor'], [2, model])]);
export const measurement = (values: Cbor, key?: Cbor): Cbor =>
  key === undefined ? map([1, values]) : map([0, key], [1, values]);
/** Values of PCRs as integrity registers. */
export const registers = (values: Readonly<Record<string, string>>): Cbor =>
  measurement(map([14, new Map(Object.entries(values).map(([i, v]) => [Number(i), digests(v)] as const))]));
/** Digest of an event, by the profile of ours. */
export const event = (key: string, hex: string): Cbor => measurement(map([2, digests(hex)]), key);
export const triple = (measurements: readonly Cbor[], of: Cbor = environment()): Cbor => [of, measurements];

export interface Parts {
  readonly triples?: readonly Cbor[];
  readonly profile?: string;
  readonly validity?: Cbor;
  /** Fields besides, or in place of, those above. */
  readonly manifest?: readonly (readonly [Cbor, Cbor])[];
  readonly comid?: readonly (readonly [Cbor, Cbor])[];
  readonly moreTriples?: readonly (readonly [Cbor, Cbor])[];
  readonly tags?: readonly Cbor[];
}

export const comid = ({ triples = [], comid: fields = [], moreTriples = [] }: Parts): Cbor =>
  map(
    [1, map([0, 'comid 1'])],
    [4, map(...(triples.length === 0 ? [] : ([[0, triples]] as const)), ...moreTriples)],
    ...fields,
  );

/** An unsigned manifest with one CoMID. */
export function corim(parts: Parts): Uint8Array {
  const { profile, validity, manifest = [] } = parts;
  const fields = new Map<Cbor, Cbor>([
    [0, 'corim 1'],
    [1, parts.tags ?? [tag(506, encodeCbor(comid(parts)))]],
    ...(profile === undefined ? [] : ([[3, tag(32, profile)]] as const)),
    ...(validity === undefined ? [] : ([[4, validity]] as const)),
    ...manifest,
  ]);
  return encodeCbor(tag(501, fields));
}

export interface Signing {
  readonly privateKey: KeyObject;
  /** COSE algorithm; ES256 where none is given. */
  readonly algorithm?: number;
  /** Fields of the protected header besides, or in place of, the usual ones; undefined takes one away. */
  readonly header?: readonly (readonly [Cbor, Cbor | undefined])[];
  readonly unprotected?: readonly (readonly [Cbor, Cbor])[];
}

const SIGN = {
  [-7]: (k: KeyObject, m: Uint8Array) => sign('sha256', m, { key: k, dsaEncoding: 'ieee-p1363' }),
  [-35]: (k: KeyObject, m: Uint8Array) => sign('sha384', m, { key: k, dsaEncoding: 'ieee-p1363' }),
  [-8]: (k: KeyObject, m: Uint8Array) => sign(null, m, k),
  [-37]: (k: KeyObject, m: Uint8Array) =>
    sign('sha256', m, { key: k, padding: 6 /* RSA_PKCS1_PSS_PADDING */, saltLength: 32 }),
};

export const META = (name = 'Vendor'): Cbor => encodeCbor(map([0, map([0, name])]));

/** A signed manifest. */
export function signedCorim(
  payload: Uint8Array,
  { privateKey, algorithm = -7, header = [], unprotected = [] }: Signing,
) {
  const fields = new Map<Cbor, Cbor>([
    [1, algorithm],
    [3, 'application/rim+cbor'],
    [8, META()],
  ]);
  for (const [label, value] of header) {
    if (value === undefined) fields.delete(label);
    else fields.set(label, value);
  }
  const protectedBytes = encodeCbor(fields);
  const message = {
    protectedBytes,
    protectedHeader: fields,
    unprotectedHeader: map(),
    payload,
    signature: payload,
  };
  const how = SIGN[algorithm as keyof typeof SIGN] ?? SIGN[-7];
  const signature = new Uint8Array(how(privateKey, sign1Input(message)));
  return encodeCbor(tag(18, [protectedBytes, map(...unprotected), payload, signature]));
}

export const ecKey = (namedCurve = 'P-256') => generateKeyPairSync('ec', { namedCurve });
export const spkiOf = (key: KeyObject): Uint8Array =>
  new Uint8Array(key.export({ format: 'der', type: 'spki' }));
