/**
 * What the auditor says about confidential machines: the optional `tee` of a trust file. Vendor roots, the launch
 * measurements that are accepted, and what the vendors publish about versions. Nothing in a report can widen it.
 */
import { fromBase64 } from '../../core/bytes.ts';
import type { Json } from '../../core/json.ts';
import { type PcsDocument, parsePcs } from '../../evidence/tee/pcs.ts';
import type { SnpTcb } from '../../evidence/tee/snp.ts';
import { type Certificate, parseCertificate } from '../../evidence/x509/certificate.ts';
import { type Crl, parseCrl } from '../../evidence/x509/crl.ts';
import { arrayOf, decoded, invalid, objectOf, oneOf, textOf } from '../shape.ts';

export const TEE_PLATFORMS = ['sev-snp', 'tdx', 'nitro'] as const;
export type TeePlatform = (typeof TEE_PLATFORMS)[number];

/** The register that says what was launched: no accepted measurement may leave it open. */
export const LAUNCH: Readonly<Record<TeePlatform, string>> = {
  'sev-snp': 'measurement',
  tdx: 'mrtd',
  nitro: 'pcr0',
};
/** Every register that a measurement may name. */
const REGISTERS: Readonly<Record<TeePlatform, RegExp>> = {
  'sev-snp': /^(?:measurement|hostdata|idkeydigest|authorkeydigest|familyid|imageid)$/,
  tdx: /^(?:mrtd|rtmr[0-3]|mrseam|mrsignerseam|mrconfigid|mrowner|mrownerconfig|mrservicetd)$/,
  nitro: /^pcr(?:[0-9]|[12][0-9]|3[01])$/,
};

/** One accepted launch: for each register named, the values that may stand in it, lower-case hex. */
export interface TeeMeasurement {
  readonly name: string;
  readonly platform: TeePlatform;
  readonly values: ReadonlyMap<string, readonly string[]>;
}

export interface TeeRoot {
  readonly platform: TeePlatform;
  readonly certificate: Certificate;
  readonly name?: string;
}

/** Intel's word about one family of platforms, as its provisioning service (PCS) publishes it. */
export interface TdxCollateral {
  readonly tcbInfo: PcsDocument;
  readonly qeIdentity: PcsDocument;
  /** Certificate of Intel's TCB signing key. */
  readonly signer: Certificate;
}

export interface TeeTrust {
  /** Whether a host must be a confidential machine. */
  readonly required: boolean;
  readonly roots: readonly TeeRoot[];
  /** What reports leave out: an intermediate, or a VCEK as AMD's key service gives it. */
  readonly certificates: readonly Certificate[];
  readonly crls: readonly Crl[];
  readonly measurements: readonly TeeMeasurement[];
  /** Least privileged level (VMPL) that may ask for a report, and lowest versions. */
  readonly sevSnp: { readonly maximumVmpl: number; readonly minimumTcb: Partial<SnpTcb> };
  readonly tdx: { readonly collateral: readonly TdxCollateral[]; readonly statuses: readonly string[] };
}

const STATUSES = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
] as const;
const VERSIONS = ['bootLoader', 'tee', 'snp', 'microcode', 'fmc'] as const;

/** Reads the `tee` of a trust file. @throws MALFORMED naming the field */
export function readTeeTrust(v: Json, field: string): TeeTrust {
  const o = objectOf(
    v,
    field,
    ['required', 'roots', 'measurements'],
    ['certificates', 'crls', 'sevSnp', 'tdx'],
  );
  const certificate = (x: Json, at: string): Certificate =>
    decoded(at, () => parseCertificate(fromBase64(textOf(x, at, 32_768))));
  const trust: TeeTrust = {
    required: oneOf(o.required, `${field}/required`, [true, false]),
    roots: arrayOf(o.roots, `${field}/roots`, 64, (x, at) => readRoot(x, at, certificate)),
    certificates: arrayOf(o.certificates ?? [], `${field}/certificates`, 1024, certificate),
    crls: arrayOf(o.crls ?? [], `${field}/crls`, 64, (x, at) =>
      decoded(at, () => parseCrl(fromBase64(textOf(x, at, 2_000_000)))),
    ),
    measurements: arrayOf(o.measurements, `${field}/measurements`, 4096, readMeasurement),
    sevSnp: readSnp(o.sevSnp ?? {}, `${field}/sevSnp`),
    tdx: readTdx(o.tdx ?? {}, `${field}/tdx`, certificate),
  };
  if (trust.roots.length === 0) throw invalid(`${field}/roots`, 'there is no root to trust');
  if (trust.measurements.length === 0)
    throw invalid(`${field}/measurements`, 'no measurement is accepted at all');
  return trust;
}

type ReadCertificate = (v: Json, field: string) => Certificate;

function readRoot(v: Json, field: string, certificate: ReadCertificate): TeeRoot {
  const o = objectOf(v, field, ['platform', 'certificate'], ['name']);
  return {
    platform: oneOf(o.platform, `${field}/platform`, TEE_PLATFORMS),
    certificate: certificate(o.certificate as Json, `${field}/certificate`),
    ...(o.name === undefined ? {} : { name: textOf(o.name, `${field}/name`, 256) }),
  };
}

function readMeasurement(v: Json, field: string): TeeMeasurement {
  const o = objectOf(v, field, ['name', 'platform', 'values']);
  const platform = oneOf(o.platform, `${field}/platform`, TEE_PLATFORMS);
  const at = `${field}/values`;
  const values = new Map<string, readonly string[]>();
  const named = o.values;
  const names =
    named !== null && typeof named === 'object' && !Array.isArray(named) ? Object.keys(named) : [];
  const known = names.filter((n) => REGISTERS[platform].test(n));
  for (const [name, list] of Object.entries(objectOf(named, at, [LAUNCH[platform]], known))) {
    const accepted = arrayOf(list, `${at}/${name}`, 1024, readValue);
    if (accepted.length === 0) throw invalid(`${at}/${name}`, 'no value is allowed at all');
    values.set(name, accepted);
  }
  return { name: textOf(o.name, `${field}/name`, 256), platform, values };
}

function readValue(v: Json, field: string): string {
  const value = textOf(v, field, 128);
  if (!/^(?:[0-9a-f]{32}|[0-9a-f]{64}|[0-9a-f]{96})$/.test(value)) {
    throw invalid(field, 'not 16, 32 or 48 bytes in lower-case hexadecimal');
  }
  return value;
}

function byteOf(v: Json, field: string, max: number): number {
  if (typeof v !== 'number' || !Number.isInteger(v) || v < 0 || v > max)
    throw invalid(field, `not 0 to ${max}`);
  return v;
}

function readSnp(v: Json, field: string): TeeTrust['sevSnp'] {
  const o = objectOf(v, field, [], ['maximumVmpl', 'minimumTcb']);
  const minimum = objectOf(o.minimumTcb ?? {}, `${field}/minimumTcb`, [], VERSIONS);
  return {
    maximumVmpl: byteOf(o.maximumVmpl ?? 0, `${field}/maximumVmpl`, 3),
    minimumTcb: Object.fromEntries(
      Object.entries(minimum).map(([k, n]) => [k, byteOf(n, `${field}/minimumTcb/${k}`, 255)]),
    ),
  };
}

function readTdx(v: Json, field: string, certificate: ReadCertificate): TeeTrust['tdx'] {
  const o = objectOf(v, field, [], ['collateral', 'statuses']);
  const pcs = (x: Json | undefined, at: string, name: 'tcbInfo' | 'enclaveIdentity') =>
    decoded(at, () => parsePcs(fromBase64(textOf(x, at, 262_144)), name));
  return {
    collateral: arrayOf(o.collateral ?? [], `${field}/collateral`, 64, (x, at) => {
      const c = objectOf(x, at, ['tcbInfo', 'qeIdentity', 'signer']);
      return {
        tcbInfo: pcs(c.tcbInfo, `${at}/tcbInfo`, 'tcbInfo'),
        qeIdentity: pcs(c.qeIdentity, `${at}/qeIdentity`, 'enclaveIdentity'),
        signer: certificate(c.signer as Json, `${at}/signer`),
      };
    }),
    statuses: arrayOf(o.statuses ?? ['UpToDate'], `${field}/statuses`, 8, (x, at) => oneOf(x, at, STATUSES)),
  };
}
