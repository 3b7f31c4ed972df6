/**
 * Threads that read the entries of an audit: taking an entry apart is nine tenths of the work and needs nothing of the
 * entries around it. A log of one segment is read in place, for starting threads would take longer.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
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
}

/** Starts one thread for each core. Answers come in the order asked of each thread, and each caller gets its own. */
export function startReaders(): Readers {
  const threads = Array.from({ length: Math.min(MAX_THREADS, availableParallelism()) }, start);
  let turn = 0;
  return {
    threads: threads.length,
    read(entries) {
      const { worker, waiting } = threads[turn++ % threads.length] as Thread;
      return new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        worker.postMessage(entries);
      });
    },
    async close() {
      await Promise.all(threads.map(({ worker }) => worker.terminate()));
    },
  };
}

function start(): Thread {
  const worker = new Worker(new URL('./readerthread.js', import.meta.url));
  const waiting: Thread['waiting'] = [];
  worker.on('message', (s: Stretch | undefined) => waiting.shift()?.resolve(s));
  worker.on('error', (e) => {
    for (const w of waiting.splice(0)) w.reject(e);
  });
  return { worker, waiting };
}
