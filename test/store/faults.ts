/** Disks that break: the nth operation fails before it was done, after it was done, or half-way. */

import { type Disk, type DurableFile, nativeDisk } from '../../src/store/disk.ts';
import { randomizer } from './kit.ts';

export type FaultMode = 'not persisted' | 'persisted' | 'torn';

export interface Breaking extends Disk {
  /** Operations so far, by name. */
  readonly log: string[];
}

const eio = () => Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });

/** A disk whose `at`th operation fails; -1 for none. */
export function breakingDisk(at: number, mode: FaultMode): Breaking {
  const disk = nativeDisk();
  const log: string[] = [];
  async function act<T>(name: string, run: () => Promise<T>, tear?: () => Promise<void>): Promise<T> {
    const mine = log.length === at;
    log.push(name);
    if (!mine) return run();
    if (mode === 'persisted') await run();
    if (mode === 'torn') await tear?.();
    throw eio();
  }
  return {
    ...disk,
    log,
    allocate: (path, size) => act('allocate', () => disk.allocate(path, size)),
    rename: (from, to) => act('rename', () => disk.rename(from, to)),
    replace: (path, bytes) => act('replace', () => disk.replace(path, bytes)),
    async openDurable(path): Promise<DurableFile> {
      const file = await disk.openDurable(path);
      return {
        append: (buffers, offset) =>
          act(
            'append',
            () => file.append(buffers, offset),
            () => tear(file, Buffer.concat(buffers), offset, at),
          ),
        appendEntries: (buffers, offset, from, count) =>
          act(
            'append',
            () => file.appendEntries(buffers, offset, from, count),
            () => tear(file, Buffer.concat(buffers), offset, at),
          ),
        poll: () => file.poll(),
        close: () => file.close(),
      };
    },
  };
}

/** Some sectors of a write arrive, in no order, others do not. */
async function tear(file: DurableFile, bytes: Buffer, offset: number, seed: number): Promise<void> {
  const random = randomizer(seed + 17);
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, (Math.floor((offset + at) / 512) + 1) * 512 - offset);
    if (random() % 2 === 0) await file.append([bytes.subarray(at, end)], offset + at);
    at = end;
  }
}
