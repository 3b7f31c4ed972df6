/**
 * The measurements that a bundle carries: those of the run that its seal speaks for, and before them those of earlier
 * runs in the same life of the TPM, back to a register of zeros, as far as that is not too many.
 */
import { equal, toHex, ZERO32 } from '../../core/bytes.ts';
import { recordDigest } from '../../evidence/dsse.ts';
import { MAX_MEASUREMENTS } from '../../evidence/schema/bundle.ts';
import { readStatement } from '../../evidence/statement.ts';
import type { Sealed } from '../../store/seal.ts';
import type { LogReader } from '../reader.ts';
import { readLink, runOf } from './chain.ts';
import type { MeasuredPlaces } from './places.ts';

/** Most measurements of earlier runs in a bundle: a few restarts of the daemon. */
const MAX_EARLIER = 512;

/** Their indices, rising; none where the run does not measure itself. */
export function chainOf(
  log: LogReader,
  places: Pick<MeasuredPlaces, 'between' | 'known'>,
  seal: Sealed,
): number[] {
  const entry = log.entry(seal.bootIndex);
  const boot = readStatement(entry);
  const register = boot.kind === 'boot' ? boot.predicate.register : undefined;
  if (register === undefined) return [];
  const digest = toHex(recordDigest(entry));
  const own = places
    .between(seal.bootIndex + 1, seal.size)
    .filter((i) => runOf(log.entry(i)) === digest)
    .slice(0, MAX_MEASUREMENTS);
  const first = own[0];
  let begins = first === undefined ? undefined : readLink(log.entry(first), first, register)?.prev;
  const earlier: number[] = [];
  for (const index of [...places.known()].reverse()) {
    if (index >= seal.bootIndex) continue;
    if (begins === undefined || equal(begins, ZERO32)) break;
    if (earlier.length >= Math.min(MAX_EARLIER, MAX_MEASUREMENTS - own.length)) return own;
    const link = readLink(log.entry(index), index, register);
    if (link === undefined || !equal(link.after, begins)) break;
    earlier.unshift(index);
    begins = link.prev;
  }
  return [...earlier, ...own];
}
