/** What the TPM says about itself (TPM2_GetCapability), for enrolment, status and leak checks. */
import { concat, fromUtf8 } from '../core/bytes.ts';
import { Reader } from '../core/reader.ts';
import { type PcrSelection, readPcrSelections } from '../evidence/tpm/pcr.ts';
import { isRefusal } from './fault.ts';
import { akTemplate, storageTemplate } from './template.ts';
import type { Tpm } from './tpm.ts';
import type { RunOptions, Work } from './work.ts';

const CAP_HANDLES = 1;
const CAP_PCRS = 5;
const CAP_TPM_PROPERTIES = 6;
const PT_REVISION = 0x102;
const PT_MANUFACTURER = 0x105;
const PT_VENDOR_1 = 0x106;
const PT_FIRMWARE_1 = 0x10b;
const PT_FIRMWARE_2 = 0x10c;
const PT_NV_BUFFER_MAX = 0x12c;
const PT_PERMANENT = 0x200;
const PT_SESSIONS_FREE = 0x204;
const PT_OBJECTS_FREE = 0x207;
const PT_COUNTERS_FREE = 0x20b;
const PT_LOCKOUT_COUNTER = 0x20e;
const PT_MAX_AUTH_FAIL = 0x20f;

/** First handle of a range that TPM2_GetCapability lists (TPM 2.0 Part 2 §7.2). */
export const RANGE = {
  nv: 0x01000000,
  loadedSession: 0x02000000,
  savedSession: 0x03000000,
  transient: 0x80000000,
  persistent: 0x81000000,
} as const;

export interface TpmProperties {
  /** Vendor id as 8 hex digits, as in `id:` of EK certificates. */
  readonly manufacturer: string;
  /** The vendor strings joined, without NULs and surrounding blanks. */
  readonly vendor: string;
  /** 64 bits in decimal. */
  readonly firmwareVersion: string;
  /** Specification revision times 100. */
  readonly revision: number;
  /** Failed authorisations that count towards lockout, and how many bring it. */
  readonly lockoutCounter: number;
  readonly maxAuthFail: number;
}

async function list(w: Work, capability: number, first: number): Promise<number[][]> {
  const width = capability === CAP_HANDLES ? 1 : 2;
  const out: number[][] = [];
  for (let from = first; ; ) {
    const { more, data } = await w.ctx.getCapability(capability, from, 64, w.plain());
    const r = new Reader(data, 'TPMS_CAPABILITY_DATA');
    if (r.u32() !== capability) throw r.fail('another capability than asked for');
    const count = r.u32();
    for (let i = 0; i < count; i++) {
      const item: number[] = [];
      for (let j = 0; j < width; j++) item.push(r.u32());
      out.push(item);
    }
    const last = out.at(-1)?.[0];
    if (!more || count === 0 || last === undefined) return out;
    from = last + 1;
  }
}

/** Handles in the TPM, from the start of a range to its end. */
export async function listHandles(w: Work, range: number): Promise<number[]> {
  const all = (await list(w, CAP_HANDLES, range)).map(([h = 0]) => h);
  return all.filter((h) => h >>> 24 === range >>> 24);
}

/**
 * Sessions that are saved outside of the TPM. They are asked for by the range of saved ones and come as 0x02…, HMAC or not
 * (TPM 2.0 Part 3 §30.2.1).
 */
export async function listSavedSessions(w: Work): Promise<number[]> {
  const all = (await list(w, CAP_HANDLES, RANGE.savedSession)).map(([h = 0]) => h);
  return all.filter((h) => h >>> 24 === 2 || h >>> 24 === 3);
}

/** One property; 0 where the TPM does not have it. */
async function property(w: Work, which: number): Promise<number> {
  const { data } = await w.ctx.getCapability(CAP_TPM_PROPERTIES, which, 1, w.plain());
  const r = new Reader(data, 'TPMS_CAPABILITY_DATA');
  r.u32();
  if (r.u32() === 0) return 0;
  return r.u32() === which ? r.u32() : 0;
}

/** Bytes that one NV read or write may carry. */
export async function nvBufferMax(w: Work): Promise<number> {
  return Math.min(1024, (await property(w, PT_NV_BUFFER_MAX)) || 512);
}

export function readProperties(tpm: Tpm, o?: RunOptions): Promise<TpmProperties> {
  return tpm.run(async (w) => {
    const fixed = new Map((await list(w, CAP_TPM_PROPERTIES, 0x100)).map(([k = 0, v = 0]) => [k, v]));
    const of = (k: number) => fixed.get(k) ?? 0;
    const hex = (n: number) => n.toString(16).padStart(8, '0');
    const letters = [0, 1, 2, 3].flatMap((i) => {
      const v = of(PT_VENDOR_1 + i);
      return [v >>> 24, (v >>> 16) & 255, (v >>> 8) & 255, v & 255];
    });
    const printable = letters.filter((c) => c >= 0x20 && c < 0x7f);
    return {
      manufacturer: hex(of(PT_MANUFACTURER)),
      vendor: fromUtf8(Uint8Array.from(printable)).trim(),
      firmwareVersion: ((BigInt(of(PT_FIRMWARE_1)) << 32n) | BigInt(of(PT_FIRMWARE_2))).toString(),
      revision: of(PT_REVISION),
      lockoutCounter: of(PT_LOCKOUT_COUNTER) || (await property(w, PT_LOCKOUT_COUNTER)),
      maxAuthFail: await property(w, PT_MAX_AUTH_FAIL),
    };
  }, o);
}

/** What is left in the TPM, and whether it refuses authorisations (TPM 2.0 Part 2 §6.13, TPM_PT_VAR). */
export interface TpmRoom {
  readonly inLockout: boolean;
  /** Objects and sessions that can still be loaded; behind a resource manager, of the device itself. */
  readonly objectsFree: number;
  readonly sessionsFree: number;
  /** NV counters that can still be defined. */
  readonly countersFree: number;
}

export function readRoom(tpm: Tpm, o?: RunOptions): Promise<TpmRoom> {
  return tpm.run(
    async (w) => ({
      inLockout: ((await property(w, PT_PERMANENT)) & 0x200) !== 0,
      objectsFree: await property(w, PT_OBJECTS_FREE),
      sessionsFree: await property(w, PT_SESSIONS_FREE),
      countersFree: await property(w, PT_COUNTERS_FREE),
    }),
    o,
  );
}

/** The PCR banks that are allocated. */
export function readBanks(tpm: Tpm, o?: RunOptions): Promise<PcrSelection[]> {
  return tpm.run(async (w) => {
    const { data } = await w.ctx.getCapability(CAP_PCRS, 0, 1, w.plain());
    const r = new Reader(data, 'TPMS_CAPABILITY_DATA');
    if (r.u32() !== CAP_PCRS) throw r.fail('another capability than asked for');
    return readPcrSelections(r);
  }, o);
}

/** Whether the TPM has the algorithms of our keys (TPM2_TestParms): the names of those that it refuses. */
export function missingAlgorithms(tpm: Tpm, o?: RunOptions): Promise<string[]> {
  const wanted = [
    ['ECDSA over P-256 with SHA-256', akTemplate(), 4],
    ['P-256 storage keys with AES-128-CFB', storageTemplate(), 68],
  ] as const;
  return tpm.run(async (w) => {
    const missing: string[] = [];
    for (const [name, template, unique] of wanted) {
      // TPMT_PUBLIC_PARMS is type and parameters: what stands between policy and unique field of a template.
      const parms = concat(template.subarray(0, 2), template.subarray(10, template.length - unique));
      await w.ctx.testParms(parms, w.plain()).catch((e: unknown) => {
        if (!isRefusal(e)) throw e;
        missing.push(name);
      });
    }
    return missing;
  }, o);
}

/** Transient objects and loaded sessions in the TPM, whoever they belong to (behind a resource manager: ours). */
export function occupancy(tpm: Tpm, o?: RunOptions): Promise<{ objects: number; sessions: number }> {
  return tpm.run(
    async (w) => ({
      objects: (await listHandles(w, RANGE.transient)).length,
      sessions: (await listHandles(w, RANGE.loadedSession)).length,
    }),
    o,
  );
}
