/** The daemon's newest published checkpoint, read over the socket of the callers, and proofs from its tiles. */
import type { Transport } from '../client/transport.ts';
import { AttestdError } from '../core/errors.ts';
import { parseJson } from '../core/json.ts';
import { parseSeal } from '../evidence/seal.ts';
import { parseCheckpoint } from '../log/checkpoint.ts';
import { consistencyProof } from '../log/consistency.ts';
import { parseNote } from '../log/note.ts';
import { printTilePath } from '../log/tile.ts';
import { tileSource } from '../log/tilesource.ts';
import type { Stampable } from './drop.ts';
import type { Checkpointed } from './witness.ts';

export type PublishedCheckpoint = Stampable & Checkpointed;

/** The newest published checkpoint; undefined where there is none yet. @throws DAEMON_UNAVAILABLE, MALFORMED */
export async function newestPublished(transport: Transport): Promise<PublishedCheckpoint | undefined> {
  const status = await transport.call({ method: 'GET', path: '/v1/status' });
  const { log } = (parseJson(status.body) ?? {}) as { log?: unknown };
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
  const { size } = parseCheckpoint(text);
  const nodes = tileSource(size, async (tile) => {
    const { body } = await transport.call({ method: 'GET', path: `/v1/log/${epoch}/${printTilePath(tile)}` });
    return body;
  });
  return {
    epoch,
    size,
    seq: parseSeal(line.signature).header.seq,
    seal: line.signature,
    text,
    note,
    consistency: (from) => consistencyProof(from, size, nodes),
  };
}
