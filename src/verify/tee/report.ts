/**
 * The report of a confidential machine as the checks want it: read, with its certificates and the values that an
 * auditor names. What it is worth is for the checks.
 */
import { fromBase64, toHex } from '../../core/bytes.ts';
import type { Predicate } from '../../evidence/statement.ts';
import { type NitroDocument, parseNitroDocument } from '../../evidence/tee/nitro.ts';
import { parseSnpReport, type SnpReport } from '../../evidence/tee/snp.ts';
import { parseSnpTable, type SnpTable } from '../../evidence/tee/snptable.ts';
import { parseTdxQuote, type TdxQuote } from '../../evidence/tee/tdx.ts';
import type { Certificate } from '../../evidence/x509/certificate.ts';
import { snpLeaf } from './snpleaf.ts';
import type { TeePlatform, TeeTrust } from './trust.ts';

export type TeeSource =
  | { readonly platform: 'sev-snp'; readonly snp: SnpReport; readonly table: SnpTable }
  | { readonly platform: 'tdx'; readonly quote: TdxQuote }
  | { readonly platform: 'nitro'; readonly document: NitroDocument };

export interface TeeReport {
  readonly platform: TeePlatform;
  readonly source: TeeSource;
  /** What the machine had its vendor sign: report data, or user data of a Nitro document. */
  readonly bound: Uint8Array;
  /** Register → value in hexadecimal. */
  readonly registers: ReadonlyMap<string, string>;
  /** Certificate of the key that vouches for the report, where there is one. */
  readonly leaf: Certificate | undefined;
  readonly intermediates: readonly Certificate[];
}

type Carried = Exclude<NonNullable<Predicate<'boot'>['tee']>, string>;

/** Reads what a boot entry carries. @throws MALFORMED, TOO_LARGE */
export function readTeeReport(tee: Carried, trust: TeeTrust | undefined): TeeReport {
  const bytes = fromBase64(tee.report);
  const table = tee.certificates === undefined ? undefined : fromBase64(tee.certificates);
  if (tee.platform === 'sev-snp')
    return fromSnp(parseSnpReport(bytes), parseSnpTable(table ?? bytes.slice(0, 0)), trust);
  if (tee.platform === 'tdx') return fromTdx(parseTdxQuote(bytes));
  return fromNitro(parseNitroDocument(bytes));
}

/** A SEV-SNP report with the certificates of its host; the auditor's stand in for what is missing. */
export function fromSnp(snp: SnpReport, table: SnpTable, trust: TeeTrust | undefined): TeeReport {
  return {
    platform: 'sev-snp',
    source: { platform: 'sev-snp', snp, table },
    bound: snp.reportData,
    registers: hexes({
      measurement: snp.measurement,
      hostdata: snp.hostData,
      idkeydigest: snp.idKeyDigest,
      authorkeydigest: snp.authorKeyDigest,
      familyid: snp.familyId,
      imageid: snp.imageId,
    }),
    leaf: snpLeaf(snp, table, trust?.certificates ?? []),
    intermediates: [table.ask, table.ark].filter((c) => c !== undefined),
  };
}

export function fromTdx(quote: TdxQuote): TeeReport {
  const { report: r } = quote;
  const [leaf, ...intermediates] = quote.chain;
  return {
    platform: 'tdx',
    source: { platform: 'tdx', quote },
    bound: r.reportData,
    registers: hexes({
      mrtd: r.mrTd,
      ...Object.fromEntries(r.rtmrs.map((v, i) => [`rtmr${i}`, v])),
      mrseam: r.mrSeam,
      mrsignerseam: r.mrSignerSeam,
      mrconfigid: r.mrConfigId,
      mrowner: r.mrOwner,
      mrownerconfig: r.mrOwnerConfig,
      ...(r.later === undefined ? {} : { mrservicetd: r.later.mrServiceTd }),
    }),
    leaf,
    intermediates,
  };
}

export function fromNitro(document: NitroDocument): TeeReport {
  return {
    platform: 'nitro',
    source: { platform: 'nitro', document },
    bound: document.userData ?? new Uint8Array(),
    registers: hexes(Object.fromEntries([...document.pcrs].map(([i, v]) => [`pcr${i}`, v]))),
    leaf: document.certificate,
    intermediates: document.bundle,
  };
}

const hexes = (values: Readonly<Record<string, Uint8Array>>): ReadonlyMap<string, string> =>
  new Map(Object.entries(values).map(([name, value]) => [name, toHex(value)]));
