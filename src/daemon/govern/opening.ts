/** What the store keeps of a record's disclosures, until they are forgotten. */

/** Disclosures are base64url, so nothing in them is mistaken for the separator (RFC 9901 uses it too). */
export const openingOf = (disclosures: readonly string[]): { readonly opening?: Uint8Array } =>
  disclosures.length === 0 ? {} : { opening: Buffer.from(disclosures.join('~'), 'latin1') };
