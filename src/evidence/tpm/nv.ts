/** TPMS_NV_PUBLIC and the Name of an NV index. TPM 2.0 Library part 2 §13.4–13.5. */
import { concat, u16, u32 } from '../../core/bytes.ts';
import { Reader } from '../../core/reader.ts';
import { MAX_DIGEST } from './algorithm.ts';
import { nameOf } from './names.ts';
import { bounded, tpm2b } from './wire.ts';

const BITS = {
  ppWrite: 0,
  ownerWrite: 1,
  authWrite: 2,
  policyWrite: 3,
  policyDelete: 10,
  writeLocked: 11,
  writeAll: 12,
  writeDefine: 13,
  writeStClear: 14,
  globalLock: 15,
  ppRead: 16,
  ownerRead: 17,
  authRead: 18,
  policyRead: 19,
  noDA: 25,
  orderly: 26,
  clearStClear: 27,
  readLocked: 28,
  written: 29,
  platformCreate: 30,
  readStClear: 31,
} as const;

/** Name of an NV attribute. */
export type NvAttributeName = keyof typeof BITS;
/** Every attribute by name, the index type (TPM_NT), and all 32 bits as they stand. */
export type NvAttributes = { readonly [K in NvAttributeName]: boolean } & {
  readonly type: number;
  readonly raw: number;
};

/** TPM_NT values. */
export const NT_ORDINARY = 0;
export const NT_COUNTER = 1;

/** A parsed TPMS_NV_PUBLIC. */
export interface NvPublic {
  readonly nvIndex: number;
  readonly nameAlg: number;
  readonly attributes: NvAttributes;
  readonly authPolicy: Uint8Array;
  readonly dataSize: number;
}

const MAX_NV_PUBLIC = 4 + 2 + 4 + 2 + MAX_DIGEST + 2;

/** Names the bits of a TPMA_NV. */
export function readNvAttributes(raw: number): NvAttributes {
  const out: Record<string, boolean | number> = { raw, type: (raw >>> 4) & 15 };
  for (const [name, bit] of Object.entries(BITS)) out[name] = ((raw >>> bit) & 1) === 1;
  return out as NvAttributes;
}

/** A TPMA_NV of this type with exactly these bits set. */
export function makeNvAttributes(type: number, ...names: readonly NvAttributeName[]): NvAttributes {
  return readNvAttributes(names.reduce((raw, name) => (raw | (1 << BITS[name])) >>> 0, (type & 15) << 4));
}

/** Reads a whole TPMS_NV_PUBLIC (without the TPM2B length). @throws MALFORMED */
export function parseNvPublic(bytes: Uint8Array): NvPublic {
  const r = new Reader(bounded(bytes, MAX_NV_PUBLIC, 'TPMS_NV_PUBLIC'), 'TPMS_NV_PUBLIC');
  const nvIndex = r.u32();
  if (nvIndex >>> 24 !== 0x01) throw r.fail('the handle is not an NV index');
  const nameAlg = r.u16();
  const attributes = readNvAttributes(r.u32());
  const authPolicy = r.sized(MAX_DIGEST);
  const dataSize = r.u16();
  r.end();
  return { nvIndex, nameAlg, attributes, authPolicy, dataSize };
}

/** The bytes of a TPMS_NV_PUBLIC. */
export function printNvPublic(p: NvPublic): Uint8Array {
  return concat(u32(p.nvIndex), u16(p.nameAlg), u32(p.attributes.raw), tpm2b(p.authPolicy), u16(p.dataSize));
}

/** Name of a TPMS_NV_PUBLIC given as bytes: name algorithm ‖ digest. @throws MALFORMED */
export function nvName(bytes: Uint8Array): Uint8Array {
  return nameOf(parseNvPublic(bytes).nameAlg, bytes);
}
