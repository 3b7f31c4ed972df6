/** Records of other logs that a record knows by a checkpoint of that log, and by nothing else. */
import { toHex } from '../../../src/core/bytes.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import { EKU_EK, hostUri } from '../../../src/evidence/akprofile.ts';
import { recordDigest } from '../../../src/evidence/dsse.ts';
import { ATTEST_NV } from '../../../src/evidence/tpm/attest.ts';
import { leafHash } from '../../../src/log/merkle.ts';
import { parseNote, printNote } from '../../../src/log/note.ts';
import { printProof } from '../../../src/log/proof.ts';
import type { RawChain, RawEvidence } from '../../../src/verify/gather.ts';
import { type Wish as CertificateWish, issue, keyPair, makeCrl } from '../../kit/authority.ts';
import { bundleOf } from '../../kit/bundled.ts';
import { flip, forge } from '../../kit/forge.ts';
import { EPOCH, FLEET, type Hooks, T0 } from '../../kit/hooks.ts';
import { accepted, closed, forked, OTHER_HOST, OTHER_LOG, otherHost } from './foreign.ts';
import type { Vector } from './vector.ts';

/** The parent as the record names it. */
export function parentOf(raw: RawEvidence, log = OTHER_LOG): JsonObject {
  const { index, hashes, entry } = raw.record;
  return {
    rel: 'derivedFrom',
    digest: toHex(recordDigest(entry)),
    log,
    leaf: toHex(leafHash(entry)),
    proof: new TextDecoder().decode(printProof({ index, hashes, note: raw.note })),
  };
}

export interface Wish {
  /** The other host, changed. */
  readonly other?: Hooks;
  readonly parent?: (p: JsonObject, raw: RawEvidence) => JsonObject | JsonObject[];
  /** Certificates in the bundle; those of the other host when absent. */
  readonly chains?: (own: RawChain) => readonly RawChain[];
  readonly foreign?: (other: RawEvidence) => readonly RawEvidence[];
}

/** A record that knows one of another host by its checkpoint, with the certificate of that host. */
export async function knowing(wish: Wish = {}): Promise<Hooks> {
  const { raw } = await forge(otherHost(wish.other));
  const parent = wish.parent?.(parentOf(raw), raw) ?? parentOf(raw);
  const own: RawChain = { chain: raw.chain, crls: raw.crls };
  const chains = wish.chains?.(own) ?? [own];
  const foreign = wish.foreign?.(raw);
  return {
    ...accepted,
    execution: (x) => ({ ...x, parents: [...(x.parents as []), ...[parent].flat()] }),
    raw: (r) => ({
      ...r,
      ...(chains.length === 0 ? {} : { foreignChains: chains }),
      ...(foreign === undefined ? {} : { foreign: foreign.map(bundleOf) }),
    }),
  };
}

/** A fork with more in it. */
const longer: Hooks = { ...forked, rotation: { roles: ['ak'] } };

/** The note of a proof with other lines. */
function relined(p: JsonObject, raw: RawEvidence, keep: (name: string, at: number) => boolean): JsonObject {
  const { text, signatures } = parseNote(raw.note);
  const left = signatures.filter((s, i) => keep(s.name, i));
  const note = new TextEncoder().encode(printNote({ text, signatures: left }));
  const { index, hashes } = raw.record;
  return { ...p, proof: new TextDecoder().decode(printProof({ index, hashes, note })) };
}

/** The same, demanding that whoever sealed a checkpoint is shown. */
export const sealedOnly = (hooks: Hooks): Hooks => ({
  ...hooks,
  trust: async (t, w) => ({ ...((await hooks.trust?.(t, w)) ?? t), foreignSeals: true }),
});

/** Of everything that a seal of another host is held to, this alone does not hold, or is not shown to. */
const only = (check: string): RegExp =>
  new RegExp(`hold: ${check}: (?!.*(?:seal|ak-certificate|path)-[a-z]+: )`);

/** Each thing that the seal of another host is held to, broken alone. */
async function sealVectors(): Promise<Vector[]> {
  const certified = (wish: Partial<CertificateWish>): Hooks => ({
    certificate: (c) => ({ ...c, uris: [hostUri(FLEET, OTHER_HOST)], ...wish }),
  });
  const large = await keyPair('P-384');
  const serial = Uint8Array.of(0x61, 0x62);
  const faults: readonly [check: string, name: string, other: Hooks, own?: Pick<Hooks, 'trust'>][] = [
    ['seal-magic', 'the structure is not of a TPM', { quote: (q) => ({ ...q, magic: 0xff544346 }) }],
    [
      'seal-type',
      'it is a certified NV index',
      {
        quote: (q) => ({
          ...q,
          type: ATTEST_NV,
          attested: { kind: 'nv', indexName: new Uint8Array(34), offset: 0, contents: new Uint8Array(8) },
        }),
      },
    ],
    [
      'seal-extradata',
      'it is over another one',
      { quote: (q) => ({ ...q, extraData: flip(q.extraData, 0) }) },
    ],
    [
      'seal-signature',
      'it is not by the certified key',
      { sealSignature: (s) => ('r' in s ? { ...s, r: flip(s.r, 5) } : s) },
    ],
    [
      'ak-certificate-encoding',
      'the certificate of the host is not DER',
      certified({ extensions: [{ oid: '2.5.29.31', value: Uint8Array.of(0x30, 0x81, 0) }] }),
    ],
    ['ak-certificate-path', 'the intermediate is left out', { chain: (c) => c.slice(0, 1) }],
    [
      'path-keys',
      'an authority on the path has a key of a kind that the auditor does not allow',
      {
        certificate: (c) => ({
          ...c,
          uris: [hostUri(FLEET, OTHER_HOST)],
          issuer: { name: 'large', keys: large },
        }),
        chain: async ([leaf], w) => {
          const issued = await issue({ issuer: w.root, subject: 'large', key: large, ca: {} });
          return [leaf as Uint8Array, issued.certificate.der];
        },
        crls: async ([, ofRoot]) => [await makeCrl({ name: 'large', keys: large }, []), ofRoot as Uint8Array],
      },
      { trust: async (t, w) => ({ ...(await accepted.trust?.(t, w)), keys: ['EC P-256'] }) },
    ],
    ['ak-certificate-validity', 'the certificate had expired', certified({ notAfter: T0 - 1000 })],
    [
      'ak-certificate-usage',
      'the certificate is that of an endorsement key',
      certified({ purposes: [EKU_EK] }),
    ],
    [
      'ak-certificate-revocation',
      'the certificate was revoked before',
      {
        ...certified({ serial }),
        crls: async (l, w) => [await makeCrl(w.middle, [{ serial, at: T0 - 1000 }]), ...l.slice(1)],
      },
    ],
  ];
  const vectors: Vector[] = [];
  for (const [check, name, other, own] of faults)
    vectors.push({
      id: 'foreign-checkpoint',
      says: only(check),
      name: `the seal of the checkpoint: ${name}`,
      hooks: { ...(await knowing({ other })), ...own },
    });
  vectors.push({
    id: 'foreign-checkpoint',
    says: only('ak-certificate-policies'),
    name: 'the seal of the checkpoint: the authority does not say that the key is in a TPM',
    status: 'unknown',
    hooks: await knowing({ other: certified({ without: ['2.5.29.32'] }) }),
  });
  return vectors;
}

export const checkpointVectors = async (): Promise<Vector[]> => {
  const fork = (await forge(otherHost(forked))).raw;
  const own = (await forge(otherHost())).raw;
  const strange = (
    await forge(otherHost({ certificate: (c) => ({ ...c, uris: [hostUri(FLEET, 'host-9')] }) }))
  ).raw;
  const id = 'foreign-checkpoint';
  return [
    {
      id,
      name: 'the proof does not lead from the leaf that is named to the checkpoint',
      hooks: await knowing({ parent: (p) => ({ ...p, leaf: 'd'.repeat(64) }) }),
    },
    {
      id,
      name: 'the checkpoint is that of another log than the one that is named',
      hooks: await knowing({ parent: (p) => ({ ...p, log: `${FLEET}/host-3/${EPOCH}` }) }),
    },
    {
      id,
      name: 'the checkpoint is not sealed: its line of the record key alone is left',
      hooks: await knowing({ parent: (p, raw) => relined(p, raw, (_, at) => at > 0), chains: () => [] }),
    },
    ...(await sealVectors()),
    {
      id,
      says: only('ak-certificate-host'),
      name: 'the certificate is that of another host than the origin says',
      hooks: await knowing({ chains: () => [{ chain: strange.chain, crls: strange.crls }] }),
    },
    {
      id,
      says: only('ak-certificate-host'),
      name: 'the other host is none that the auditor accepts',
      hooks: { ...(await knowing()), trust: (t) => t },
    },
    {
      id,
      name: 'the parent is of a fork: the host sealed another record at its place, in a log of the same size',
      hooks: await knowing({ parent: (p) => [p, { ...parentOf(fork), rel: 'after' }] }),
    },
    {
      id,
      name: 'the parent is of a fork that its evidence contradicts, whatever the sizes',
      hooks: await knowing({
        other: longer,
        parent: (p) => [p, { rel: 'after', digest: toHex(recordDigest(own.record.entry)), log: OTHER_LOG }],
        foreign: () => [own],
      }),
    },
    {
      id,
      says: /by the leaf of another/,
      name: 'the leaf is that of another record of the same log than the digest, whose evidence is given',
      hooks: await knowing({
        parent: (p, raw) => ({ ...parentOf({ ...raw, record: raw.genesis }), digest: p.digest as string }),
        foreign: (other) => [other],
        chains: () => [],
      }),
    },
    {
      id,
      says: /by the leaf of another/,
      name: 'a second digest is given to the leaf of a record whose evidence is given',
      hooks: await knowing({
        parent: (p) => [p, { ...p, digest: 'd'.repeat(64) }],
        foreign: (other) => [other],
        chains: () => [],
      }),
    },
    {
      id,
      name: 'a certificate is given of a host whose checkpoint nothing here holds',
      hooks: { ...(await knowing()), execution: (x) => x },
    },
    {
      id,
      name: 'whether the certificate of that host was revoked is not shown',
      status: 'unknown',
      says: only('ak-certificate-revocation'),
      hooks: await knowing({ chains: (c) => [{ ...c, crls: [] }] }),
    },
    {
      id: 'foreign-seal',
      name: 'the certificate of the host whose checkpoint is held is not given, and the auditor asks for it',
      status: 'unknown',
      hooks: sealedOnly(await knowing({ chains: () => [] })),
    },
    {
      id: 'closure',
      name: 'a parent is known by a checkpoint, and what it rests on is not given',
      status: 'unknown',
      hooks: closed(await knowing()),
    },
  ];
};
