/** ULIDs: 48 bits of milliseconds, 80 random bits, 26 characters of Crockford base32, sortable as text. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const FORM = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

/**
 * A ULID of a time and 10 random bytes.
 * @param ms milliseconds since 1970
 * @param random at least 10 bytes; the first 10 are used
 */
export function ulid(ms: number, random: Uint8Array): string {
  let head = '';
  let t = ms;
  for (let i = 0; i < 10; i++) {
    head = (ALPHABET[t % 32] as string) + head;
    t = Math.floor(t / 32);
  }
  let tail = '';
  let acc = 0;
  let bits = 0;
  for (let i = 0; i < 10; i++) {
    acc = (acc << 8) | (random[i] as number);
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      tail += ALPHABET[(acc >> bits) & 31];
      acc &= (1 << bits) - 1;
    }
  }
  return head + tail;
}

/** Whether `s` is a ULID in its canonical upper-case spelling. */
export function isUlid(s: string): boolean {
  return FORM.test(s);
}
