/** ULIDs: 48 bits of milliseconds, 80 random bits, 26 characters of Crockford base32, sortable as text. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const PAIRS = Array.from({ length: 1024 }, (_, i) => `${ALPHABET[i >> 5]}${ALPHABET[i & 31]}`);
/** Which characters are of the alphabet, by their codes. */
const KNOWN = new Uint8Array(128);
for (const c of ALPHABET) KNOWN[c.charCodeAt(0)] = 1;

/**
 * A ULID of a time and 10 random bytes.
 * @param ms milliseconds since 1970
 * @param random at least 10 bytes; the first 10 are used
 */
export function ulid(ms: number, random: Uint8Array): string {
  let text = headOf(ms);
  for (let i = 0; i < 10; i += 5) {
    const b = random[i + 1] as number;
    const c = random[i + 2] as number;
    const d = random[i + 3] as number;
    text +=
      pair(((random[i] as number) << 2) | (b >> 6)) +
      pair((b << 4) | (c >> 4)) +
      pair((c << 6) | (d >> 2)) +
      pair((d << 8) | (random[i + 4] as number));
  }
  return text;
}

/** The two characters of the lowest ten bits. */
const pair = (bits: number): string => PAIRS[bits & 1023] as string;

let lastMs = -1;
let lastHead = '';
/** Ten characters; thousands of ids have the same. */
function headOf(ms: number): string {
  if (ms === lastMs) return lastHead;
  let head = '';
  let t = ms;
  for (let i = 0; i < 10; i++) {
    head = (ALPHABET[t % 32] as string) + head;
    t = Math.floor(t / 32);
  }
  lastMs = ms;
  lastHead = head;
  return head;
}

/** Whether `s` is a ULID in its canonical upper-case spelling. */
export function isUlid(s: string): boolean {
  // The first of 26 characters carries three bits only.
  if (s.length !== 26 || s.charCodeAt(0) > 0x37) return false;
  for (let i = 0; i < 26; i++) if (KNOWN[s.charCodeAt(i)] !== 1) return false;
  return true;
}
