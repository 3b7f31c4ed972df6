/** Confidential machines: one rule broken at a time, for each of the three platforms. */
import type { Json, JsonObject } from '../../../src/core/json.ts';
import { makeCrl } from '../../kit/authority.ts';
import { T0 } from '../../kit/hooks.ts';
import {
  CHIP,
  type CollateralHooks,
  fill,
  forgeCollateral,
  forgeNitro,
  forgeSnp,
  forgeTdx,
  type NitroHooks,
  poke,
  type SnpHooks,
  type TdxHooks,
  teeTrust,
  teeWorld,
} from '../../kit/teeforge.ts';
import type { Vector } from './vector.ts';

const toBase64 = (b: Uint8Array) => Buffer.from(b).toString('base64');
type TrustChange = (tee: JsonObject) => JsonObject | Promise<JsonObject>;

/** Adds the auditor's word about confidential machines to a trust file. */
export const demand =
  (change: TrustChange = (t) => t) =>
  async (trust: JsonObject): Promise<JsonObject> => ({ ...trust, tee: await change(await teeTrust()) });

const snp = (hooks: SnpHooks, change?: TrustChange) => ({
  tee: (name: Uint8Array, boot: Uint8Array) => forgeSnp(name, boot, hooks),
  trust: demand(change),
});
const tdx = (hooks: TdxHooks, change?: TrustChange) => ({
  tee: (name: Uint8Array, boot: Uint8Array) => forgeTdx(name, boot, hooks),
  trust: demand(change),
});
const nitro = (hooks: NitroHooks) => ({
  tee: (name: Uint8Array, boot: Uint8Array) => forgeNitro(name, boot, T0 + 1000, hooks),
  trust: demand(),
});
const collateral = (hooks: CollateralHooks): TrustChange => {
  return async (t) => ({ ...t, tdx: { collateral: [await forgeCollateral(hooks)] } });
};

const REST = [
  'tee-binding',
  'tee-key',
  'tee-measurement',
  'tee-path',
  'tee-policy',
  'tee-signature',
  'tee-validity',
  'tee-versions',
];

/** Valid machines, for the test that all of their checks pass. */
export const TEE_VALID = {
  'AMD SEV-SNP': snp({}),
  'Intel TDX': tdx({}),
  'AWS Nitro': nitro({}),
} as const;

export const TEE_VECTORS: readonly Vector[] = [
  {
    id: 'tee-report',
    name: 'the machine is none, but the trust file demands one',
    status: 'unknown',
    blocked: REST,
    hooks: { trust: demand() },
  },
  {
    id: 'tee-report',
    name: 'the daemon could not read its report',
    status: 'unknown',
    blocked: REST,
    hooks: { tee: async () => 'unreadable', trust: demand() },
  },
  {
    id: 'tee-report',
    name: 'a report that cannot be read',
    blocked: REST,
    hooks: { tee: async () => ({ platform: 'tdx', report: toBase64(fill(700, 4)) }), trust: demand() },
  },
  {
    id: 'tee-report',
    name: 'a report of another platform than it says',
    blocked: REST,
    hooks: {
      tee: async (n, b) => ({
        ...((await forgeSnp(n, b)) as { platform: 'sev-snp'; report: string }),
        platform: 'nitro',
      }),
      trust: demand(),
    },
  },
  // The way to the vendor
  {
    id: 'tee-path',
    name: 'SEV-SNP: another authority of the same name made the certificate',
    blocked: ['tee-validity'],
    hooks: snp({ issuer: (w) => ({ name: 'SEV-Test', keys: w.other }) }),
  },
  {
    id: 'tee-path',
    name: 'SEV-SNP: the certificate is nowhere',
    status: 'unknown',
    blocked: ['tee-key', 'tee-policy', 'tee-signature', 'tee-validity', 'tee-versions'],
    hooks: snp({ table: false }),
  },
  {
    id: 'tee-path',
    name: 'TDX: the root is trusted for another platform only',
    status: 'unknown',
    blocked: ['tee-validity', 'tee-versions'],
    hooks: tdx({}, (t) => ({
      ...t,
      roots: (t.roots as JsonObject[]).filter((r) => r.platform !== 'tdx'),
      tdx: {},
    })),
  },
  {
    id: 'tee-validity',
    name: 'SEV-SNP: the certificate had run out',
    hooks: snp({ notAfter: T0 }),
  },
  {
    id: 'tee-validity',
    name: 'Nitro: the certificate had run out by the time in the document',
    hooks: nitro({ notAfter: T0 - 1000 }),
  },
  {
    id: 'tee-revocation',
    name: 'SEV-SNP: the vendor withdrew the intermediate',
    hooks: snp({}, async (t) => {
      const { ark, ask } = await teeWorld();
      const lists = [
        await makeCrl(ask, []),
        await makeCrl(ark, [{ serial: ask.certificate.serial, at: T0 }]),
      ];
      return { ...t, crls: lists.map(toBase64) };
    }),
  },
  {
    id: 'tee-revocation',
    name: 'SEV-SNP: no list of the intermediate',
    status: 'unknown',
    hooks: snp({}, async (t) => ({ ...t, crls: [toBase64(await makeCrl((await teeWorld()).ark, []))] })),
  },
  // Key and signature
  {
    id: 'tee-key',
    name: 'SEV-SNP: the certificate is of another chip',
    hooks: snp({ extensions: (e) => ({ ...e, '4': fill(64, 0xc2) }) }),
  },
  {
    id: 'tee-key',
    name: 'SEV-SNP: the certificate is of another product',
    hooks: snp({ report: (r) => poke(r, 0x188, 0x19, 0x11) }),
  },
  {
    id: 'tee-key',
    name: 'TDX: another key than the platform’s signed the enclave',
    hooks: tdx({ qeKey: (w) => w.other }),
  },
  {
    id: 'tee-key',
    name: 'TDX: the enclave names another key',
    hooks: tdx({ qe: (q) => poke(q, 320, 1, 2, 3) }),
  },
  {
    id: 'tee-key',
    name: 'TDX: the certificate is of no platform',
    blocked: ['tee-versions'],
    hooks: tdx({ pckExtensions: () => [] }),
  },
  {
    id: 'tee-key',
    name: 'Nitro: the certificate is of another enclave',
    hooks: nitro({ subject: 'i-1-enc1.us-east-1.aws' }),
  },
  { id: 'tee-key', name: 'Nitro: the certificate may not sign documents', hooks: nitro({ keyUsage: 0x08 }) },
  { id: 'tee-signature', name: 'SEV-SNP: another key signed', hooks: snp({ key: (w) => w.other384 }) },
  {
    id: 'tee-signature',
    name: 'SEV-SNP: another algorithm is named',
    hooks: snp({ report: (r) => poke(r, 0x34, 2) }),
  },
  { id: 'tee-signature', name: 'TDX: another key signed', hooks: tdx({ quoteKey: (w) => w.other }) },
  { id: 'tee-signature', name: 'Nitro: another key signed', hooks: nitro({ key: (w) => w.other384 }) },
  // Versions
  {
    id: 'tee-versions',
    name: 'SEV-SNP: the report states other versions than the certificate',
    hooks: snp({ report: (r) => poke(r, 0x180 + 7, 0xda) }),
  },
  {
    id: 'tee-versions',
    name: 'SEV-SNP: the firmware is older than allowed',
    hooks: snp({}, (t) => ({ ...t, sevSnp: { minimumTcb: { snp: 25 } } })),
  },
  {
    id: 'tee-versions',
    name: 'TDX: the trust file has no word of Intel',
    status: 'unknown',
    hooks: tdx({}, (t) => ({ ...t, tdx: {} })),
  },
  ...versions('the module is too old', { signed: (s) => poke(s, 48, 3) }),
  ...versions('the module is below every level', { signed: (s) => poke(s, 48, 1) }),
  ...versions('the module is not Intel’s', { signed: (s) => poke(s, 48 + 64, 1) }),
  ...versions('the module is of a generation that is not known', { signed: (s) => poke(s, 49, 9) }),
  ...versions('the quoting enclave is too old', { qe: (q) => poke(q, 258, 3) }),
  ...versions('the quoting enclave is of another maker', { qe: (q) => poke(q, 128, 0) }),
  ...versions('the quoting enclave is under debugging', { qe: (q) => poke(q, 48, 0x13) }),
  ...versions('the quoting enclave is another product', { qe: (q) => poke(q, 256, 1) }),
  ...word('the platform is rated out of date', {
    tcbInfo: (i) => ({ ...i, tcbLevels: (i.tcbLevels as Json[]).slice(1) }),
  }),
  ...word('no level fits the platform', { tcbInfo: (i) => ({ ...i, tcbLevels: [] }) }),
  ...word('Intel’s word has run out', { tcbInfo: (i) => ({ ...i, nextUpdate: '2026-05-21T00:00:00Z' }) }),
  ...word('Intel’s word is of a later day', {
    qeIdentity: (i) => ({ ...i, issueDate: '2026-06-10T00:00:00Z' }),
  }),
  ...word('another key signed Intel’s word', { signingKey: (w) => w.other }),
  ...word('the signer of Intel’s word is not Intel’s', { signer: (w) => w.zone }),
  ...word('Intel’s word is about SGX', { qeIdentity: (i) => ({ ...i, id: 'QE' }) }),
  // Policy
  {
    id: 'tee-policy',
    name: 'SEV-SNP: the host may debug',
    hooks: snp({ report: (r) => poke(r, 10, 0x0b) }),
  },
  {
    id: 'tee-policy',
    name: 'SEV-SNP: a migration agent is bound',
    hooks: snp({ report: (r) => poke(poke(r, 10, 0x07), 0x160, 1) }),
  },
  {
    id: 'tee-policy',
    name: 'SEV-SNP: software of low privilege asked',
    hooks: snp({ report: (r) => poke(r, 0x30, 3) }),
  },
  { id: 'tee-policy', name: 'TDX: the host may debug', hooks: tdx({ signed: (s) => poke(s, 48 + 120, 1) }) },
  {
    id: 'tee-policy',
    name: 'TDX: another attribute that makes it untrusted',
    hooks: tdx({ signed: (s) => poke(s, 48 + 120, 0x80) }),
  },
  {
    id: 'tee-policy',
    name: 'Nitro: debug mode',
    hooks: nitro({
      payload: (p) =>
        p.set(
          'pcrs',
          new Map(
            [...(p.get('pcrs') as Map<number, Uint8Array>)].map(([i, v]) => [i, i === 2 ? fill(48, 0) : v]),
          ),
        ),
    }),
  },
  // What was launched, and for whom the report is
  {
    id: 'tee-measurement',
    name: 'SEV-SNP: another image was launched',
    hooks: snp({ report: (r) => poke(r, 0x90, 0) }),
  },
  {
    id: 'tee-measurement',
    name: 'TDX: another firmware ran inside',
    hooks: tdx({ signed: (s) => poke(s, 48 + 328, 1) }),
  },
  {
    id: 'tee-measurement',
    name: 'Nitro: the trust file accepts no enclave',
    hooks: {
      ...nitro({}),
      trust: demand((t) => ({ ...t, measurements: (t.measurements as Json[]).slice(0, 2) })),
    },
  },
  {
    id: 'tee-binding',
    name: 'SEV-SNP: the report is for something else',
    hooks: snp({ data: (d) => poke(d, 0, (d[0] as number) ^ 1) }),
  },
  {
    id: 'tee-binding',
    name: 'TDX: the report is of another run',
    hooks: {
      tee: (name, boot) => forgeTdx(name, boot.slice(1)),
      trust: demand(),
    },
  },
  {
    id: 'tee-binding',
    name: 'Nitro: the report is for another TPM key',
    hooks: {
      tee: (_, boot) => forgeNitro(CHIP.slice(0, 34), boot, T0 + 1000),
      trust: demand(),
    },
  },
];

function versions(name: string, hooks: TdxHooks): Vector[] {
  return [{ id: 'tee-versions', name: `TDX: ${name}`, hooks: tdx(hooks) }];
}
function word(name: string, hooks: CollateralHooks): Vector[] {
  return [{ id: 'tee-versions', name: `TDX: ${name}`, hooks: tdx({}, collateral(hooks)) }];
}
