/** Which certificate belongs to the key that signed a SEV-SNP report, and whether it really does. */
import { equal } from '../../core/bytes.ts';
import { type SnpReport, type SnpTcb, snpTcb } from '../../evidence/tee/snp.ts';
import { readSnpExtensions, type SnpExtensions } from '../../evidence/tee/snpextensions.ts';
import type { SnpTable } from '../../evidence/tee/snptable.ts';
import type { Certificate } from '../../evidence/x509/certificate.ts';

const TURIN_FAMILY = 0x1a;

/** The certificate that the host gives, or else the auditor's that fits the report. */
export function snpLeaf(
  report: SnpReport,
  table: SnpTable,
  pool: readonly Certificate[],
): Certificate | undefined {
  const given =
    report.signingKey === 'VLEK' ? table.vlek : report.signingKey === 'VCEK' ? table.vcek : undefined;
  if (given !== undefined) return given;
  return pool.find((c) => {
    try {
      const extensions = readSnpExtensions(c);
      return (
        wrongKey(report, extensions) === undefined && sameTcb(reportedTcb(report, extensions), extensions.tcb)
      );
    } catch {
      return false;
    }
  });
}

/** Versions of the platform as the report states them. @throws MALFORMED */
export function reportedTcb(report: SnpReport, { product }: SnpExtensions): SnpTcb {
  const turin =
    report.cpuid === undefined ? product.startsWith('Turin') : report.cpuid.family >= TURIN_FAMILY;
  return snpTcb(report.reportedTcb, turin);
}

export const sameTcb = (a: SnpTcb, b: SnpTcb): boolean =>
  a.bootLoader === b.bootLoader &&
  a.tee === b.tee &&
  a.snp === b.snp &&
  a.microcode === b.microcode &&
  (a.fmc ?? 0) === (b.fmc ?? 0);

/** Why this certificate is not of the key that the report names, or undefined. */
export function wrongKey(report: SnpReport, { hwId, provider, product }: SnpExtensions): string | undefined {
  if (report.signingKey === 'none') return 'no key signed the report';
  if (report.signingKey === 'VLEK') {
    return provider === undefined || hwId !== undefined
      ? 'a VLEK signed the report, and this is none'
      : undefined;
  }
  if (hwId === undefined) return 'a VCEK signed the report, and this is none';
  const { chipId } = report;
  const sameChip =
    equal(chipId.subarray(0, hwId.length), hwId) && chipId.subarray(hwId.length).every((b) => b === 0);
  if (!sameChip) return 'it is of another chip';
  const made = report.cpuid === undefined ? undefined : productOf(report.cpuid.family, report.cpuid.model);
  return made === undefined || product.startsWith(made)
    ? undefined
    : `it is of ${product}, and the report of ${made}`;
}

/** AMD's name of a processor; undefined for those not known here. */
function productOf(family: number, model: number): string | undefined {
  if (family === TURIN_FAMILY && model <= 0x1f) return 'Turin';
  if (family !== 0x19) return undefined;
  if (model <= 0x0f) return 'Milan';
  const genoa = (model >= 0x10 && model <= 0x1f) || (model >= 0xa0 && model <= 0xaf);
  return genoa ? 'Genoa' : undefined;
}
