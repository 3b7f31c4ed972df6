/**
 * The first entry of an IMA list, `boot_aggregate`: one digest over the registers that the firmware extended, which ties
 * the list to the firmware log (Linux ima_crypto.c, ima_calc_boot_aggregate). Kernels differ in how they make it, so
 * there is a table of ways, and the one that fits is named.
 */
import { concat, equal } from '../../../core/bytes.ts';
import { type HashName, hashNamed, hashOf } from '../hashes.ts';
import type { ImaEntry } from './entry.ts';

/** The name of the entry. */
export const BOOT_AGGREGATE = 'boot_aggregate';

/** Values by register of each bank. */
export type BankValues = Readonly<Partial<Record<HashName, ReadonlyMap<number, Uint8Array>>>>;

/** A way in which kernels make the aggregate. */
export interface AggregateWay {
  /** The bank whose registers are hashed; `none` where the kernel found no TPM, and the digest is zeros. */
  readonly bank: HashName | 'none';
  readonly hash: string;
  /** The registers 0 to `last`. */
  readonly last: 7 | 9;
}

/**
 * The way in which an aggregate follows from register values; absent where none does. Kernels before 5.8 hash registers
 * 0–7 of the SHA-1 bank by SHA-1; later ones take the bank of their own hash, and soon 0–9 of any but the SHA-1 bank.
 * @param entry the entry of that name; any other has no way
 */
export function aggregateWay(entry: ImaEntry, values: BankValues): AggregateWay | undefined {
  const { digest } = entry;
  if (digest === undefined || entry.path !== BOOT_AGGREGATE) return undefined;
  const { algorithm, value } = digest;
  if (value.every((b) => b === 0)) return { bank: 'none', hash: algorithm, last: 7 };
  const hash = hashNamed(algorithm);
  if (hash === undefined) return undefined;
  for (const [bank, registers] of Object.entries(values) as [HashName, ReadonlyMap<number, Uint8Array>][]) {
    for (const last of [9, 7] as const) {
      const parts = Array.from({ length: last + 1 }, (_, pcr) => registers.get(pcr));
      if (!parts.every((part) => part !== undefined)) continue;
      if (equal(hashOf(hash)(concat(...parts)), value)) return { bank, hash: algorithm, last };
    }
  }
  return undefined;
}
