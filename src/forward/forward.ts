/**
 * The forwarder: reads the newest published checkpoint over the daemon's socket of the callers, which shows it nothing
 * of anybody's records, and has each authority stamp it. It has the network and no TPM; the daemon has the TPM and no
 * network.
 */

import { openTransport, type Transport } from '../client/transport.ts';
import { AttestdError } from '../core/errors.ts';
import { parseSeal } from '../evidence/seal.ts';
import { parseCheckpoint } from '../log/checkpoint.ts';
import { parseNote } from '../log/note.ts';
import type { ForwardConfig } from './config.ts';
import { dropToken, newestDropped, prune, type Stampable } from './drop.ts';
import { createQueue, type StampQueue } from './queue.ts';
import { askTsa } from './tsa.ts';

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
  /** Looks once whether there is a new checkpoint, and queues it. */
  look(): Promise<Stampable | undefined>;
  /** Goes on looking at its cadence. */
  start(): void;
  stop(): Promise<void>;
}

const CLIENT = 'attestd-forward/0.1';

export function createForward(input: ForwardInput): Forward {
  const { config, say } = input;
  const transport = openTransport(config.socket, CLIENT);
  const queues = new Map<string, StampQueue<Stampable>>();
  for (const tsa of config.tsa) {
    const work = async (s: Stampable) => {
      const token = await askTsa(tsa, s.seal, input.random);
      dropToken(config.dropDir, s, tsa.name, token);
      prune(config.dropDir, s.epoch, config.keep);
      say('info', 'stamped', { authority: tsa.name, size: s.size, seq: s.seq });
    };
    queues.set(
      tsa.name,
      createQueue({
        max: config.queue,
        work,
        onTrouble: (e, waitMs) =>
          say('warn', 'no timestamp', {
            authority: tsa.name,
            code: (e as Partial<AttestdError>).code,
            error: e.message,
            retryMs: Math.round(waitMs),
          }),
        jitter: () => (input.random(1)[0] as number) / 256,
        ...(input.firstWaitMs === undefined ? {} : { firstWaitMs: input.firstWaitMs }),
      }),
    );
  }

  let last: string | undefined;
  async function look(): Promise<Stampable | undefined> {
    const found = await newest(transport);
    if (found === undefined) return undefined;
    const id = `${found.epoch}/${found.size}-${found.seq}`;
    if (id === last) return undefined;
    last = id;
    for (const [name, queue] of queues) {
      const before = newestDropped(config.dropDir, found.epoch, name);
      if (before?.size === found.size && before.seq === found.seq) continue;
      queue.push(found);
    }
    return found;
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
      await Promise.all([...queues.values()].map((q) => q.stop()));
      transport.close();
    },
  };
}

/** The newest published checkpoint; undefined where there is none yet. @throws DAEMON_UNAVAILABLE, MALFORMED */
async function newest(transport: Transport): Promise<Stampable | undefined> {
  const status = await transport.call({ method: 'GET', path: '/v1/status' });
  const { log } = JSON.parse(new TextDecoder().decode(status.body)) as { log?: unknown };
  if (typeof log !== 'string') return undefined;
  const epoch = log.slice(log.lastIndexOf('/') + 1);
  if (!/^[0-9a-f]{1,32}$/.test(epoch)) throw new AttestdError('MALFORMED', 'the daemon names no epoch');
  let note: Uint8Array;
  try {
    note = (await transport.call({ method: 'GET', path: `/v1/log/${epoch}/checkpoint` })).body;
  } catch (e) {
    if ((e as Partial<AttestdError>).code === 'NOT_FOUND') return undefined;
    throw e;
  }
  const { text, signatures } = parseNote(note);
  const line = signatures.find((s) => s.signature[0] === 1);
  if (line === undefined) throw new AttestdError('MALFORMED', 'the checkpoint has no seal');
  return {
    epoch,
    size: parseCheckpoint(text).size,
    seq: parseSeal(line.signature).header.seq,
    seal: line.signature,
  };
}
