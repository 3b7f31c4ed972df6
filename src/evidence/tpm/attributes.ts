/** TPMA_OBJECT by name. TPM 2.0 Library part 2 §8.3. */
const BITS = {
  fixedTPM: 1,
  stClear: 2,
  fixedParent: 4,
  sensitiveDataOrigin: 5,
  userWithAuth: 6,
  adminWithPolicy: 7,
  firmwareLimited: 8,
  svnLimited: 9,
  noDA: 10,
  encryptedDuplication: 11,
  restricted: 16,
  decrypt: 17,
  sign: 18,
  x509sign: 19,
} as const;

/** Name of an object attribute, as the TCG spells it. */
export type AttributeName = keyof typeof BITS;
/** Every attribute by name, and all 32 bits as they stand, reserved ones included. */
export type Attributes = { readonly [K in AttributeName]: boolean } & { readonly raw: number };

/** Names the bits of a TPMA_OBJECT. */
export function readAttributes(raw: number): Attributes {
  const out: Record<string, boolean | number> = { raw };
  for (const [name, bit] of Object.entries(BITS)) out[name] = ((raw >>> bit) & 1) === 1;
  return out as Attributes;
}

/** A TPMA_OBJECT with exactly these bits set, for templates. */
export function makeAttributes(...names: readonly AttributeName[]): Attributes {
  return readAttributes(names.reduce((raw, name) => (raw | (1 << BITS[name])) >>> 0, 0));
}
