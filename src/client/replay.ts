/**
 * The spool, emptied into the log: oldest file first, the lines of a file in order, each under its idempotency key, so
 * that a line that is sent twice is one record. One replay at a time in a process.
 */
import { type AttestdError, ERRORS, isAttestdError } from '../core/errors.ts';
import type { Receipt } from './request.ts';
import type { Spool, SpoolLine } from './spool.ts';

/** What a replay came to. */
export interface Replayed {
  /** Records that are in the log now, by the keys under which they waited. */
  readonly recorded: readonly { readonly key: string; readonly id: string; readonly digest: string }[];
  /** Files whose records the daemon refused for good; they lie aside. */
  readonly refused: readonly { readonly file: string; readonly error: AttestdError }[];
}

type Recorded = Replayed['recorded'][number];
type Place = Pick<Receipt, 'id' | 'digest'>;

export interface Replayer {
  /** Empties the spool. @throws the error for which it has to wait: the daemon is away or takes no more just now */
  drain(): Promise<Replayed>;
  /** Keeps a file, although its lines may be in the log, for more of them will come. */
  hold(name: string): void;
  release(name: string): void;
  /** Digest of the last record of a held file that is in the log. */
  digest(name: string): string | undefined;
  /** Whether something waits, as far as this process knows. */
  waiting: boolean;
}

/** Whether trying again can help, and the record may wait: the daemon, its TPM or its disk is away, or it is flooded. */
export const isAway = (e: unknown): e is AttestdError =>
  isAttestdError(e) &&
  (ERRORS[e.code].status === 503 || e.code === 'RATE_LIMITED') &&
  !['SEAL_PENDING', 'SPOOL_FULL', 'SPOOL_UNAVAILABLE'].includes(e.code);

/** @param post sends one body under its key and waits until it is durable */
export function createReplayer(spool: Spool, post: (body: string, key: string) => Promise<Place>): Replayer {
  const held = new Map<string, string | undefined>();
  let underway: Promise<Replayed> | undefined;

  async function send({ body, key }: SpoolLine): Promise<Place> {
    try {
      return await post(body, key);
    } catch (e) {
      // It did arrive, on time, and only the answer was lost: then it is not late, and it stays as it was.
      if (isAttestdError(e, 'IDEMPOTENCY_MISMATCH') && e.facts.record !== undefined) return e.facts.record;
      throw e;
    }
  }

  async function file(name: string, recorded: Recorded[]): Promise<void> {
    const holes: [string, string][] = [];
    let done = 0;
    for (;;) {
      // Read again after each round: an execution of this process may have come to its end meanwhile.
      const lines = spool.read(name) ?? [];
      if (lines.length <= done) break;
      for (const line of lines.slice(done)) {
        const body = holes.reduce((text, [hole, digest]) => text.replaceAll(hole, digest), line.body);
        const { id, digest } = await send({ ...line, body });
        recorded.push({ key: line.key, id, digest });
        if (line.hole !== undefined) holes.push([line.hole, digest]);
        if (held.has(name)) held.set(name, digest);
        done++;
      }
    }
    if (!held.has(name)) spool.remove(name);
  }

  async function drain(): Promise<Replayed> {
    const refused: { file: string; error: AttestdError }[] = [];
    const recorded: Recorded[] = [];
    for (const name of spool.names()) {
      try {
        await file(name, recorded);
      } catch (e) {
        if (!isAttestdError(e) || isAway(e)) throw e;
        refused.push({ file: spool.refuse(name), error: e });
      }
    }
    replayer.waiting = held.size > 0;
    return { recorded, refused };
  }

  const replayer: Replayer = {
    // Until somebody has looked, something may wait from an earlier process.
    waiting: true,
    drain() {
      underway ??= drain().finally(() => {
        underway = undefined;
      });
      return underway;
    },
    hold: (name) => void held.set(name, undefined),
    release: (name) => void held.delete(name),
    digest: (name) => held.get(name),
  };
  return replayer;
}
