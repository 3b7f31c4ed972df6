/**
 * SM3 (GB/T 32905-2016; draft-sca-cfrg-sm3): the hash of PCR banks and IMA lists of machines sold in China. The library
 * that the other functions come from has none, and neither have browsers.
 */

const IV = [
  0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600, 0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e,
] as const;
const BLOCK = 64;

/** The words T(j), each turned left by j. */
const T = Int32Array.from({ length: 64 }, (_, j) => turn(j < 16 ? 0x79cc4519 : 0x7a879d8a, j));

function turn(x: number, n: number): number {
  const by = n & 31;
  return by === 0 ? x | 0 : (x << by) | (x >>> (32 - by));
}

/** 32 bytes. */
export function sm3(data: Uint8Array): Uint8Array {
  const state = Int32Array.from(IV);
  const words = new Int32Array(68);
  const whole = data.length - (data.length % BLOCK);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  for (let at = 0; at < whole; at += BLOCK) compress(state, words, view, at);
  // A one bit, zeros, and the number of bits in 64.
  const rest = data.length - whole;
  const tail = new Uint8Array(rest + 9 > BLOCK ? 2 * BLOCK : BLOCK);
  tail.set(data.subarray(whole));
  tail[rest] = 0x80;
  const end = new DataView(tail.buffer);
  end.setUint32(tail.length - 8, Math.floor(data.length / 2 ** 29));
  end.setUint32(tail.length - 4, (data.length << 3) >>> 0);
  for (let at = 0; at < tail.length; at += BLOCK) compress(state, words, end, at);
  const out = new DataView(new ArrayBuffer(32));
  for (let i = 0; i < 8; i++) out.setInt32(4 * i, state[i] as number);
  return new Uint8Array(out.buffer);
}

function compress(state: Int32Array, w: Int32Array, view: DataView, at: number): void {
  for (let j = 0; j < 16; j++) w[j] = view.getInt32(at + 4 * j);
  for (let j = 16; j < 68; j++) {
    const x = (w[j - 16] as number) ^ (w[j - 9] as number) ^ turn(w[j - 3] as number, 15);
    w[j] = x ^ turn(x, 15) ^ turn(x, 23) ^ turn(w[j - 13] as number, 7) ^ (w[j - 6] as number);
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  for (let j = 0; j < 64; j++) {
    const wide = turn(a, 12);
    const one = turn((wide + e + (T[j] as number)) | 0, 7);
    const two = one ^ wide;
    const ff = j < 16 ? a ^ b ^ c : (a & b) | (a & c) | (b & c);
    const gg = j < 16 ? e ^ f ^ g : (e & f) | (~e & g);
    const t1 = (ff + d + two + ((w[j] as number) ^ (w[j + 4] as number))) | 0;
    const t2 = (gg + h + one + (w[j] as number)) | 0;
    d = c;
    c = turn(b, 9);
    b = a;
    a = t1;
    h = g;
    g = turn(f, 19);
    f = e;
    e = t2 ^ turn(t2, 9) ^ turn(t2, 17);
  }
  for (const [i, x] of [a, b, c, d, e, f, g, h].entries()) state[i] = (state[i] as number) ^ x;
}
