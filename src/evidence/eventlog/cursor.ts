/** A bounded reader of little-endian structures, as firmware writes them; the TPM's own are big-endian. */
import { wellFormed } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';

export class Cursor {
  at = 0;
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;

  /** @param what the name of the structure, for the error text */
  constructor(bytes: Uint8Array, what: string) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  fail(why: string): AttestdError {
    return new AttestdError('MALFORMED', `${this.#what}: ${why} at byte ${this.at}`);
  }

  /** Goes on by `n` bytes and says where they begin. @throws MALFORMED when they are not there */
  take(n: number): number {
    if (n > this.left) throw this.fail(`${n} bytes wanted, ${this.left} left`);
    const at = this.at;
    this.at += n;
    return at;
  }
  u8(): number {
    return this.#view.getUint8(this.take(1));
  }
  u16(): number {
    return this.#view.getUint16(this.take(2), true);
  }
  u32(): number {
    return this.#view.getUint32(this.take(4), true);
  }
  u64(): bigint {
    return this.#view.getBigUint64(this.take(8), true);
  }
  /** A view of the next `n` bytes. */
  view(n: number): Uint8Array {
    const at = this.take(n);
    return this.bytes.subarray(at, at + n);
  }
  /** A copy of the next `n` bytes. */
  slice(n: number): Uint8Array {
    const at = this.take(n);
    return this.bytes.slice(at, at + n);
  }
  /** EFI_GUID in its registry form: the first three groups are little-endian. */
  guid(): string {
    const b = this.view(16);
    let text = '';
    for (const [i, from] of [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].entries()) {
      if (i === 4 || i === 6 || i === 8 || i === 10) text += '-';
      text += (b[from] as number).toString(16).padStart(2, '0');
    }
    return text;
  }
}

/** UCS-2 text up to its first NUL, unpaired surrogates replaced; for a person to read, never to compare. */
export function ucs2(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i + 1 < bytes.length; i += 2) {
    const code = (bytes[i] as number) | ((bytes[i + 1] as number) << 8);
    if (code === 0) break;
    text += String.fromCharCode(code);
  }
  return wellFormed(text);
}
