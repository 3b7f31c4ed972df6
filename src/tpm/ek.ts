/**
 * The endorsement key, found by its certificate (in NV or in a file), recreated in the TPM and compared with that
 * certificate: a certificate that fits no key of this TPM is never used. Nothing is persisted or evicted.
 */
import { concat, equal } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { parsePublic, publicName, publicSpki } from '../evidence/tpm/public.ts';
import type { TpmObject } from '../native/tpm.ts';
import { certificateSpki, certificatesIn, readSpki, type SpkiParts, sameKey } from './der.ts';
import { EK_CHAIN, EK_PLACES, type EkKind, type EkPlace, ekTemplate, kindOf } from './ektemplate.ts';
import { isRefusal } from './fault.ts';
import { bytes } from './key.ts';
import { readNv } from './nv.ts';
import { listHandles, RANGE } from './property.ts';
import type { Tpm } from './tpm.ts';
import type { RunOptions, Work } from './work.ts';

export interface Ek {
  readonly kind: EkKind;
  /** NV index of the certificate; null when it came from a file. */
  readonly nvIndex: number | null;
  /** DER, cut out of its padding, otherwise as the vendor wrote it. */
  readonly certificate: Uint8Array;
  /** TPMT_PUBLIC of the key in this TPM. */
  readonly public: Uint8Array;
  readonly name: Uint8Array;
  /** Makes the key usable until the operation ends; its Name is checked. */
  load(w: Work): Promise<TpmObject>;
}

export interface EkSearch {
  /** Keys whose certificate fits, P-256 before P-384 before RSA. */
  readonly eks: readonly Ek[];
  /** Certificates of NV 0x01c00100–0x01c001ff, in order; hints, never trusted. */
  readonly chain: readonly Uint8Array[];
  /** Certificates that fit no key of this TPM, with the reason. */
  readonly rejected: readonly { readonly nvIndex: number; readonly reason: string }[];
}

type Found = Pick<Ek, 'kind' | 'public' | 'name' | 'load'>;

/** Milliseconds: an RSA primary takes many seconds on some hardware. */
const SLOW = 60_000;

/** Searches NV. @throws as Tpm.run */
export async function findEks(tpm: Tpm, o: RunOptions = {}): Promise<EkSearch> {
  const options = { deadlineMs: SLOW, ...o };
  const indices = new Set(await tpm.run((w) => listHandles(w, RANGE.nv), options));
  const eks: Ek[] = [];
  const rejected: { nvIndex: number; reason: string }[] = [];
  for (const place of EK_PLACES) {
    const nvIndex = place.certificate;
    if (!indices.has(nvIndex)) continue;
    const found = await tpm.run(async (w) => {
      const certificate = certificatesIn((await readNv(w, nvIndex)) ?? new Uint8Array(0))[0];
      const spki = certificate === undefined ? null : certificateSpki(certificate);
      if (certificate === undefined || spki === null) return 'there is no certificate in it';
      const key = await match(w, spki, await templatesAt(w, place, indices));
      if (key === null) return 'its key is not one that this TPM makes';
      return { nvIndex, certificate, ...key };
    }, options);
    if (typeof found === 'string') rejected.push({ nvIndex, reason: found });
    else eks.push(found);
  }
  const chain = await tpm.run(async (w) => {
    const parts: Uint8Array[] = [];
    for (const i of [...indices].sort((a, b) => a - b)) {
      if (i >= EK_CHAIN.first && i <= EK_CHAIN.last) parts.push((await readNv(w, i)) ?? new Uint8Array(0));
    }
    return certificatesIn(concat(...parts));
  }, options);
  return { eks, chain, rejected };
}

/**
 * The EK of a certificate that is not in NV (Intel's, for one).
 * @throws ENROL_REFUSED when no key of this TPM fits it, MALFORMED when it is no certificate
 */
export async function ekOfCertificate(tpm: Tpm, file: Uint8Array, o: RunOptions = {}): Promise<Ek> {
  const certificate = certificatesIn(file)[0];
  const spki = certificate === undefined ? null : certificateSpki(certificate);
  if (certificate === undefined || spki === null)
    throw new AttestdError('MALFORMED', 'not a DER certificate');
  const kind = kindOfKey(spki);
  for (const place of EK_PLACES.filter((p) => p.kind === kind)) {
    const template = ekTemplate(place.kind, place.range);
    const key = await tpm.run((w) => match(w, spki, [template]), { deadlineMs: SLOW, ...o });
    if (key !== null) return { nvIndex: null, certificate, ...key };
  }
  throw new AttestdError('ENROL_REFUSED', 'the EK certificate fits no key of this TPM');
}

/** By the size of the key alone: it only says which templates are worth a try, since making an RSA key is slow. */
function kindOfKey({ curve, key }: SpkiParts): EkKind | null {
  if (curve !== null) return POINT_BYTES.get(key.length) ?? null;
  return key.length < 300 ? 'rsa2048' : key.length < 430 ? 'rsa3072' : 'rsa4096';
}
const POINT_BYTES: ReadonlyMap<number, EkKind> = new Map([
  [65, 'p256'],
  [97, 'p384'],
  [133, 'p521'],
]);

/** Templates to try: the vendor's own where NV has one, then the profile's, with and without the nonce. */
async function templatesAt(w: Work, place: EkPlace, indices: ReadonlySet<number>): Promise<Uint8Array[]> {
  const read = async (i: number | undefined) => (i !== undefined && indices.has(i) ? readNv(w, i) : null);
  const own = await read(place.template);
  const nonce = await read(place.nonce);
  const out = own === null ? [] : [own];
  if (nonce !== null) out.push(ekTemplate(place.kind, place.range, nonce));
  out.push(ekTemplate(place.kind, place.range));
  return out;
}

/** The key of this TPM that the certificate speaks of: a persistent one where it fits, else made from a template. */
async function match(w: Work, spki: SpkiParts, templates: readonly Uint8Array[]): Promise<Found | null> {
  const fits = (publicArea: Uint8Array) => {
    const mine = readSpki(publicSpki(parsePublic(publicArea)));
    return mine !== null && sameKey(mine, spki);
  };
  for (const handle of await listHandles(w, RANGE.persistent)) {
    const object = await w.ctx.persistentObject(handle, w.plain());
    w.keep(object.handle);
    const publicArea = bytes((await w.ctx.readPublic(object.handle, w.plain())).public);
    const kind = kindIn(publicArea);
    if (kind === null || !fits(publicArea)) continue;
    return found(kind, publicArea, async (x) => (await x.ctx.persistentObject(handle, x.plain())).handle);
  }
  for (const template of templates) {
    const make = (x: Work) => x.ctx.createPrimary({ hierarchy: 'endorsement', public: template }, x.plain());
    await w.room();
    const made = await make(w).catch((e: unknown) => {
      if (isRefusal(e)) return null;
      throw e;
    });
    if (made === null) continue;
    w.keep(made.handle);
    const publicArea = bytes(made.public);
    const kind = kindIn(publicArea);
    if (kind === null || !fits(publicArea)) continue;
    return found(kind, publicArea, async (x) => {
      await x.room();
      return (await make(x)).handle;
    });
  }
  return null;
}

/** The kind of a public area; null for one that is no key or no EK. */
function kindIn(publicArea: Uint8Array): EkKind | null {
  try {
    return kindOf(parsePublic(publicArea));
  } catch {
    return null;
  }
}

function found(kind: EkKind, publicArea: Uint8Array, load: (w: Work) => Promise<TpmObject>): Found {
  const name = publicName(publicArea);
  return {
    kind,
    public: publicArea,
    name,
    async load(w) {
      const handle = w.keep(await load(w));
      if (!equal(await w.ctx.getName(handle), name)) {
        throw new AttestdError('TPM_ERROR', 'the endorsement key has another Name than when it was compared');
      }
      return handle;
    },
  };
}
