/**
 * The forwarder: reads the newest published checkpoint over the daemon's socket of the callers, which shows it nothing
 * of anybody's records, and has each authority stamp it and each witness cosign it. It has the network and no TPM; the daemon has the TPM and no
 * network.
 */

import { openTransport } from '../client/transport.ts';
import { utf8 } from '../core/bytes.ts';
import type { AttestdError } from '../core/errors.ts';
import { printVkey } from '../log/keys.ts';
import { printSignature } from '../log/note.ts';
import type { ForwardConfig } from './config.ts';
import { type Dropped, drop, newestDropped, prune } from './drop.ts';
import { newestPublished, type PublishedCheckpoint } from './published.ts';
import { createQueue, type StampQueue } from './queue.ts';
import { askTsa } from './tsa.ts';
import { askWitness } from './witness.ts';

export interface ForwardInput {
  readonly config: ForwardConfig;
  /** Exactly n random bytes. */
  readonly random: (n: number) => Uint8Array;
  /** One line for the journal: what, and facts. */
  readonly say: (level: 'info' | 'warn', what: string, facts: Readonly<Record<string, unknown>>) => void;
  /** Milliseconds before the first try after a failure; a second when absent. */
  readonly firstWaitMs?: number;
}

export interface Forward {
  /** Looks once whether the newest checkpoint is due, and queues it for whom it is; undefined where for nobody. */
  look(): Promise<PublishedCheckpoint | undefined>;
  /** Goes on looking at its cadence. */
  start(): void;
  stop(): Promise<void>;
}

/** An authority or witness with what waits for it. */
interface Asked {
  readonly by: string;
  readonly kind: Dropped;
  readonly queue: StampQueue<PublishedCheckpoint>;
  /** The newest that was queued. */
  last?: Pick<PublishedCheckpoint, 'epoch' | 'seq'>;
}

/** Whether so many checkpoints were sealed since this one. Fewer than none: the host went back behind it, which is new. */
const isDue = (seq: number, since: number, every: number): boolean => seq < since || seq - since >= every;

const CLIENT = 'attestd-forward/0.1';

export function createForward(input: ForwardInput): Forward {
  const { config, say } = input;
  const transport = openTransport(config.socket, CLIENT);
  const queues: Asked[] = [];
  const ask = (by: string, kind: Dropped, obtain: (s: PublishedCheckpoint) => Promise<Uint8Array>): void => {
    const [done, trouble, who] =
      kind === 'tst' ? ['stamped', 'no timestamp', 'authority'] : ['cosigned', 'no cosignature', 'witness'];
    const queue = createQueue<PublishedCheckpoint>({
      max: config.queue,
      async work(s) {
        drop(config.dropDir, s, by, kind, await obtain(s));
        prune(config.dropDir, s.epoch, kind, config.keep);
        say('info', done, { [who]: by, size: s.size, seq: s.seq });
      },
      onTrouble: (e, waitMs) =>
        say('warn', trouble, {
          [who]: by,
          code: (e as Partial<AttestdError>).code,
          error: e.message,
          retryMs: Math.round(waitMs),
        }),
      jitter: () => (input.random(1)[0] as number) / 256,
      ...(input.firstWaitMs === undefined ? {} : { firstWaitMs: input.firstWaitMs }),
    });
    queues.push({ by, kind, queue });
  };
  for (const tsa of config.tsa) ask(tsa.name, 'tst', (s) => askTsa(tsa, s.seal, input.random));
  for (const witness of config.witnesses) {
    ask(witness.name, 'cosig', async (s) => {
      const seen = newestDropped(config.dropDir, s.epoch, witness.name, 'cosig')?.size ?? 0;
      const line = await askWitness(witness, s, Math.min(seen, s.size));
      return utf8(`${printVkey(witness.key)}\n${printSignature(line)}`);
    });
  }

  async function look(): Promise<PublishedCheckpoint | undefined> {
    const found = await newestPublished(transport);
    if (found === undefined) return undefined;
    let queued = false;
    for (const asked of queues) {
      const { by, kind, queue, last } = asked;
      const before =
        last?.epoch === found.epoch ? last : newestDropped(config.dropDir, found.epoch, by, kind);
      if (before !== undefined && !isDue(found.seq, before.seq, config.every)) continue;
      asked.last = found;
      queue.push(found);
      queued = true;
    }
    return queued ? found : undefined;
  }

  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const round = (): void => {
    look()
      .catch((e: Error) => say('warn', 'the daemon gives no checkpoint', { error: e.message }))
      .finally(() => {
        if (!stopped) timer = setTimeout(round, config.intervalMs);
      });
  };
  return {
    look,
    start: round,
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await Promise.all(queues.map(({ queue }) => queue.stop()));
      transport.close();
    },
  };
}
