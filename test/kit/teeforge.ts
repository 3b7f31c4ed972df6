/**
 * Confidential machines without any: reports in the vendors' own formats under authorities made here. Everything is
 * valid, and each part can be altered before what signs it, so that a vector breaks one rule and keeps all others.
 */
import { createHash } from 'node:crypto';
import { encode } from 'cborg';
import { concat, fromHex, toBase64, utf8 } from '../../src/core/bytes.ts';
import type { Json, JsonObject } from '../../src/core/json.ts';
import { teeReportData } from '../../src/evidence/binding.ts';
import { printPem } from '../../src/evidence/certfile.ts';
import type { Body } from '../../src/evidence/record.ts';
import { type Issued, issue, type Keys, keyPair, oid, type RawExtension, tlv } from './authority.ts';
import { snpTable } from './teefiles.ts';

type Carried = Exclude<Body<'boot'>['tee'], undefined>;
type Change<T> = (value: T) => T;
const same = <T>(v: T): T => v;

async function keyPair384(): Promise<Keys> {
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-384' }, true, [
    'sign',
    'verify',
  ]);
  return { ...pair, spki: new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey)) };
}

export async function signWith(
  keys: Keys,
  hash: 'SHA-256' | 'SHA-384',
  message: Uint8Array,
): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.sign({ name: 'ECDSA', hash }, keys.privateKey, message.slice()));
}

const integer = (n: number) => tlv(2, Uint8Array.of(...(n > 127 ? [0] : []), n));
const sequence = (...parts: readonly Uint8Array[]) => tlv(0x30, ...parts);
const le = (n: number | bigint, size: number) =>
  Uint8Array.from({ length: size }, (_, i) => Number((BigInt(n) >> BigInt(8 * i)) & 255n));
export const fill = (size: number, b: number) => new Uint8Array(size).fill(b);

/** Vendors and their machines, made once. */
export interface TeeWorld {
  readonly ark: Issued;
  readonly ask: Issued;
  readonly vcekKey: Keys;
  readonly intel: Issued;
  readonly platformCa: Issued;
  readonly pckKey: Keys;
  readonly attestationKey: Keys;
  readonly tcbSigner: Issued;
  readonly aws: Issued;
  readonly zone: Issued;
  readonly enclaveKey: Keys;
  readonly other: Keys;
  readonly other384: Keys;
}
let made: Promise<TeeWorld> | undefined;
export function teeWorld(): Promise<TeeWorld> {
  made ??= (async () => {
    const ark = await issue({ subject: 'ARK-Test', ca: {} });
    const intel = await issue({ subject: 'Test SGX Root CA', ca: {} });
    const aws = await issue({ subject: 'aws.test-enclaves', ca: {} });
    return {
      ark,
      ask: await issue({ issuer: ark, subject: 'SEV-Test', ca: {} }),
      vcekKey: await keyPair384(),
      intel,
      platformCa: await issue({ issuer: intel, subject: 'Test PCK Platform CA', ca: {} }),
      pckKey: await keyPair(),
      attestationKey: await keyPair(),
      tcbSigner: await issue({ issuer: intel, subject: 'Test TCB Signing' }),
      aws,
      zone: await issue({ issuer: aws, subject: 'zone.aws.test-enclaves', ca: {} }),
      enclaveKey: await keyPair384(),
      other: await keyPair(),
      other384: await keyPair384(),
    };
  })();
  return made;
}

// --- SEV-SNP ---

export const CHIP = fill(64, 0xc1);
export const LAUNCH_SNP = fill(48, 0x51);
const AMD = '1.3.6.1.4.1.3704.1';

/** Extensions of a VCEK: product, versions, chip. */
export function vcekExtensions(change: Change<Record<string, Uint8Array>> = same): RawExtension[] {
  const values = change({
    '2': tlv(0x16, utf8('Milan-B0')),
    '3.1': integer(4),
    '3.2': integer(0),
    '3.3': integer(24),
    '3.8': integer(219),
    '4': CHIP,
  });
  return Object.entries(values).map(([id, value]) => ({ oid: `${AMD}.${id}`, value }));
}

export interface SnpHooks {
  /** The signed part of the report. */
  readonly report?: Change<Uint8Array>;
  /** Report data, before the report is made. */
  readonly data?: Change<Uint8Array>;
  readonly extensions?: Change<Record<string, Uint8Array>>;
  readonly key?: (w: TeeWorld) => Keys;
  readonly issuer?: (w: TeeWorld) => { name: string; keys: Keys };
  readonly signature?: Change<Uint8Array>;
  readonly table?: boolean;
  readonly notAfter?: number;
}

/** Writes bytes into a copy. */
export const poke = (b: Uint8Array, at: number, ...bytes: number[]): Uint8Array => {
  const out = b.slice();
  out.set(bytes, at);
  return out;
};

export async function forgeSnp(akName: Uint8Array, boot: Uint8Array, hooks: SnpHooks = {}): Promise<Carried> {
  const w = await teeWorld();
  const signed = new Uint8Array(0x2a0);
  signed.set(le(3, 4), 0);
  signed.set(le(0x30000, 8), 8);
  signed.set(le(1, 4), 0x34);
  signed.set((hooks.data ?? same)(teeReportData(akName, boot)), 0x50);
  signed.set(LAUNCH_SNP, 0x90);
  signed.set(fill(32, 0xff), 0x160);
  signed.set(fromHex('04000000000018db'), 0x180);
  signed.set([0x19, 0x01, 0x01], 0x188);
  signed.set(CHIP, 0x1a0);
  const body = (hooks.report ?? same)(signed);
  const raw = (hooks.signature ?? same)(
    await signWith((hooks.key ?? ((x) => x.vcekKey))(w), 'SHA-384', body),
  );
  const half = (b: Uint8Array) => concat(b.slice().reverse(), new Uint8Array(24));
  const report = concat(body, half(raw.slice(0, 48)), half(raw.slice(48)), new Uint8Array(368));
  const vcek = await issue({
    issuer: hooks.issuer?.(w) ?? w.ask,
    subject: 'SEV-VCEK',
    key: w.vcekKey,
    extensions: vcekExtensions(hooks.extensions),
    ...(hooks.notAfter === undefined ? {} : { notAfter: hooks.notAfter }),
  });
  const rows = [
    ['63da758de6644564adc5f4b93be8accd', vcek.certificate.der],
    ['4ab7b379bbac4fe4a02f05aef327c782', w.ask.certificate.der],
  ] as const;
  return {
    platform: 'sev-snp',
    report: toBase64(report),
    ...(hooks.table === false ? {} : { certificates: toBase64(snpTable(rows)) }),
  };
}

// --- TDX ---

export const LAUNCH_TD = fill(48, 0x7d);
export const QE_SIGNER = fill(32, 0xdc);
const SGX = '1.2.840.113741.1.13.1';
const FMSPC = '00906ed50000';

function pckExtension(): RawExtension {
  const pair = (id: string, value: Uint8Array) => sequence(oid(`${SGX}.${id}`), value);
  const components = Array.from({ length: 16 }, (_, i) => pair(`2.${i + 1}`, integer(5)));
  const tcb = sequence(...components, pair('2.17', integer(11)), pair('2.18', tlv(4, fill(16, 5))));
  return {
    oid: SGX,
    value: sequence(
      pair('1', tlv(4, fill(16, 1))),
      pair('2', tcb),
      pair('3', tlv(4, fill(2, 0))),
      pair('4', tlv(4, fromHex(FMSPC))),
    ),
  };
}

const pem = (der: Uint8Array): string => printPem([{ label: 'CERTIFICATE', der }]);

export interface TdxHooks {
  /** Header and TD report. */
  readonly signed?: Change<Uint8Array>;
  readonly qe?: Change<Uint8Array>;
  readonly quoteKey?: (w: TeeWorld) => Keys;
  readonly qeKey?: (w: TeeWorld) => Keys;
  readonly pckExtensions?: Change<RawExtension[]>;
}

export async function forgeTdx(akName: Uint8Array, boot: Uint8Array, hooks: TdxHooks = {}): Promise<Carried> {
  const w = await teeWorld();
  const header = concat(
    le(4, 2),
    le(2, 2),
    le(0x81, 4),
    le(0, 4),
    fromHex('939a7233f79c4ca9940a0db3957f0607'),
    fill(20, 0),
  );
  const td = new Uint8Array(584);
  td.set([5, 1, 5], 0);
  td.set(LAUNCH_TD, 136);
  td.set(teeReportData(akName, boot), 520);
  const signed = (hooks.signed ?? same)(concat(header, td));
  const signature = await signWith((hooks.quoteKey ?? ((x) => x.attestationKey))(w), 'SHA-256', signed);
  const key = w.attestationKey.spki.slice(-64);
  const authData = fill(32, 0xaa);
  const qe = new Uint8Array(384);
  qe.set(fromHex('11000000000000000000000000000000'), 48);
  qe.set(QE_SIGNER, 128);
  qe.set(le(2, 2), 256);
  qe.set(le(6, 2), 258);
  qe.set(createHash('sha256').update(key).update(authData).digest(), 320);
  const qeBody = (hooks.qe ?? same)(qe);
  const qeSignature = await signWith((hooks.qeKey ?? ((x) => x.pckKey))(w), 'SHA-256', qeBody);
  const pck = await issue({
    issuer: w.platformCa,
    subject: 'Test PCK',
    key: w.pckKey,
    extensions: (hooks.pckExtensions ?? same)([pckExtension()]),
  });
  const chain = utf8([pck, w.platformCa, w.intel].map((i) => pem(i.certificate.der)).join(''));
  const inner = concat(qeBody, qeSignature, le(32, 2), authData, le(5, 2), le(chain.length, 4), chain);
  const data = concat(signature, key, le(6, 2), le(inner.length, 4), inner);
  return { platform: 'tdx', report: toBase64(concat(signed, le(data.length, 4), data)) };
}

export interface CollateralHooks {
  readonly tcbInfo?: Change<JsonObject>;
  readonly qeIdentity?: Change<JsonObject>;
  readonly signer?: (w: TeeWorld) => Issued;
  readonly signingKey?: (w: TeeWorld) => Keys;
}

/** Intel's word about the platform of `forgeTdx`, for the trust file. */
export async function forgeCollateral(hooks: CollateralHooks = {}): Promise<Json> {
  const w = await teeWorld();
  const signer = hooks.signer?.(w) ?? w.tcbSigner;
  const times = { issueDate: '2026-05-20T00:00:00Z', nextUpdate: '2026-06-20T00:00:00Z' };
  const print = async (name: string, value: JsonObject): Promise<string> => {
    const text = JSON.stringify(value);
    const signature = await signWith(hooks.signingKey?.(w) ?? signer.keys, 'SHA-256', utf8(text));
    return toBase64(utf8(`{"${name}":${text},"signature":"${Buffer.from(signature).toString('hex')}"}`));
  };
  const sixteen = (svn: number) => Array.from({ length: 16 }, () => ({ svn }));
  const level = (svn: number, pcesvn: number, tcbStatus: string) => ({
    tcb: {
      sgxtcbcomponents: sixteen(svn),
      pcesvn,
      tdxtcbcomponents: [{ svn: 9 }, { svn: 9 }, ...sixteen(0).slice(2)],
    },
    tcbStatus,
  });
  const masks = {
    attributes: '0000000000000000',
    attributesMask: 'FFFFFFFFFFFFFFFF',
    mrsigner: '00'.repeat(48),
  };
  const tcbInfo: JsonObject = {
    id: 'TDX',
    ...times,
    fmspc: FMSPC.toUpperCase(),
    pceId: '0000',
    tdxModule: masks,
    tdxModuleIdentities: [
      {
        id: 'TDX_01',
        ...masks,
        tcbLevels: [
          { tcb: { isvsvn: 4 }, tcbStatus: 'UpToDate' },
          { tcb: { isvsvn: 2 }, tcbStatus: 'OutOfDate' },
        ],
      },
    ],
    tcbLevels: [level(5, 11, 'UpToDate'), level(2, 5, 'OutOfDate')],
  };
  const qeIdentity: JsonObject = {
    id: 'TD_QE',
    ...times,
    miscselect: '00000000',
    miscselectMask: 'FFFFFFFF',
    attributes: '11000000000000000000000000000000',
    attributesMask: 'FBFFFFFFFFFFFFFF0000000000000000',
    mrsigner: 'DC'.repeat(32),
    isvprodid: 2,
    tcbLevels: [{ tcb: { isvsvn: 4 }, tcbStatus: 'UpToDate' }],
  };
  return {
    tcbInfo: await print('tcbInfo', (hooks.tcbInfo ?? same)(tcbInfo)),
    qeIdentity: await print('enclaveIdentity', (hooks.qeIdentity ?? same)(qeIdentity)),
    signer: toBase64(signer.certificate.der),
  };
}

// --- Nitro ---

export const LAUNCH_NITRO = fill(48, 0x17);
const MODULE = 'i-0123456789abcdef0-enc0123456789abcdef';

export interface NitroHooks {
  readonly payload?: Change<Map<string, unknown>>;
  readonly key?: (w: TeeWorld) => Keys;
  readonly subject?: string;
  readonly keyUsage?: number;
  readonly notAfter?: number;
}

/** @param timeMs when the hypervisor says that it made the document */
export async function forgeNitro(
  akName: Uint8Array,
  boot: Uint8Array,
  timeMs: number,
  hooks: NitroHooks = {},
): Promise<Carried> {
  const w = await teeWorld();
  const leaf = await issue({
    issuer: w.zone,
    subject: hooks.subject ?? `${MODULE}.us-east-1.aws`,
    key: w.enclaveKey,
    notBefore: timeMs - 1000,
    notAfter: hooks.notAfter ?? timeMs + 3 * 3_600_000,
    ...(hooks.keyUsage === undefined ? {} : { keyUsage: hooks.keyUsage }),
  });
  const pcrs = new Map(Array.from({ length: 16 }, (_, i) => [i, i < 3 ? LAUNCH_NITRO : fill(48, 0)]));
  const payload = (hooks.payload ?? same)(
    new Map<string, unknown>([
      ['module_id', MODULE],
      ['digest', 'SHA384'],
      ['timestamp', timeMs],
      ['pcrs', pcrs],
      ['certificate', leaf.certificate.der],
      ['cabundle', [w.aws.certificate.der, w.zone.certificate.der]],
      ['public_key', null],
      ['user_data', teeReportData(akName, boot)],
      ['nonce', null],
    ]),
  );
  const header = encode(new Map([[1, -35]]));
  const bytes = encode(payload);
  const input = encode(['Signature1', header, new Uint8Array(), bytes]);
  const signature = await signWith((hooks.key ?? ((x) => x.enclaveKey))(w), 'SHA-384', input);
  return { platform: 'nitro', report: toBase64(encode([header, new Map(), bytes, signature])) };
}

/** The `tee` of a trust file that accepts all three machines. */
export async function teeTrust(change: Change<JsonObject> = same): Promise<JsonObject> {
  const w = await teeWorld();
  const root = (platform: string, i: Issued, name: string): Json => ({
    platform,
    certificate: toBase64(i.certificate.der),
    name,
  });
  const hex = (b: Uint8Array) => Buffer.from(b).toString('hex');
  return change({
    required: true,
    roots: [
      root('sev-snp', w.ark, 'ARK-Test'),
      root('tdx', w.intel, 'Test SGX'),
      root('nitro', w.aws, 'Test AWS'),
    ],
    measurements: [
      { name: 'snp image 7', platform: 'sev-snp', values: { measurement: [hex(LAUNCH_SNP)] } },
      { name: 'td image 7', platform: 'tdx', values: { mrtd: [hex(LAUNCH_TD)], rtmr0: ['00'.repeat(48)] } },
      { name: 'enclave 7', platform: 'nitro', values: { pcr0: [hex(LAUNCH_NITRO)] } },
    ],
    tdx: { collateral: [await forgeCollateral()] },
  });
}
