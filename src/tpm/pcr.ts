/**
 * PCR values, read so that they belong together: TPM2_PCR_Read gives at most eight digests a call, so several calls
 * are needed and pcrUpdateCounter says whether anything changed between them (TPM 2.0 Part 3 §22.4).
 */
import { concat, equal, toHex, u16, u32 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { Reader } from '../core/reader.ts';
import { ALG_SHA256, hashName, hashSize } from '../evidence/tpm/algorithm.ts';
import {
  type PcrSelection,
  type PcrValues,
  printPcrSelections,
  readPcrSelections,
} from '../evidence/tpm/pcr.ts';
import { bytes } from './key.ts';
import type { Tpm } from './tpm.ts';
import type { RunOptions, Work } from './work.ts';

const PER_CALL = 8;
const TRIES = 5;

/** Design §6: sha256 bank, PCRs 0–9 and 11–14, and 10 whenever IMA is active. */
export function quoteSelection(ima: boolean): PcrSelection[] {
  const pcrs = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...(ima ? [10] : []), 11, 12, 13, 14];
  return [{ hash: ALG_SHA256, pcrs }];
}

/** Values of one moment, or null when another process kept extending. @throws TPM_ERROR when a bank is missing */
export async function readValues(w: Work, selections: readonly PcrSelection[]): Promise<PcrValues | null> {
  for (let i = 0; i < TRIES; i++) {
    const read = await readOnce(w, selections);
    if (read !== null) return read;
  }
  return null;
}

/** Values of perhaps several moments: only a digest over them says whether they belong together. @throws TPM_ERROR */
export async function readLoosely(w: Work, selections: readonly PcrSelection[]): Promise<PcrValues> {
  return (await readOnce(w, selections, true)) as PcrValues;
}

async function readOnce(
  w: Work,
  selections: readonly PcrSelection[],
  loosely = false,
): Promise<PcrValues | null> {
  const values: Record<string, Record<string, string>> = {};
  let counter: number | null = null;
  for (const { hash, pcrs } of selections) {
    const bank: Record<string, string> = {};
    values[hashName(hash)] = bank;
    for (let left = [...pcrs]; left.length > 0; ) {
      const asked = left.slice(0, PER_CALL);
      const answer = await w.ctx.pcrRead(printPcrSelections([{ hash, pcrs: asked }]), w.plain());
      if (!loosely && counter !== null && counter !== answer.updateCounter) return null;
      counter = answer.updateCounter;
      const got = readPcrSelections(new Reader(answer.selection, 'TPML_PCR_SELECTION'))[0]?.pcrs ?? [];
      if (got.length === 0 || got.length !== answer.values.length) {
        throw new AttestdError(
          'TPM_ERROR',
          `the TPM has no ${hashName(hash)} bank for PCR ${asked.join(', ')}`,
        );
      }
      got.forEach((pcr, i) => {
        const value = answer.values[i];
        if (value?.length !== hashSize(hash)) throw new AttestdError('TPM_ERROR', `PCR ${pcr} has no value`);
        bank[String(pcr)] = toHex(value);
      });
      left = left.filter((p) => !got.includes(p));
    }
  }
  return values;
}

/** Reads PCRs. @throws TPM_ERROR when a bank is missing; TPM_UNAVAILABLE when they never stood still */
export async function pcrRead(
  tpm: Tpm,
  selections: readonly PcrSelection[],
  o?: RunOptions,
): Promise<PcrValues> {
  const values = await tpm.run((w) => readValues(w, selections), o);
  if (values === null) throw new AttestdError('TPM_UNAVAILABLE', 'the PCRs never stood still');
  return values;
}

/** SHA-256 value of one PCR. */
export async function readPcr(w: Work, pcr: number): Promise<Uint8Array> {
  const answer = await w.ctx.pcrRead(printPcrSelections([{ hash: ALG_SHA256, pcrs: [pcr] }]), w.plain());
  const value = answer.values[0];
  if (value?.length !== 32) throw new AttestdError('TPM_ERROR', `PCR ${pcr} has no sha256 value`);
  return bytes(value);
}

/**
 * Extends the sha256 bank of a PCR that nobody else extends, exactly once even when a response is lost: the value is
 * read before each try.
 * @param prev value that the PCR is expected to have (write-ahead, design §6)
 * @returns the value afterwards, read back; `done: false` and nothing extended when the value was neither `prev` nor
 *   the result
 */
export function pcrExtend(
  tpm: Tpm,
  pcr: number,
  prev: Uint8Array,
  digest: Uint8Array,
  o?: RunOptions,
): Promise<{ done: boolean; value: Uint8Array }> {
  const expected = sha256(concat(prev, digest));
  return tpm.run(async (w) => {
    const before = await readPcr(w, pcr);
    if (equal(before, prev)) await w.ctx.pcrExtend(pcr, concat(u32(1), u16(ALG_SHA256), digest), w.plain());
    const value = await readPcr(w, pcr);
    return { done: equal(value, expected), value };
  }, o);
}
