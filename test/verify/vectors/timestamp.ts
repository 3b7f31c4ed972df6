/** The timestamps of a bundle: over its seal, or over a later one that the TPM's clock and the log chain to it. */
import { toBase64 } from '../../../src/core/bytes.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import { issue, oid, sequence } from '../../kit/authority.ts';
import { type Hooks, T0, type World } from '../../kit/hooks.ts';
import { makeToken, signerWish, type TokenWish } from '../../kit/timestamp.ts';
import type { Vector } from './vector.ts';

/** When the authority stamps: a minute after the seal. */
export const STAMPED = T0 + 120_000;

/** The trust file of an auditor who believes this authority, asks for a timestamp and takes no host's word. */
export const believing = (t: JsonObject, w: World): JsonObject => ({
  ...t,
  acceptHostTime: false,
  timestamps: {
    authorities: [{ name: 'tsa', root: toBase64(w.tsa.root.certificate.der) }],
    required: 1,
  },
});

/** A bundle with a good timestamp over its seal, and what is otherwise in the token. */
export const stamped = (wish: Partial<TokenWish> = {}): Hooks => ({
  trust: believing,
  timestamps: async ({ seal }, w) => [
    { token: await makeToken(w.tsa.signer, seal, { genTime: STAMPED, ...wish }) },
  ],
});

/** The same over the later seal. */
export const chained: Hooks = {
  trust: believing,
  timestamps: async ({ later }, w) => {
    const { note, consistency } = later;
    const token = await makeToken(w.tsa.signer, later.seal, { genTime: STAMPED });
    return [{ token, later: { note, consistency } }];
  },
};

/** Without a good timestamp no time is proven, and with it goes what is judged at that time. */
const WITHOUT_TIME = ['ak-certificate-validity'];
const vector = (name: string, hooks: Hooks): Vector => ({
  id: 'timestamp',
  name,
  hooks,
  blocked: WITHOUT_TIME,
});

export const TIMESTAMP_VECTORS: readonly Vector[] = [
  {
    id: 'timestamp',
    name: 'the trust file asks for one and there is none',
    status: 'unknown',
    hooks: { trust: believing },
    blocked: WITHOUT_TIME,
  },
  vector('a certificate for TLS servers signed it', {
    ...stamped(),
    timestamps: async ({ seal }, w) => {
      const tls = { oid: '2.5.29.37', critical: true, value: sequence(oid('1.3.6.1.5.5.7.3.1')) };
      const server = await issue({ ...signerWish(w.tsa.root), extensions: [tls] });
      return [{ token: await makeToken(server, seal, { genTime: STAMPED }) }];
    },
  }),
  vector('it is over something else', stamped({ imprint: new Uint8Array(32) })),
  vector('its certificate had expired', {
    ...stamped(),
    timestamps: async ({ seal }, w) => {
      const old = await issue({ ...signerWish(w.tsa.root), notAfter: STAMPED - 1000 });
      return [{ token: await makeToken(old, seal, { genTime: STAMPED }) }];
    },
  }),
  vector(
    'its signature is broken',
    stamped({ signature: (s) => Uint8Array.of(...s.subarray(0, -1), (s.at(-1) ?? 0) ^ 1) }),
  ),
  vector('a later seal is stamped, but the log did not go on from this one', {
    ...chained,
    timestamps: async (given, w) => {
      const [stamp] = (await chained.timestamps?.(given, w)) ?? [];
      return stamp?.later === undefined
        ? []
        : [{ ...stamp, later: { ...stamp.later, consistency: stamp.later.consistency.slice(1) } }];
    },
  }),
  vector('a later seal is stamped, but the clock of the TPM puts it first', {
    ...chained,
    laterQuote: (q) => ({ ...q, clockInfo: { ...q.clockInfo, clock: 10n } }),
  }),
  vector('a later seal is stamped, but its number puts it first', {
    ...chained,
    laterHeader: (h) => ({ ...h, seq: 2 }),
  }),
  vector('a later seal is stamped, but it is no quote', {
    ...chained,
    laterQuote: (q) => ({ ...q, magic: 1 }),
  }),
  {
    id: 'ak-certificate-validity',
    name: 'the certificate had expired when the seal was stamped',
    hooks: { ...stamped(), certificate: (c) => ({ ...c, notAfter: STAMPED - 60_000 * 60 }) },
  },
  {
    id: 'path-keys',
    name: 'the trust file allows other keys only',
    hooks: { trust: (t) => ({ ...t, keys: ['RSA 3072', 'EC P-384'] }) },
  },
];
