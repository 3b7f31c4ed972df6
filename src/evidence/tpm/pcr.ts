/**
 * PCR selections and the digest over the selected values. TPM 2.0 Library part 2 §10.9.7 (TPML_PCR_SELECTION): banks
 * in the order of the selection, within a bank by rising index, hashed with the signing scheme's algorithm, not the
 * bank's.
 */
import { concat, fromHex, u8, u16, u32 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import type { Reader } from '../../core/reader.ts';
import { hashName, hashSize, tpmHash } from './algorithm.ts';

/** One bank's part of a selection; `pcrs` rises strictly. */
export interface PcrSelection {
  readonly hash: number;
  readonly pcrs: readonly number[];
}

/** PCR values as JSON carries them: bank name, then index in decimal, then lower-case hexadecimal. */
export type PcrValues = { readonly [bank: string]: { readonly [index: string]: string } };

/** PCRs of a PC client TPM, three bytes of bitmap; the only select size that is read, so that print is exact. */
export const PCR_COUNT = 24;
const SELECT_BYTES = PCR_COUNT / 8;
const MAX_BANKS = 16;

/** Reads a TPML_PCR_SELECTION. @throws MALFORMED */
export function readPcrSelections(r: Reader): PcrSelection[] {
  const count = r.u32();
  if (count > MAX_BANKS) throw r.fail(`${count} PCR banks, at most ${MAX_BANKS} allowed`);
  const out: PcrSelection[] = [];
  for (let i = 0; i < count; i++) {
    const hash = r.u16();
    const size = r.u8();
    if (size !== SELECT_BYTES) throw r.fail(`a PCR bitmap of ${size} bytes, ${SELECT_BYTES} expected`);
    const map = r.bytes(size);
    const pcrs: number[] = [];
    for (let p = 0; p < PCR_COUNT; p++) if (((map[p >> 3] as number) >> (p & 7)) & 1) pcrs.push(p);
    out.push({ hash, pcrs });
  }
  return out;
}

/** Prints a TPML_PCR_SELECTION. @throws MALFORMED when an index is not in 0–23 or does not rise */
export function printPcrSelections(selections: readonly PcrSelection[]): Uint8Array {
  if (selections.length > MAX_BANKS) throw new AttestdError('MALFORMED', 'too many PCR banks');
  return concat(u32(selections.length), ...selections.map(printOne));
}

function printOne({ hash, pcrs }: PcrSelection): Uint8Array {
  const map = new Uint8Array(SELECT_BYTES);
  let last = -1;
  for (const p of pcrs) {
    if (!Number.isInteger(p) || p <= last || p >= PCR_COUNT) {
      throw new AttestdError('MALFORMED', `PCR ${p} is not in rising order within 0–${PCR_COUNT - 1}`);
    }
    map[p >> 3] = (map[p >> 3] as number) | (1 << (p & 7));
    last = p;
  }
  return concat(u16(hash), u8(SELECT_BYTES), map);
}

/**
 * The pcrDigest of a quote over these values. The values must be exactly those selected: one that is missing and one
 * too many are both refused, because a value outside the selection would look attested.
 * @param hashAlg TPM identifier of the signing scheme's hash
 * @throws MALFORMED
 */
export function pcrDigest(
  selections: readonly PcrSelection[],
  values: PcrValues,
  hashAlg: number,
): Uint8Array {
  const parts: Uint8Array[] = [];
  const seen = new Set<string>();
  for (const { hash, pcrs } of selections) {
    const bank = hashName(hash);
    for (const p of pcrs) {
      const text = own(own(values, bank), String(p));
      if (text === undefined) throw new AttestdError('MALFORMED', `no value for PCR ${p} of bank ${bank}`);
      const value = fromHex(text);
      if (value.length !== hashSize(hash)) {
        throw new AttestdError('MALFORMED', `the value of PCR ${p} is not as long as a ${bank} digest`);
      }
      parts.push(value);
      seen.add(`${bank}:${p}`);
    }
  }
  for (const [bank, byIndex] of Object.entries(values)) {
    for (const index of Object.keys(byIndex)) {
      if (!seen.has(`${bank}:${index}`)) {
        throw new AttestdError('MALFORMED', `PCR ${index} of bank ${bank} has a value but is not selected`);
      }
    }
  }
  return tpmHash(hashAlg, concat(...parts));
}

function own<T>(o: { readonly [k: string]: T } | undefined, k: string): T | undefined {
  return o !== undefined && Object.hasOwn(o, k) ? o[k] : undefined;
}
