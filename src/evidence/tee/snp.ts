/**
 * AMD SEV-SNP attestation reports (SEV Secure Nested Paging Firmware ABI Specification, publication 56860, ATTESTATION_REPORT):
 * 1,184 bytes, versions 2 to 5. Versions before 3 do not say on which processor they were made. Reserved bytes must be
 * zero, so that a field of a version to come is never passed over in silence.
 */
import { concat } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { Reader } from '../../core/reader.ts';

/** Bytes of a report, and of the part that is signed. */
export const SNP_REPORT = 1184;
export const SNP_SIGNED = 0x2a0;
/** SIG_ALGO: ECDSA P-384 with SHA-384, the only one defined. */
export const SNP_ECDSA_P384 = 1;
/** Policy: the hypervisor may read and write the guest's memory for debugging. */
export const SNP_POLICY_DEBUG = 1n << 19n;
/** Policy: a migration agent may be bound to the guest. */
export const SNP_POLICY_MIGRATE = 1n << 18n;

/** Security versions of the platform's firmware; `fmc` exists from family 1Ah (Turin) on. */
export interface SnpTcb {
  readonly bootLoader: number;
  readonly tee: number;
  readonly snp: number;
  readonly microcode: number;
  readonly fmc?: number;
}

export interface SnpReport {
  readonly version: number;
  readonly guestSvn: number;
  readonly policy: bigint;
  readonly familyId: Uint8Array;
  readonly imageId: Uint8Array;
  /** Privilege level of the software that asked: 0 is the highest. */
  readonly vmpl: number;
  readonly signatureAlgorithm: number;
  readonly platformInfo: bigint;
  readonly signingKey: 'VCEK' | 'VLEK' | 'none';
  readonly maskChipKey: boolean;
  readonly authorKeyEnabled: boolean;
  /** 64 bytes that the guest chose. */
  readonly reportData: Uint8Array;
  /** SHA-384 over what the guest was launched with. */
  readonly measurement: Uint8Array;
  readonly hostData: Uint8Array;
  readonly idKeyDigest: Uint8Array;
  readonly authorKeyDigest: Uint8Array;
  readonly reportId: Uint8Array;
  readonly reportIdMigration: Uint8Array;
  /** 8 bytes each; their layout depends on the processor: see `snpTcb`. */
  readonly currentTcb: Uint8Array;
  readonly reportedTcb: Uint8Array;
  readonly committedTcb: Uint8Array;
  readonly launchTcb: Uint8Array;
  /** Processor, from version 3 on. */
  readonly cpuid?: { readonly family: number; readonly model: number; readonly stepping: number };
  /** Zero where a VLEK signed or the key is masked. */
  readonly chipId: Uint8Array;
  /** What the signature is over. */
  readonly signed: Uint8Array;
  /** r ‖ s, big-endian, 96 bytes. */
  readonly signature: Uint8Array;
}

const SIGNERS = ['VCEK', 'VLEK', undefined, undefined, undefined, undefined, undefined, 'none'] as const;

/** Reads one report that fills `bytes`. @throws MALFORMED */
export function parseSnpReport(bytes: Uint8Array): SnpReport {
  const r = new Reader(bytes, 'SEV-SNP report');
  const version = r.u32le();
  if (version < 2 || version > 5) throw r.fail(`version ${version} is not known`);
  const guestSvn = r.u32le();
  const policy = r.u64le();
  const familyId = r.bytes(16);
  const imageId = r.bytes(16);
  const vmpl = r.u32le();
  const signatureAlgorithm = r.u32le();
  const currentTcb = r.bytes(8);
  const platformInfo = r.u64le();
  const flags = r.u32le();
  const signingKey = SIGNERS[(flags >> 2) & 7];
  if (flags >>> 5 !== 0 || signingKey === undefined) throw r.fail(`flags ${flags} are not known`);
  r.zeros(4);
  const head = {
    version,
    guestSvn,
    policy,
    familyId,
    imageId,
    vmpl,
    signatureAlgorithm,
    platformInfo,
    signingKey,
    authorKeyEnabled: (flags & 1) !== 0,
    maskChipKey: (flags & 2) !== 0,
    reportData: r.bytes(64),
    measurement: r.bytes(48),
    hostData: r.bytes(32),
    idKeyDigest: r.bytes(48),
    authorKeyDigest: r.bytes(48),
    reportId: r.bytes(32),
    reportIdMigration: r.bytes(32),
    currentTcb,
    reportedTcb: r.bytes(8),
  };
  const [family = 0, model = 0, stepping = 0] = r.bytes(3);
  if (version < 3 && (family | model | stepping) !== 0) throw r.fail('reserved bytes are not zero');
  r.zeros(21);
  const chipId = r.bytes(64);
  const committedTcb = r.bytes(8);
  for (let i = 0; i < 2; i++) {
    r.bytes(3); // build, minor, major: current, then committed
    r.zeros(1);
  }
  const launchTcb = r.bytes(8);
  if (version >= 5) r.bytes(16);
  r.zeros(SNP_SIGNED - r.offset);
  const signature = readSignature(r);
  r.end();
  return {
    ...head,
    ...(version < 3 ? {} : { cpuid: { family, model, stepping } }),
    chipId,
    committedTcb,
    launchTcb,
    signed: bytes.slice(0, SNP_SIGNED),
    signature,
  };
}

/** r and s are little-endian in fields of 72 bytes, of which P-384 uses 48. */
function readSignature(r: Reader): Uint8Array {
  const half = () => {
    const value = r.bytes(48).reverse();
    r.zeros(24);
    return value;
  };
  const out = concat(half(), half());
  r.zeros(368);
  return out;
}

/**
 * The parts of a TCB_VERSION.
 * @param turin whether the layout is that of family 1Ah
 * @throws MALFORMED when a reserved byte is set
 */
export function snpTcb(bytes: Uint8Array, turin: boolean): SnpTcb {
  const [b0 = 0, b1 = 0, b2 = 0, b3 = 0, b4 = 0, b5 = 0, b6 = 0, microcode = 0] = bytes;
  const reserved = turin ? b4 | b5 | b6 : b2 | b3 | b4 | b5;
  if (bytes.length !== 8 || reserved !== 0)
    throw new AttestdError('MALFORMED', 'TCB_VERSION: reserved bytes');
  return turin
    ? { fmc: b0, bootLoader: b1, tee: b2, snp: b3, microcode }
    : { bootLoader: b0, tee: b1, snp: b6, microcode };
}
