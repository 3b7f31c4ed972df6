/**
 * Records that may wait: made at once where the daemon is there, else spooled and made later. What was late says so:
 * `claimed.late` is when it happened by the caller's clock, `claimed.latePid` the process that did it, for the kernel
 * sees at that time only who brings the record; and `capture` says that nobody watched.
 */
import { randomBytes } from 'node:crypto';
import { AttestdError } from '../core/errors.ts';
import { createReplayer, isAway, type Replayed } from './replay.ts';
import type { Receipt, RecordRequest, Spooled, Strength } from './request.ts';
import type { Spool, SpoolLine } from './spool.ts';

/** Sends one body under its key. */
export type Post = (body: string, key: string, wait: Strength) => Promise<Receipt>;

export interface Late {
  /** Records now, or spools. */
  record(request: RecordRequest, wait: Strength, key: string): Promise<Receipt | Spooled>;
  /** Records the beginning of an execution now, or spools it. @returns how to end it */
  attempt(request: RecordRequest, key: string): Promise<Attempted>;
  /** Spools. */
  keep(request: RecordRequest, key: string): Spooled;
  /** Whether a record waits for what this error says. */
  takes(fault: AttestdError): boolean;
  flush(): Promise<Replayed>;
}

interface Attempted {
  readonly attempt: Receipt | Spooled;
  end(request: RecordRequest, wait: Strength): Promise<Receipt | Spooled>;
}

/** What a record that waits says besides. */
const OMITTED = 'recorded late by its caller; attestd did not see it happen';
const RESERVED = ['late', 'latePid'];

/** @param onRefused told of spooled records that the daemon refused for good */
export function createLate(spool: Spool, post: Post, onRefused: (what: Replayed['refused']) => void): Late {
  const replayer = createReplayer(spool, (body, key) => post(body, key, 'durable'));

  function line(request: RecordRequest, key: string, hole?: string): SpoolLine {
    const { claimed = {}, capture } = request;
    const body = JSON.stringify({
      ...request,
      claimed: { ...claimed, late: new Date().toISOString(), latePid: process.pid },
      capture: { complete: false, omitted: [...(capture?.omitted ?? []), OMITTED] },
    } satisfies RecordRequest);
    return { key, body, ...(hole === undefined ? {} : { hole }) };
  }
  function write(lines: readonly SpoolLine[]): string {
    const name = spool.create(lines);
    replayer.waiting = true;
    return name;
  }
  const spooled = (key: string): Spooled => ({ strength: 'spooled', key });
  async function flush(): Promise<Replayed> {
    const replayed = await replayer.drain();
    if (replayed.refused.length > 0) onRefused(replayed.refused);
    return replayed;
  }
  /** Does it behind all that waits. @returns nothing when it has to wait as well */
  async function now<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      if (replayer.waiting) await flush();
      return await work();
    } catch (e) {
      if (!isAway(e)) throw e;
      return undefined;
    }
  }
  function free(request: RecordRequest): void {
    const taken = RESERVED.find((name) => request.claimed !== undefined && name in request.claimed);
    if (taken !== undefined)
      throw new AttestdError('USAGE', `claimed.${taken} is said by the client of late records alone`, {
        field: `claimed.${taken}`,
      });
  }
  const keep = (request: RecordRequest, key: string): Spooled => {
    write([line(request, key)]);
    return spooled(key);
  };
  const completing = (request: RecordRequest, digest: string): RecordRequest => ({
    ...request,
    parents: [{ rel: 'completes', digest }, ...(request.parents ?? [])],
  });

  return {
    async record(request, wait, key) {
      free(request);
      return (await now(() => post(JSON.stringify(request), key, wait))) ?? keep(request, key);
    },
    async attempt(request, key) {
      free(request);
      const receipt = await now(() => post(JSON.stringify(request), `${key}/attempted`, 'durable'));
      const ended = `${key}/completed`;
      if (receipt !== undefined) {
        return {
          attempt: receipt,
          async end(request, wait) {
            const whole = completing(request, receipt.digest);
            return (await now(() => post(JSON.stringify(whole), ended, wait))) ?? keep(whole, ended);
          },
        };
      }
      const hole = randomBytes(32).toString('hex');
      const first = line(request, `${key}/attempted`, hole);
      const name = write([first]);
      replayer.hold(name);
      return {
        attempt: spooled(first.key),
        async end(request, wait) {
          try {
            const receipt = await now(async () => {
              const digest = replayer.digest(name);
              // It went in while the work was going on: then the end is on time.
              return digest === undefined
                ? undefined
                : await post(JSON.stringify(completing(request, digest)), ended, wait);
            });
            if (receipt !== undefined) return receipt;
            const last = line(completing(request, hole), ended);
            if (!spool.append(name, last)) write([first, last]);
            return spooled(ended);
          } finally {
            replayer.release(name);
            replayer.waiting = true;
          }
        },
      };
    },
    keep,
    takes: isAway,
    flush,
  };
}
