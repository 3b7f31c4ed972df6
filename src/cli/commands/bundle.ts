/** `attestctl bundle`: the evidence of one record as one file, from the daemon or from a state directory. */
import { parseBundle } from '../../evidence/bundle.ts';
import { writeBeside } from '../attachment.ts';
import { type Input, list, on, text } from '../command.ts';
import { readInput, reportWritten, writeOutput } from '../files.ts';
import { type Named, packForeign } from '../foreign.ts';
import { withClient } from '../session.ts';

interface Taken {
  readonly bytes: Uint8Array;
  attachment(sha256: string): AsyncIterable<Uint8Array> | undefined;
}

export async function run(input: Input): Promise<number> {
  const id = input.args[0] as string;
  const state = text(input, 'state');
  if (state === undefined) {
    return withClient(input, async (client) => {
      const bytes = await client.bundle(id, { lineage: on(input, 'withLineage'), ima: on(input, 'ima') });
      return write(input, id, { bytes, attachment: (sha256) => client.attachment(sha256) });
    });
  }
  const { bundleFromState } = await import('../../daemon/offline.ts');
  const { withState } = await import('../keeping/desk.ts');
  return withState(state, async (dir) => {
    const { bytes, attachment } = await bundleFromState(dir, id, { ima: on(input, 'ima') });
    return write(input, id, { bytes, attachment: (sha256) => attachment(sha256)?.pieces() });
  });
}

async function write(input: Input, id: string, taken: Taken): Promise<number> {
  const { io } = input;
  const out = text(input, 'out') as string;
  const foreign: Named[] = [];
  for (const name of list(input, 'foreign')) foreign.push({ name, bytes: await readInput(name, io) });
  const bytes = packForeign(taken.bytes, foreign);
  const beside = await writeBeside(out, parseBundle(bytes).logs?.ima, taken.attachment);
  await writeOutput(out, bytes, io);
  if (out !== '-') io.note(`${bytes.length} bytes of evidence in ${out}`);
  if (beside !== undefined) io.note(`and ${beside.size} bytes beside it, which go with it: ${beside.file}`);
  reportWritten(io, out, {
    id,
    bytes: bytes.length,
    ...(beside === undefined ? {} : { attachments: [beside] }),
  });
  return 0;
}
