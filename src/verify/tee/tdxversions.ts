/**
 * Which versions a TDX platform runs and what Intel calls them (DCAP: TCB level, TDX module identity, QE identity),
 * by collateral that the auditor gives. A quote proves versions; that they are good enough only Intel's word says.
 */
import { equal, toHex } from '../../core/bytes.ts';
import type { JsonObject } from '../../core/json.ts';
import { type PckExtension, readPckExtension } from '../../evidence/tee/pck.ts';
import { hexIn, levelsIn, listIn, objectIn, type PcsDocument, versionIn } from '../../evidence/tee/pcs.ts';
import type { TdxQuote } from '../../evidence/tee/tdx.ts';
import { ecdsaDer } from '../../evidence/x509/signature.ts';
import { attempt, blocked, fail, type Outcome, pass, unknown } from '../outcome.ts';
import { notRevoked, pathTo, validOn } from './path.ts';
import type { TeeContext } from './question.ts';
import type { TdxCollateral } from './trust.ts';

const ES256 = { kind: 'ecdsa', hash: 'SHA-256' } as const;
const NONE = 'below every level';

/** The check of versions for a quote. */
export async function judgeTdxVersions(quote: TdxQuote, context: TeeContext): Promise<Outcome> {
  const { leaf, trust, time } = context;
  const pck = attempt(() => readPckExtension(leaf));
  if (!pck.ok) return blocked(pck);
  const fits = trust.tdx.collateral.filter((c) => isOf(c, pck.value));
  if (fits.length === 0) {
    return unknown(
      `The trust file has no word of Intel about platforms of FMSPC ${toHex(pck.value.fmspc)}: attestctl needs its TCB info.`,
    );
  }
  if (!time.ok) return blocked(time);
  const newest = fits.reduce((a, b) => (b.tcbInfo.issued > a.tcbInfo.issued ? b : a));
  const signed = await isGenuine(newest, context, time.value);
  if (signed !== undefined) return signed;
  const rated = attempt(() => rate(quote, pck.value, newest));
  if (!rated.ok) return fail(`The versions do not fit Intel’s word: ${rated.why}.`);
  const found = Object.entries(rated.value)
    .map(([what, status]) => `${what} ${status}`)
    .join(', ');
  return Object.values(rated.value).every((status) => trust.tdx.statuses.includes(status))
    ? pass(`By Intel’s word the versions of this machine are good: ${found}.`)
    : fail(
        'Intel’s word about the versions is not one that the trust file accepts.',
        trust.tdx.statuses.join(' '),
        found,
      );
}

function isOf({ tcbInfo }: TdxCollateral, pck: PckExtension): boolean {
  const facts = attempt(() => ({
    fmspc: hexIn(tcbInfo.body, 'fmspc', 6),
    pceId: hexIn(tcbInfo.body, 'pceId', 2),
  }));
  return facts.ok && equal(facts.value.fmspc, pck.fmspc) && equal(facts.value.pceId, pck.pceId);
}

/** What is wrong with the collateral itself, or undefined. */
async function isGenuine(c: TdxCollateral, context: TeeContext, ms: number): Promise<Outcome | undefined> {
  const { trust, verify } = context;
  if (c.tcbInfo.body.id !== 'TDX' || c.qeIdentity.body.id !== 'TD_QE') {
    return fail(
      'Intel’s word in the trust file is not about TDX.',
      'TDX, TD_QE',
      `${c.tcbInfo.body.id}, ${c.qeIdentity.body.id}`,
    );
  }
  const path = await pathTo(c.signer, trust.certificates, 'tdx', trust, verify);
  if (!path.ok) return fail(`The signer of Intel’s word leads to no root of the trust file: ${path.why}.`);
  const valid = validOn(path.value.path, ms, 'the time of the report');
  if (valid.status !== 'pass') return valid;
  const revoked =
    trust.crls.length === 0 ? undefined : await notRevoked(path.value.path, trust.crls, ms, verify);
  if (revoked?.status === 'fail') return revoked;
  const key = { spki: c.signer.spki, facts: c.signer.key };
  for (const d of [c.tcbInfo, c.qeIdentity]) {
    if (!(await verify(key, ES256, d.signed, ecdsaDer(d.signature))))
      return fail('Intel’s word is not signed by its signer.');
    const stale = outside(d, ms);
    if (stale !== undefined) return stale;
  }
  return undefined;
}

function outside(d: PcsDocument, ms: number): Outcome | undefined {
  if (ms >= d.issued && ms <= d.nextUpdate) return undefined;
  const iso = (t: number) => new Date(t).toISOString();
  return fail(
    'Intel’s word in the trust file is not of the time of the report.',
    `${iso(d.issued)} to ${iso(d.nextUpdate)}`,
    iso(ms),
  );
}

/** What Intel calls platform, TDX module and quoting enclave. @throws MALFORMED where an identity is another */
function rate(quote: TdxQuote, pck: PckExtension, { tcbInfo, qeIdentity }: TdxCollateral) {
  const { teeTcbSvn } = quote.report;
  return {
    platform: ratePlatform(teeTcbSvn, pck, tcbInfo.body),
    ...rateModule(quote, tcbInfo.body),
    'quoting enclave': rateEnclave(quote, qeIdentity.body),
  };
}

function ratePlatform(teeTcbSvn: Uint8Array, pck: PckExtension, info: JsonObject): string {
  // From major version 1 of the module on, its own identity says what its versions are worth.
  const from = (teeTcbSvn[1] as number) > 0 ? 2 : 0;
  const reached = levelsIn(info).find(({ tcb }) => {
    const sgx = listIn(tcb.sgxtcbcomponents, 'sgxtcbcomponents').map((c) => versionIn(c, 'svn'));
    const tdx = listIn(tcb.tdxtcbcomponents, 'tdxtcbcomponents').map((c) => versionIn(c, 'svn'));
    if (sgx.length !== 16 || tdx.length !== 16) return false;
    return (
      sgx.every((svn, i) => (pck.components[i] ?? 0) >= svn) &&
      pck.pceSvn >= versionIn(tcb, 'pcesvn') &&
      tdx.every((svn, i) => i < from || (teeTcbSvn[i] ?? 0) >= svn)
    );
  });
  return reached?.status ?? NONE;
}

function rateModule({ report }: TdxQuote, info: JsonObject): { readonly 'TDX module'?: string } {
  const [version = 0, major = 0] = report.teeTcbSvn;
  const id = `TDX_${toHex(Uint8Array.of(major)).toUpperCase()}`;
  const identities =
    info.tdxModuleIdentities === undefined ? [] : listIn(info.tdxModuleIdentities, 'modules');
  const identity = major === 0 ? objectIn(info.tdxModule, 'tdxModule') : identities.find((m) => m.id === id);
  if (identity === undefined) return { 'TDX module': `${id} unknown` };
  const seam = new Uint8Array(8);
  new DataView(seam.buffer).setBigUint64(0, report.seamAttributes, true);
  const isIntel =
    equal(hexIn(identity, 'mrsigner', 48), report.mrSignerSeam) &&
    masked(seam, hexIn(identity, 'attributesMask', 8), hexIn(identity, 'attributes', 8));
  if (!isIntel) return { 'TDX module': 'of another signer' };
  if (major === 0) return {};
  return {
    'TDX module': levelsIn(identity).find(({ tcb }) => version >= versionIn(tcb, 'isvsvn'))?.status ?? NONE,
  };
}

function rateEnclave({ qe }: TdxQuote, identity: JsonObject): string {
  const misc = new Uint8Array(4);
  new DataView(misc.buffer).setUint32(0, qe.miscSelect, true);
  const isIntel =
    equal(hexIn(identity, 'mrsigner', 32), qe.mrSigner) &&
    versionIn(identity, 'isvprodid') === qe.isvProdId &&
    masked(misc, hexIn(identity, 'miscselectMask', 4), hexIn(identity, 'miscselect', 4)) &&
    masked(qe.attributes, hexIn(identity, 'attributesMask', 16), hexIn(identity, 'attributes', 16));
  if (!isIntel) return 'of another identity';
  return levelsIn(identity).find(({ tcb }) => qe.isvSvn >= versionIn(tcb, 'isvsvn'))?.status ?? NONE;
}

const masked = (value: Uint8Array, mask: Uint8Array, wanted: Uint8Array): boolean =>
  value.length === mask.length && value.every((b, i) => (b & (mask[i] as number)) === wanted[i]);
