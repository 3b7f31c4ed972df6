/**
 * The report of a trust domain inside a TDX quote (TDREPORT, Intel TDX Module ABI): 584 bytes for TDX 1.0, 64
 * more for 1.5. MRTD measures what the domain was built from, RTMR 0 to 3 what it extended at run time.
 */
import { Reader } from '../../core/reader.ts';

/** TDATTRIBUTES: the TD is under off-TD debug; its memory is open to the host. */
export const TD_DEBUG = 1n;
/** TDATTRIBUTES bits 1 to 7: the rest of the TUD group, which make a domain untrusted when set. */
export const TD_TUD = 0xffn;

export interface TdReport {
  /** Security versions of the TDX module and its loader, 16 bytes. */
  readonly teeTcbSvn: Uint8Array;
  /** Measurement and signer of the TDX module, and its attributes; signer and attributes are zero for Intel's. */
  readonly mrSeam: Uint8Array;
  readonly mrSignerSeam: Uint8Array;
  readonly seamAttributes: bigint;
  readonly attributes: bigint;
  readonly xfam: bigint;
  readonly mrTd: Uint8Array;
  readonly mrConfigId: Uint8Array;
  readonly mrOwner: Uint8Array;
  readonly mrOwnerConfig: Uint8Array;
  readonly rtmrs: readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  /** 64 bytes that the guest chose. */
  readonly reportData: Uint8Array;
  /** TDX 1.5: versions at the time of the report, and the measurement of a service TD. */
  readonly later?: { readonly teeTcbSvn: Uint8Array; readonly mrServiceTd: Uint8Array };
}

/** Reads a report of either size that fills `bytes`. @throws MALFORMED */
export function parseTdReport(bytes: Uint8Array): TdReport {
  const r = new Reader(bytes, 'TD report');
  const report: TdReport = {
    teeTcbSvn: r.bytes(16),
    mrSeam: r.bytes(48),
    mrSignerSeam: r.bytes(48),
    seamAttributes: r.u64le(),
    attributes: r.u64le(),
    xfam: r.u64le(),
    mrTd: r.bytes(48),
    mrConfigId: r.bytes(48),
    mrOwner: r.bytes(48),
    mrOwnerConfig: r.bytes(48),
    rtmrs: [r.bytes(48), r.bytes(48), r.bytes(48), r.bytes(48)],
    reportData: r.bytes(64),
  };
  const later = r.left === 0 ? undefined : { teeTcbSvn: r.bytes(16), mrServiceTd: r.bytes(48) };
  r.end();
  return later === undefined ? report : { ...report, later };
}
