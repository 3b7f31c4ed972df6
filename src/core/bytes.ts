/**
 * Bytes and their spellings. Every decoder here is canonical: what it accepts prints back to the same text,
 * so no two spellings of one value exist in anything we sign or verify (RFC 4648 §3.5).
 */
import { AttestdError } from './errors.ts';

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));
const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Lower-case hexadecimal of `b`. */
export function toHex(b: Uint8Array): string {
  let s = '';
  for (const x of b) s += HEX[x];
  return s;
}

/** Reads lower-case hexadecimal only. @throws MALFORMED */
export function fromHex(s: string): Uint8Array {
  if (!/^(?:[0-9a-f]{2})*$/.test(s)) throw new AttestdError('MALFORMED', 'not lower-case hexadecimal');
  const out = new Uint8Array(s.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(s.slice(2 * i, 2 * i + 2), 16);
  return out;
}

const STD = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const URL_SAFE = `${STD.slice(0, 62)}-_`;

const codesOf = (alphabet: string) => Uint8Array.from(alphabet, (c) => c.charCodeAt(0));
const STD_CODES = codesOf(STD);
const URL_CODES = codesOf(URL_SAFE);
const PAD = 0x3d;
/** Where short texts are put together; a string is made of it before anything else runs. */
const scratch = new Uint8Array(8192);

function encode64(b: Uint8Array, codes: Uint8Array, pad: boolean): string {
  const room = Math.ceil(b.length / 3) * 4;
  const out = room <= scratch.length ? scratch : new Uint8Array(room);
  const put = (at: number, sixBits: number) => {
    out[at] = codes[sixBits & 63] as number;
  };
  let i = 0;
  let o = 0;
  for (; i + 2 < b.length; i += 3, o += 4) {
    const n = ((b[i] as number) << 16) | ((b[i + 1] as number) << 8) | (b[i + 2] as number);
    put(o, n >> 18);
    put(o + 1, n >> 12);
    put(o + 2, n >> 6);
    put(o + 3, n);
  }
  const left = b.length - i;
  if (left > 0) {
    const n = ((b[i] as number) << 16) | ((b[i + 1] ?? 0) << 8);
    put(o, n >> 18);
    put(o + 1, n >> 12);
    o += 2;
    if (left === 2) put(o++, n >> 6);
    for (; pad && o % 4 !== 0; o++) out[o] = PAD;
  }
  return utf8Decoder.decode(out.subarray(0, o));
}

function table64(alphabet: string): Int8Array {
  const t = new Int8Array(128).fill(-1);
  for (let i = 0; i < 64; i++) t[alphabet.charCodeAt(i)] = i;
  return t;
}
const STD_TABLE = table64(STD);
const URL_TABLE = table64(URL_SAFE);

function decode64(s: string, table: Int8Array, pad: boolean): Uint8Array {
  const bad = () => new AttestdError('MALFORMED', `not canonical base64${pad ? '' : 'url'}`);
  let end = s.length;
  if (pad) {
    if (end % 4 !== 0) throw bad();
    if (s.endsWith('==')) end -= 2;
    else if (s.endsWith('=')) end -= 1;
  }
  const rest = end % 4;
  if (rest === 1) throw bad();
  const out = new Uint8Array((end >> 2) * 3 + (rest === 0 ? 0 : rest - 1));
  let at = 0;
  let acc = 0;
  for (let i = 0; i < end; i++) {
    const c = s.charCodeAt(i);
    const v = c < 128 ? (table[c] as number) : -1;
    if (v < 0) throw bad();
    acc = (acc << 6) | v;
    if ((i & 3) === 3) {
      out[at++] = (acc >> 16) & 255;
      out[at++] = (acc >> 8) & 255;
      out[at++] = acc & 255;
      acc = 0;
    }
  }
  if (rest === 2) {
    if ((acc & 15) !== 0) throw bad();
    out[at] = acc >> 4;
  } else if (rest === 3) {
    if ((acc & 3) !== 0) throw bad();
    out[at++] = acc >> 10;
    out[at] = (acc >> 2) & 255;
  }
  return out;
}

let base64Url = (b: Uint8Array): string => encode64(b, URL_CODES, false);

/** Replaces what is behind `toBase64Url` by the platform's own. Only an entry point calls this; a test holds both equal. */
export function useBase64Url(f: (b: Uint8Array) => string): void {
  base64Url = f;
}

/** Standard base64 with padding (RFC 4648 §4). */
export const toBase64 = (b: Uint8Array): string => encode64(b, STD_CODES, true);
/** Canonical standard base64 with padding. @throws MALFORMED */
export const fromBase64 = (s: string): Uint8Array => decode64(s, STD_TABLE, true);
/** base64url without padding (RFC 4648 §5). */
export const toBase64Url = (b: Uint8Array): string => base64Url(b);
/** Canonical base64url without padding. @throws MALFORMED */
export const fromBase64Url = (s: string): Uint8Array => decode64(s, URL_TABLE, false);

/** UTF-8 bytes of a well-formed string. @throws MALFORMED on a lone surrogate, which UTF-8 cannot carry */
export function utf8(s: string): Uint8Array {
  if (!isWellFormed(s)) throw new AttestdError('MALFORMED', 'the text has a lone surrogate');
  return utf8Encoder.encode(s);
}

/** The string in UTF-8 bytes; a byte order mark is kept. @throws MALFORMED on anything that is not UTF-8 */
export function fromUtf8(b: Uint8Array): string {
  try {
    return utf8Decoder.decode(b);
  } catch {
    throw new AttestdError('MALFORMED', 'not UTF-8');
  }
}

/** Whether the string has no lone surrogate. */
export function isWellFormed(s: string): boolean {
  return !/\p{Surrogate}/u.test(s);
}

/** A text with each half of a character, which UTF-8 cannot carry, replaced: for people, never for what is compared. */
export function wellFormed(s: string): string {
  return s.replace(/\p{Surrogate}/gu, '\ufffd');
}

/** The beginning of a text, at most so many UTF-16 units, and no half of a character at its end. */
export const cutText = (s: string, max: number): string => wellFormed(s.slice(0, max));

/** One array out of many. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let n = 0;
  for (const p of parts) n += p.length;
  const out = new Uint8Array(n);
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

/** Compares without a data-dependent branch; the lengths are not secret. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let d = 0;
  for (let i = 0; i < a.length; i++) d |= (a[i] as number) ^ (b[i] as number);
  return d === 0;
}

/** Big-endian unsigned integers, as TPM, TLS and C2SP structures want them. */
export function u8(n: number): Uint8Array {
  return Uint8Array.of(n);
}
export function u16(n: number): Uint8Array {
  return Uint8Array.of(n >>> 8, n & 255);
}
export function u32(n: number): Uint8Array {
  return Uint8Array.of(n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255);
}
export function u64(n: bigint | number): Uint8Array {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt(n));
  return out;
}

/** SHA-256 of nothing chosen: thirty-two zero bytes, the "no predecessor" of every chain here. */
export const ZERO32: Uint8Array = new Uint8Array(32);
