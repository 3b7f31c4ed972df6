/**
 * Threads that read the entries of an audit: taking an entry apart is nine tenths of the work and needs nothing of the
 * entries around it. A log of one segment is read in place, for starting threads would take longer.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { AttestdError } from '../../core/errors.ts';
import type { Stretch } from '../../verify/audit/stretch.ts';

/** More than this wait for the one thread that puts everything in its place. */
const MAX_THREADS = 4;

export interface Readers {
  readonly threads: number;
  /** Reads entries (u16 length ‖ bytes, each); undefined when they are not a stretch. */
  read(entries: Uint8Array): Promise<Stretch | undefined>;
  close(): Promise<void>;
}

interface Thread {
  readonly worker: Worker;
  readonly waiting: { resolve(s: Stretch | undefined): void; reject(e: Error): void }[];
  /** Why it reads no more: whoever asked it then would wait for ever. */
  failed: Error | undefined;
}

/** Starts one thread for each core. Answers come in the order asked of each thread, and each caller gets its own. */
export function startReaders(): Readers {
  const threads = Array.from({ length: Math.min(MAX_THREADS, availableParallelism()) }, start);
  let turn = 0;
  return {
    threads: threads.length,
    read(entries) {
      const thread = threads[turn++ % threads.length] as Thread;
      if (thread.failed !== undefined) return Promise.reject(thread.failed);
      return new Promise((resolve, reject) => {
        thread.waiting.push({ resolve, reject });
        thread.worker.postMessage(entries);
      });
    },
    async close() {
      await Promise.all(threads.map(({ worker }) => worker.terminate()));
    },
  };
}

function start(): Thread {
  const worker = new Worker(new URL('./readerthread.js', import.meta.url));
  const thread: Thread = { worker, waiting: [], failed: undefined };
  const fail = (e: Error): void => {
    thread.failed ??= e;
    for (const w of thread.waiting.splice(0)) w.reject(thread.failed);
  };
  worker.on('message', (s: Stretch | undefined) => thread.waiting.shift()?.resolve(s));
  worker.on('error', fail);
  worker.on('exit', () => fail(new AttestdError('INTERNAL', 'a thread of the audit has ended')));
  return thread;
}
