/**
 * Where an IMA list leads: the register is replayed from entry 0, entry by entry, and compared after each with the value
 * that was quoted, for the list goes on growing after a quote. Hashes are always computed from an entry's data and never
 * taken from the list, so what a match shows is the data itself.
 */
import { equal } from '../../../core/bytes.ts';
import { type HashName, hashOf, SIZE } from '../hashes.ts';
import type { ImaEntry } from './entry.ts';

/** The register that IMA extends unless the kernel was built otherwise. */
export const IMA_PCR = 10;

/**
 * What the kernel extends a bank with. `bank-hash`: the template hash by the bank's own function (Linux 5.8 and later).
 * `padded-sha1`: before that, the SHA-1 template hash with zeros behind it, whatever the bank.
 */
export type ImaRule = 'bank-hash' | 'padded-sha1';

export interface ImaReplayOptions {
  readonly bank: HashName;
  /** IMA_PCR where it is absent. Entries of other registers count as entries and extend nothing. */
  readonly pcr?: number;
  /** The quoted value that is looked for. */
  readonly target?: Uint8Array;
  readonly rule?: ImaRule;
  /** What the register holds before the first entry; zeros where it is absent. */
  readonly start?: Uint8Array;
}

export interface ImaReplay {
  /** Entries added so far. */
  readonly entries: number;
  /** Violations among them. */
  readonly violations: number;
  /** The register after them. */
  readonly value: Uint8Array;
  /**
   * The number of entries after which the register first had the target's value: entries with an index below it are
   * attested, later ones are not. 0 when the target is the register's start; absent while it was not found.
   */
  readonly matchedAt: number | undefined;
  add(entry: ImaEntry): void;
}

/** The template hash of an entry in a bank: all ones for a violation, else computed over its data. */
export function templateHash(entry: ImaEntry, bank: HashName): Uint8Array {
  return entry.violation ? new Uint8Array(SIZE[bank]).fill(0xff) : hashOf(bank)(entry.data);
}

/**
 * Whether the template hash in the list is that of the entry's data; absent where no bank's function has that length.
 * A violation's zeros hold. Where it does not hold, the list was changed or misread at this entry.
 */
export function recordedHashHolds(entry: ImaEntry): boolean | undefined {
  if (entry.violation) return true;
  const { recordedHash } = entry;
  const banks = (Object.keys(SIZE) as HashName[]).filter((bank) => SIZE[bank] === recordedHash.length);
  return banks.length === 0 ? undefined : banks.some((b) => equal(hashOf(b)(entry.data), recordedHash));
}

/** A replay that begins with the register's start value, zeros unless another is given. */
export function createImaReplay(options: ImaReplayOptions): ImaReplay {
  return new Replay(options);
}

class Replay implements ImaReplay {
  entries = 0;
  violations = 0;
  matchedAt: number | undefined;
  readonly #hash: (data: Uint8Array) => Uint8Array;
  readonly #template: (data: Uint8Array) => Uint8Array;
  readonly #pcr: number;
  readonly #target: Uint8Array | undefined;
  readonly #size: number;
  /** Bytes that the kernel gives to the bank; the TPM gets zeros behind them. */
  readonly #extended: number;
  /** The register, and behind it what it is extended with. */
  readonly #both: Uint8Array;

  constructor({ bank, pcr, target, rule, start }: ImaReplayOptions) {
    this.#hash = hashOf(bank);
    this.#template = rule === 'padded-sha1' ? hashOf('sha1') : this.#hash;
    this.#pcr = pcr ?? IMA_PCR;
    this.#size = SIZE[bank];
    this.#extended = rule === 'padded-sha1' ? Math.min(SIZE.sha1, SIZE[bank]) : SIZE[bank];
    this.#both = new Uint8Array(2 * this.#size);
    if (start !== undefined) this.#both.set(start.subarray(0, this.#size));
    this.#target = target?.slice();
    this.#compare();
  }

  get value(): Uint8Array {
    return this.#both.slice(0, this.#size);
  }

  add(entry: ImaEntry): void {
    this.entries++;
    if (entry.violation) this.violations++;
    if (entry.pcr !== this.#pcr) return;
    const both = this.#both;
    const size = this.#size;
    if (entry.violation) both.fill(0xff, size, size + this.#extended);
    else both.set(this.#template(entry.data), size);
    if (this.#extended < size) both.fill(0, size + this.#extended);
    both.set(this.#hash(both));
    if (this.#target !== undefined && this.matchedAt === undefined) this.#compare();
  }

  #compare(): void {
    const target = this.#target;
    if (target === undefined || this.matchedAt !== undefined || target.length !== this.#size) return;
    for (let i = 0; i < target.length; i++) if (this.#both[i] !== target[i]) return;
    this.matchedAt = this.entries;
  }
}
