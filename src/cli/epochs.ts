/**
 * The epochs of a host as they lie below its state directory: each log's genesis, its final seal, and whether the next
 * genesis names exactly that seal. It reads and compares; whether entries and seals hold is for `attestctl audit`.
 */
import { join } from 'node:path';
import { fromBase64, toHex } from '../core/bytes.ts';
import { AttestdError, isAttestdError } from '../core/errors.ts';
import { layoutOf, readCurrent } from '../daemon/layout.ts';
import { type Predicate, readStatement } from '../evidence/statement.ts';
import { publicName } from '../evidence/tpm/public.ts';
import { epochs } from '../store/layout.ts';
import { readLog } from '../store/reader.ts';
import type { Sealed } from '../store/seal.ts';

/** How an epoch hangs on the one before. */
export type Link = 'first' | 'chained' | 'broken' | 'missing';

/** One epoch. */
export interface Epoch {
  readonly origin: string;
  /** Whether the daemon writes to it. */
  readonly current: boolean;
  /** RFC 3339 time in its genesis. */
  readonly begun: string;
  readonly entries: number;
  /** Size and digest of its final seal; absent where it was never sealed. */
  readonly seal?: { readonly size: number; readonly digest: string };
  /** Hex Name of its AK: another one means that the TPM was cleared or replaced. */
  readonly akName: string;
  /** What genesis says went before. */
  readonly previous?: { readonly origin: string; readonly seal: string; readonly size: number };
  /**
   * first: nothing went before; chained: genesis names the final seal of the log before; broken: it names another one;
   * missing: the log before is not here.
   */
  readonly link: Link;
}

/** Every epoch, the oldest first. @throws NOT_FOUND where there is none, STORE_CORRUPT */
export async function readEpochs(state: string, progress: (entries: number) => void): Promise<Epoch[]> {
  const names = epochs(state);
  if (names.length === 0) throw new AttestdError('NOT_FOUND', `there is no log under ${state}`);
  const current = currentOrigin(state);
  const read: Omit<Epoch, 'link'>[] = [];
  for (const name of names) read.push(await readEpoch(join(state, 'log', name), current, progress));
  const byOrigin = new Map(read.map((e) => [e.origin, e]));
  return read
    .map((e): Epoch => ({ ...e, link: linkOf(e, byOrigin) }))
    .sort((a, b) => (a.begun < b.begun ? -1 : a.begun > b.begun ? 1 : 0));
}

function currentOrigin(state: string): string | undefined {
  try {
    return readCurrent(layoutOf(state)).origin;
  } catch (e) {
    if (isAttestdError(e, 'NOT_INITIALISED')) return undefined;
    throw e;
  }
}

function linkOf(e: Omit<Epoch, 'link'>, all: ReadonlyMap<string, Omit<Epoch, 'link'>>): Link {
  if (e.previous === undefined) return 'first';
  const before = all.get(e.previous.origin);
  if (before === undefined) return 'missing';
  const { seal } = before;
  return seal?.digest === e.previous.seal && seal.size === e.previous.size ? 'chained' : 'broken';
}

async function readEpoch(
  dir: string,
  current: string | undefined,
  progress: (entries: number) => void,
): Promise<Omit<Epoch, 'link'>> {
  const log = readLog(dir);
  let genesis: Predicate<'genesis'> | undefined;
  let seal: Sealed | undefined;
  let entries = 0;
  for await (const frame of log.frames()) {
    if (frame.kind === 'seal') seal = frame.sealed;
    if (frame.kind !== 'entries') continue;
    genesis ??= genesisOf(frame.batch.entry(0), log.origin);
    entries = frame.first + frame.batch.count;
    progress(entries);
  }
  if (genesis === undefined) throw new AttestdError('STORE_CORRUPT', `${dir} has no genesis`);
  return {
    origin: log.origin,
    current: log.origin === current,
    begun: genesis.time,
    entries,
    ...(seal === undefined ? {} : { seal: { size: seal.size, digest: toHex(seal.digest) } }),
    akName: toHex(publicName(fromBase64(genesis.ak.public))),
    ...(genesis.previous === undefined ? {} : { previous: genesis.previous }),
  };
}

function genesisOf(entry: Uint8Array, origin: string): Predicate<'genesis'> {
  const { kind, predicate } = readStatement(entry);
  if (kind !== 'genesis') throw new AttestdError('STORE_CORRUPT', `${origin} does not begin with a genesis`);
  return predicate;
}
