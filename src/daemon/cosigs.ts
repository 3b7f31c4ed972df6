/**
 * Cosignatures of witnesses: taken from the drop directory of attestd-forward, verified over the checkpoint of this log
 * by the key that they name, and kept in the state directory. Whether that key is a witness's is for each auditor.
 */
import { equal, fromUtf8 } from '../core/bytes.ts';
import { COSIGNATURE, keyIdOf, parseVkey } from '../log/keys.ts';
import { type NoteSignature, parseNote, parseSignature } from '../log/note.ts';
import { verifySignature } from '../log/signature.ts';
import type { Sealed } from '../store/seal.ts';
import { createDropFolder, MAX_TAKEN } from './dropfolder.ts';
import { epochOf } from './layout.ts';
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
  /**
   * Size of the newest checkpoint with one, kept or dropped; undefined while there is none, and 0 where files are kept
   * and none is good: what witnesses cosign cannot be taken for what none does.
   */
  newest(log: LogReader): Promise<number | undefined>;
}

const MAX_FILE = 2048;
/** Most that one bundle carries. */
const MAX_LINES = 16;

/** @param drop absent: nothing is taken */
export function createCosigs({ kept, drop }: { readonly kept: string; readonly drop?: string }): Cosigs {
  const verified = async (log: LogReader, size: number, bytes: Uint8Array | undefined) => {
    const text = bytes === undefined ? undefined : textAt(log, size);
    return bytes === undefined || text === undefined ? undefined : lineIn(bytes, text);
  };
  const folder = createDropFolder({
    keptIn: kept,
    ...(drop === undefined ? {} : { drop }),
    kind: 'cosig',
    maxBytes: MAX_FILE,
    accept: async (log, { size }, bytes) => (await verified(log, size, bytes)) !== undefined,
  });
  /** By what is in the files that are kept, the newest first; their names are whose can write the directory. */
  async function newestKept(log: LogReader): Promise<number | undefined> {
    const items = folder.kept(log);
    for (const { name, size } of items.slice(-MAX_TAKEN).reverse())
      if ((await verified(log, size, folder.read(log, name))) !== undefined) return size;
    return items.length === 0 ? undefined : 0;
  }
  /** What `newest` found last, and how the drop directory was then. */
  let last: { epoch: string; at: number; size: number | undefined } | undefined;

  return {
    async newest(log) {
      const epoch = epochOf(log.origin);
      if (last?.epoch !== epoch) last = { epoch, at: -1, size: await newestKept(log) };
      const known = last;
      const there = folder.peek(log);
      if (there === undefined || known.at === there.mark) return known.size;
      known.at = there.mark;
      const later = there.items().filter((n) => n.size > (known.size ?? 0));
      for (const { name, size } of later.slice(-MAX_TAKEN).reverse()) {
        if ((await verified(log, size, folder.readDropped(log, name))) === undefined) continue;
        known.size = size;
        break;
      }
      return known.size;
    },
    async find(log, seal) {
      await folder.take(log);
      const later = folder.kept(log).filter((n) => n.size >= seal.size);
      const [first] = later;
      const text = first === undefined ? undefined : textAt(log, first.size);
      if (first === undefined || text === undefined) return undefined;
      const lines: NoteSignature[] = [];
      for (const { name, size } of later) {
        const wanted = size === first.size && lines.length < MAX_LINES;
        const bytes = wanted ? folder.read(log, name) : undefined;
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
