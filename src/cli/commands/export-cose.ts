/** `attestctl export cose`: a record as COSE_Sign1 with a receipt of the log. */
import { type Input, text } from '../command.ts';
import { reportWritten, writeOutput } from '../files.ts';
import { namedRecord } from '../recordfile.ts';
import { withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const { id } = await namedRecord(input);
  const bytes = await withClient(input, (client) => client.cose(id));
  const out = text(input, 'out') as string;
  await writeOutput(out, bytes, input.io);
  reportWritten(input.io, out, { id, bytes: bytes.length });
  return 0;
}
