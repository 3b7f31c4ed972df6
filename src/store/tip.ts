/** How the tip of the log moves: by each frame that is read, and by each that has been written. */
import { equal } from '../core/bytes.ts';
import { Batch, type Item } from './batch.ts';
import type { TileVisitor } from './edge.ts';
import { type Frame, TYPE } from './frame.ts';
import { sha256Of } from './hash.ts';
import { parseForget, parseIntent } from './intent.ts';
import { brokenHistory, readSealed, type Sealed } from './seal.ts';
import type { Place, Tip } from './segment.ts';

/**
 * Takes what a frame says into the tip.
 * @returns what is wrong, or undefined
 */
export function applyFrame(tip: Tip, frame: Frame, place: Place, visit?: TileVisitor): string | undefined {
  const { type, first, payload } = frame;
  if (first !== tip.edge.size) return `first index ${first}, ${tip.edge.size} is due`;
  if (type === TYPE.batch) {
    const batch = new Batch(frame);
    for (const [i, meta] of batch.metas().entries()) {
      const entry = batch.entry(i);
      tip.edge.appendEntry(entry, visit);
      if (meta.mark !== undefined) markEntry(tip, first + i, entry, meta.mark);
    }
    return undefined;
  }
  if (frame.count !== 0 || frame.erasable.length !== 0) return 'a control frame with entries';
  if (type === TYPE.intent) openIntent(tip, parseIntent(payload));
  else if (type === TYPE.seal) {
    const sealed = readSealed(payload, tip.origin);
    if (sealed.size > tip.edge.size) return `a seal of ${sealed.size} entries in a log of ${tip.edge.size}`;
    const broken = brokenHistory(tip.lastSeal, sealed);
    if (broken !== undefined) return `seal: ${broken}`;
    takeSeal(tip, { ...sealed, place });
  } else if (type === TYPE.forget) parseForget(payload);
  else if (type === TYPE.thinned) return 'a thinned frame in the last segment';
  else return 'a segment head within a segment';
  return undefined;
}

/** Takes a boot entry or an anchor into the tip. */
export function markEntry(tip: Tip, index: number, entry: Uint8Array, mark: NonNullable<Item['mark']>): void {
  const digest = sha256Of(entry);
  if (mark.kind === 'boot') {
    tip.lastBoot = { index, digest };
    return;
  }
  tip.lastAnchor = { index, digest, counter: mark.counter };
  tip.intents = tip.intents.filter((i) => i.kind !== 'counter' || i.counter >= mark.counter);
}

/** Takes an intent: a new one stands in place of an older one of its kind. */
export function openIntent(tip: Tip, intent: Tip['intents'][number]): void {
  tip.intents = [...tip.intents.filter((i) => i.kind !== intent.kind), intent];
}

/** Takes a seal, which closes the intent that announced it. */
export function takeSeal(tip: Tip, seal: NonNullable<Tip['lastSeal']>): void {
  tip.lastSeal = seal;
  tip.intents = tip.intents.filter((i) => i.kind !== 'seal' || i.seq > seal.seq);
}

/**
 * Why a seal must not be recorded now; undefined when it may.
 * @param durable entries that are durable
 */
export function sealFault(
  tip: Tip,
  sealed: Sealed,
  durable: number,
  rootAt: (size: number) => Uint8Array,
): string | undefined {
  const { size, seq, root } = sealed;
  if (size > durable) return `${size} entries, of which ${durable} are durable`;
  if (!equal(root, rootAt(size))) return `the root of ${size} entries is another`;
  const intent = tip.intents.find((i) => i.kind === 'seal');
  if (intent !== undefined && (intent.seq !== seq || intent.size !== size))
    return `the open intent is seq ${intent.seq} over ${intent.size} entries`;
  return brokenHistory(tip.lastSeal, sealed);
}
