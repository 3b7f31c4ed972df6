/**
 * A platform configuration register as arithmetic: where it starts and what an extend makes of it. TCG PC Client
 * Platform TPM Profile 1.05 §4.6.2 (reset values) and Platform Firmware Profile 1.06 §10.4.5.3 (StartupLocality). A
 * replay that starts DRTM registers from zero never matches (trustee#1565).
 */
import { concat } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';

/** Bytes of a value in the SHA-256 bank, the one that seals quote. */
const SIZE = 32;

/**
 * The value of a register after TPM2_Startup: zeros in 0–16 and 23, ones in 17–22, and in PCR 0 the locality that the
 * TPM was started from.
 * @param locality 0, 3 or 4
 * @param launched a D-RTM has set 17–22 to zeros since
 */
export function resetValue(pcr: number, locality = 0, launched = false): Uint8Array {
  const value = new Uint8Array(SIZE).fill(!launched && pcr >= 17 && pcr <= 22 ? 0xff : 0);
  if (pcr === 0) value[SIZE - 1] = locality;
  return value;
}

/** TPM2_PCR_Extend: SHA-256(old ‖ digest). */
export function extend(old: Uint8Array, digest: Uint8Array): Uint8Array {
  return sha256(concat(old, digest));
}
