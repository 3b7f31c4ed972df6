/**
 * A bounded reader of big-endian structures. Every read is checked; a structure is finished only by `end()`,
 * so bytes left over are an error and never ignored.
 */
import { AttestdError } from './errors.ts';

export class Reader {
  #at = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;

  /** @param what the name of the structure, for the error text */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  get offset(): number {
    return this.#at;
  }
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  fail(why: string): AttestdError {
    return new AttestdError('MALFORMED', `${this.#what}: ${why} at byte ${this.#at}`);
  }

  #take(n: number): number {
    if (n > this.left) throw this.fail(`${n} bytes wanted, ${this.left} left`);
    const at = this.#at;
    this.#at += n;
    return at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }
  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }
  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }
  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8));
  }
  /** Little-endian, as AMD and Intel write their structures. */
  u16le(): number {
    return this.#view.getUint16(this.#take(2), true);
  }
  u32le(): number {
    return this.#view.getUint32(this.#take(4), true);
  }
  u64le(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }
  /** The next `n` bytes, which a format reserves and wants to be zero. @throws MALFORMED when one is not */
  zeros(n: number): void {
    const at = this.#take(n);
    if (this.#bytes.subarray(at, at + n).some((b) => b !== 0)) throw this.fail('reserved bytes are not zero');
  }
  /** A copy of the next `n` bytes. */
  bytes(n: number): Uint8Array {
    const at = this.#take(n);
    return this.#bytes.slice(at, at + n);
  }
  /** u16 length, then that many bytes, at most `max`: the TPM2B form. */
  sized(max: number): Uint8Array {
    const n = this.u16();
    if (n > max) throw this.fail(`a field of ${n} bytes, at most ${max} allowed`);
    return this.bytes(n);
  }
  /** The structure must end here. @throws MALFORMED when bytes are left */
  end(): void {
    if (this.left !== 0) throw this.fail(`${this.left} bytes too many`);
  }
}
