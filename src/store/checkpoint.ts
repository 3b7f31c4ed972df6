/**
 * The `checkpoint` file: the newest sealed note. It is written behind the seal's frame, newest only, so a slow disk
 * never holds up a seal. At start it is held against the log: a log that ends before it has been shortened.
 *
 * Trusted? Someone who can write it can make the store refuse to start, or take away this one witness; no more.
 */
import { readFileSync } from 'node:fs';
import { equal } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { type Disk, isNoRoom, unavailable } from './disk.ts';
import { readSealed, type Sealed } from './seal.ts';

export class CheckpointFile {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #warn: (what: string, cause: unknown) => void;
  #next: Uint8Array | undefined;
  #running: Promise<void> | undefined;
  #failed: AttestdError | undefined;

  constructor(disk: Disk, path: string, warn: (what: string, cause: unknown) => void) {
    this.#disk = disk;
    this.#path = path;
    this.#warn = warn;
  }

  /** Set once it could not be synced: what the disk holds is not known any more. */
  get failed(): AttestdError | undefined {
    return this.#failed;
  }

  /**
   * Holds the file against the last seal of the log.
   * @returns whether it is to be written again, for a crash came before that
   * @throws STORE_CORRUPT when the log does not have what it seals
   */
  check(last: Sealed | undefined, size: number, origin: string): boolean {
    const there = this.#read(origin);
    if (there === undefined) return last !== undefined;
    if (there.size > size)
      throw new AttestdError(
        'STORE_CORRUPT',
        `the log ends at ${size} entries, its checkpoint seals ${there.size}`,
      );
    if (last === undefined || there.seq > last.seq)
      throw new AttestdError(
        'STORE_CORRUPT',
        `the checkpoint is seal ${there.seq}, which the log does not have`,
      );
    if (there.seq === last.seq && !equal(there.digest, last.digest))
      throw new AttestdError('STORE_CORRUPT', `the checkpoint and the log have different seals ${there.seq}`);
    return there.seq < last.seq;
  }

  #read(origin: string): Sealed | undefined {
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(this.#path);
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw e;
    }
    try {
      return readSealed(bytes, origin);
    } catch (e) {
      throw new AttestdError('STORE_CORRUPT', `${this.#path}: ${e instanceof Error ? e.message : e}`);
    }
  }

  /** Has the note written; an older one that is still waiting is left out. */
  put(note: Uint8Array): void {
    this.#next = note;
    this.#running ??= this.#run();
  }

  /** Resolves when what was put is written. */
  async close(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#next !== undefined && this.#failed === undefined) {
      const note = this.#next;
      this.#next = undefined;
      try {
        await this.#disk.replace(this.#path, note);
      } catch (cause) {
        if (isNoRoom(cause)) this.#warn('the checkpoint is not written', cause);
        else this.#failed = unavailable('the checkpoint could not be written', cause);
      }
    }
    this.#running = undefined;
  }
}
