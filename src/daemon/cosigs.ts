/**
 * Cosignatures of witnesses: taken from the drop directory of attestd-forward, verified over the checkpoint of this log
 * by the key that they name, and kept in the state directory. Whether that key is a witness's is for each auditor. Kept?
 * Trusted? No: an attacker who can change them can only withhold cosignatures.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { equal, fromUtf8 } from '../core/bytes.ts';
import { COSIGNATURE, keyIdOf, parseVkey } from '../log/keys.ts';
import { type NoteSignature, parseNote, parseSignature } from '../log/note.ts';
import { verifySignature } from '../log/signature.ts';
import type { Sealed } from '../store/seal.ts';
import { epochOf, writeDurably } from './layout.ts';
import type { LogReader } from './reader.ts';

/** Cosignatures of one checkpoint. */
export interface FoundCosigs {
  readonly size: number;
  /** Text of that checkpoint. */
  readonly text: string;
  readonly lines: readonly NoteSignature[];
}

export interface Cosigs {
  /** Those of the first checkpoint from `seal` on that has any. */
  find(log: LogReader, seal: Sealed): Promise<FoundCosigs | undefined>;
  /** Size of the newest checkpoint with one, kept or dropped; undefined while there is none. */
  newest(log: LogReader): Promise<number | undefined>;
}

interface Named {
  readonly name: string;
  readonly size: number;
}

const NAME = /^(\d{1,16})-\d{1,16}\.[a-z0-9-]{1,32}\.cosig$/;
const MAX_FILE = 2048;
/** Most taken from the drop directory in one go, and most that one bundle carries. */
const MAX_TAKEN = 64;
const MAX_LINES = 16;

/** @param drop absent: nothing is taken */
export function createCosigs({ kept, drop }: { readonly kept: string; readonly drop?: string }): Cosigs {
  let looked: string | undefined;
  const refused = new Set<string>();

  async function take(log: LogReader): Promise<void> {
    if (drop === undefined) return;
    const epoch = epochOf(log.origin);
    const from = join(drop, epoch);
    const stamp = statSync(from, { throwIfNoEntry: false });
    if (stamp === undefined || looked === `${epoch} ${stamp.mtimeMs}`) return;
    const have = new Set(list(join(kept, epoch)).map((n) => n.name));
    const fresh = list(from).filter((n) => !have.has(n.name) && !refused.has(n.name));
    for (const named of fresh.slice(-MAX_TAKEN)) {
      const bytes = readSmall(join(from, named.name));
      const text = textAt(log, named.size);
      const line = bytes === undefined || text === undefined ? undefined : await lineIn(bytes, text);
      if (bytes !== undefined && line !== undefined) writeDurably(join(kept, epoch, named.name), bytes);
      else refused.add(named.name);
    }
    looked = `${epoch} ${stamp.mtimeMs}`;
  }

  /** What `newest` found last, and where it looked then. */
  let last: { epoch: string; at: number; size: number | undefined } | undefined;

  return {
    async newest(log) {
      const epoch = epochOf(log.origin);
      if (last?.epoch !== epoch) last = { epoch, at: -1, size: list(join(kept, epoch)).at(-1)?.size };
      const known = last;
      const from = drop === undefined ? undefined : join(drop, epoch);
      const stamp = from === undefined ? undefined : statSync(from, { throwIfNoEntry: false });
      if (from === undefined || stamp === undefined || known.at === stamp.mtimeMs) return known.size;
      known.at = stamp.mtimeMs;
      const later = list(from).filter((n) => n.size > (known.size ?? 0) && !refused.has(n.name));
      for (const { name, size } of later.slice(-MAX_TAKEN).reverse()) {
        const bytes = readSmall(join(from, name));
        const text = textAt(log, size);
        if (bytes === undefined || text === undefined || (await lineIn(bytes, text)) === undefined) continue;
        known.size = size;
        break;
      }
      return known.size;
    },
    async find(log, seal) {
      await take(log);
      const folder = join(kept, epochOf(log.origin));
      const later = list(folder).filter((n) => n.size >= seal.size);
      const [first] = later;
      const text = first === undefined ? undefined : textAt(log, first.size);
      if (first === undefined || text === undefined) return undefined;
      const lines: NoteSignature[] = [];
      for (const { name, size } of later) {
        const bytes =
          size === first.size && lines.length < MAX_LINES ? readSmall(join(folder, name)) : undefined;
        const line = bytes === undefined ? undefined : await lineIn(bytes, text);
        const twice = lines.some((l) => l.name === line?.name && equal(l.keyId, line.keyId));
        if (line !== undefined && !twice) lines.push(line);
      }
      return lines.length === 0 ? undefined : { size: first.size, text, lines };
    },
  };
}

/** Text of the checkpoint of this size, where one was sealed. */
function textAt(log: LogReader, size: number): string | undefined {
  for (const seal of log.seals(size)) return seal.size === size ? parseNote(seal.note).text : undefined;
  return undefined;
}

/** The line of a file `<vkey>\n<signature line>\n`, if it verifies. */
async function lineIn(bytes: Uint8Array, text: string): Promise<NoteSignature | undefined> {
  try {
    const [vkey = '', line = '', end, ...more] = fromUtf8(bytes).split('\n');
    if (end !== '' || more.length > 0) return undefined;
    const key = parseVkey(vkey);
    const parsed = parseSignature(line);
    const own = key.type === COSIGNATURE && parsed.name === key.name && equal(parsed.keyId, keyIdOf(key));
    return own && (await verifySignature(key, text, parsed)) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function readSmall(path: string): Uint8Array | undefined {
  try {
    if (statSync(path).size > MAX_FILE) return undefined;
    return new Uint8Array(readFileSync(path));
  } catch {
    // Pruned or taken away meanwhile.
    return undefined;
  }
}

/** Cosignatures of a directory, smallest checkpoint first. */
function list(folder: string): Named[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  return names
    .flatMap((name) => {
      const m = NAME.exec(name);
      return m === null ? [] : [{ name, size: Number(m[1]) }];
    })
    .sort((a, b) => a.size - b.size || (a.name < b.name ? -1 : 1));
}
