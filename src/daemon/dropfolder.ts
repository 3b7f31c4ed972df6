/**
 * A drop folder of attestd-forward, the one way in for what it fetched: a file each, named by the seal that it is about,
 * `<size>-<seq>.<who>.<kind>`. What fits this log is copied to the state directory and used from there; what does not
 * stays where it is and is not looked at again. Kept? Trusted? No: whoever can change the files can only withhold them.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { epochOf, writeDurably } from './layout.ts';
import type { LogReader } from './reader.ts';

/** A file, and the seal that its name says. */
export interface Dropped {
  readonly name: string;
  /** Entries under the seal. */
  readonly size: number;
  readonly seq: number;
}

export interface DropFolder {
  /** Takes what is new in the drop directory; looks only if that directory has changed. */
  take(log: LogReader): Promise<void>;
  /** What is kept, smallest tree first. */
  kept(log: LogReader): Dropped[];
  /** Bytes of one that is kept; undefined when it is gone or too large. */
  read(log: LogReader, name: string): Uint8Array | undefined;
  /** The drop directory itself: what is there, with bytes on demand, and a mark that changes when it does. */
  peek(log: LogReader): { readonly mark: number; readonly items: () => Dropped[] } | undefined;
  /** Bytes of one in the drop directory. */
  readDropped(log: LogReader, name: string): Uint8Array | undefined;
}

export interface DropFolderInput {
  readonly keptIn: string;
  /** Drop directory; absent: nothing is taken. */
  readonly drop?: string;
  /** Last part of the names. */
  readonly kind: 'tst' | 'cosig';
  /** A larger file is no good. */
  readonly maxBytes: number;
  /** Whether the content is about this log. Must not throw. */
  readonly accept: (log: LogReader, item: Dropped, bytes: Uint8Array) => Promise<boolean>;
}

/** Most taken in one go: a later call goes on. */
export const MAX_TAKEN = 64;

export function createDropFolder({ keptIn, drop, kind, maxBytes, accept }: DropFolderInput): DropFolder {
  const pattern = new RegExp(`^(\\d{1,16})-(\\d{1,16})\\.[a-z0-9-]{1,32}\\.${kind}$`);
  const refused = new Set<string>();
  let looked: string | undefined;

  function list(folder: string): Dropped[] {
    let names: string[];
    try {
      names = readdirSync(folder);
    } catch {
      return [];
    }
    return names
      .flatMap((name) => {
        const m = pattern.exec(name);
        return m === null ? [] : [{ name, size: Number(m[1]), seq: Number(m[2]) }];
      })
      .sort((a, b) => a.size - b.size || a.seq - b.seq || (a.name < b.name ? -1 : 1));
  }

  function read(path: string): Uint8Array | undefined {
    try {
      if (statSync(path).size > maxBytes) return undefined;
      return new Uint8Array(readFileSync(path));
    } catch {
      // Pruned or taken away meanwhile.
      return undefined;
    }
  }

  const keptOf = (log: LogReader) => join(keptIn, epochOf(log.origin));
  const dropOf = (log: LogReader) => (drop === undefined ? undefined : join(drop, epochOf(log.origin)));
  const fresh = (from: string) => list(from).filter((n) => !refused.has(n.name));

  return {
    async take(log) {
      const from = dropOf(log);
      const stamp = from === undefined ? undefined : statSync(from, { throwIfNoEntry: false });
      if (from === undefined || stamp === undefined || looked === `${from} ${stamp.mtimeMs}`) return;
      const have = new Set(list(keptOf(log)).map((n) => n.name));
      const untaken = fresh(from).filter((n) => !have.has(n.name));
      for (const item of untaken.slice(-MAX_TAKEN)) {
        const bytes = read(join(from, item.name));
        if (bytes !== undefined && (await accept(log, item, bytes)))
          writeDurably(join(keptOf(log), item.name), bytes);
        else refused.add(item.name);
      }
      if (untaken.length <= MAX_TAKEN) looked = `${from} ${stamp.mtimeMs}`;
    },
    kept: (log) => list(keptOf(log)),
    read: (log, name) => read(join(keptOf(log), name)),
    peek(log) {
      const from = dropOf(log);
      const stamp = from === undefined ? undefined : statSync(from, { throwIfNoEntry: false });
      if (from === undefined || stamp === undefined) return undefined;
      return { mark: stamp.mtimeMs, items: () => fresh(from) };
    },
    readDropped(log, name) {
      const from = dropOf(log);
      return from === undefined ? undefined : read(join(from, name));
    },
  };
}
