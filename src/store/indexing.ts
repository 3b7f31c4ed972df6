/** Brings the index up to the log: from where it ends, or from the beginning where it is missing. */
import { AttestdError } from '../core/errors.ts';
import { Batch } from './batch.ts';
import { type Frame, TYPE } from './frame.ts';
import type { Lookup } from './lookup.ts';
import { readSealed } from './seal.ts';
import type { Place, Tip } from './segment.ts';
import type { WritePoint } from './segments.ts';
import type { Wal } from './wal.ts';

/** Entries after which the index is written while catching up. */
const FLUSH_EVERY = 16_384;

/**
 * Adds to the index what it lacks.
 * @param progress told of entries done and in all
 * @throws STORE_CORRUPT when the index knows more than the log, or another log, or the log is damaged on the way
 */
export async function catchUp(
  wal: Wal,
  lookup: Lookup,
  tip: Tip,
  point: Readonly<WritePoint>,
  progress: (done: number, total: number) => void,
): Promise<void> {
  const total = tip.edge.size;
  const mark = lookup.mark();
  if (mark !== undefined && (mark.size > total || isBehind(point, mark.place)))
    throw new AttestdError('STORE_CORRUPT', `the log ends at ${total} entries, its index knows ${mark.size}`);
  let chain = mark?.chain;
  let size = mark?.size ?? 0;
  let flushed = size;
  for (const { frame, place } of wal.frames(mark?.place ?? { ordinal: 0, offset: 0 }, point)) {
    if (chain !== undefined && !frame.chain.equals(chain)) throw broken(place, 'the chain is broken');
    if (frame.first !== size) throw broken(place, `first index ${frame.first}, ${size} is due`);
    chain = frame.digest();
    addFrame(lookup, frame, place, tip.origin);
    size += frame.count;
    if (size - flushed < FLUSH_EVERY) continue;
    flushed = size;
    lookup.reach({ size, place: { ordinal: place.ordinal, offset: place.offset + frame.bytes }, chain });
    await lookup.flush();
    progress(size, total);
  }
  if (chain !== undefined && !chain.equals(point.chain))
    throw new AttestdError('STORE_CORRUPT', 'the index is that of another history of the log');
  if (size !== total)
    throw new AttestdError('STORE_CORRUPT', `the log has ${size} entries, ${total} are due`);
  lookup.reach({ size, place: { ordinal: point.ordinal, offset: point.offset }, chain: point.chain });
}

function addFrame(lookup: Lookup, frame: Frame, place: Place, origin: string): void {
  if (frame.type === TYPE.batch || frame.type === TYPE.thinned) {
    lookup.addFrame(frame.first, place);
    for (const [i, { id, uid, key }] of new Batch(frame).metas().entries())
      lookup.addEntry(frame.first + i, id, uid, key);
  }
  if (frame.type === TYPE.seal) {
    const { size, seq, bootIndex } = readSealed(frame.payload, origin);
    lookup.addSeal({ size, seq, bootIndex, place });
  }
}

const isBehind = (point: Readonly<WritePoint>, { ordinal, offset }: Place): boolean =>
  ordinal > point.ordinal || (ordinal === point.ordinal && offset > point.offset);

const broken = ({ ordinal, offset }: Place, why: string) =>
  new AttestdError('STORE_CORRUPT', `${why} in segment ${ordinal} at byte ${offset}`);
