/** `attestctl bundle`: the evidence of one record as one file, from the daemon or from a state directory. */
import { type Input, list, on, text } from '../command.ts';
import { readInput, reportWritten, writeOutput } from '../files.ts';
import { type Named, packForeign } from '../foreign.ts';
import { withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const id = input.args[0] as string;
  const state = text(input, 'state');
  const taken =
    state === undefined
      ? await withClient(input, (client) => client.bundle(id, { lineage: on(input, 'withLineage') }))
      : await (await import('../../daemon/offline.ts')).bundleFromState(state, id);
  const foreign: Named[] = [];
  for (const name of list(input, 'foreign')) foreign.push({ name, bytes: await readInput(name, input.io) });
  const bytes = packForeign(taken, foreign);
  const out = text(input, 'out') as string;
  await writeOutput(out, bytes, input.io);
  if (out !== '-') input.io.note(`${bytes.length} bytes of evidence in ${out}`);
  reportWritten(input.io, out, { id, bytes: bytes.length });
  return 0;
}
