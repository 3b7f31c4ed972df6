/** `attestctl key sign`: a message signed by a key of this caller, in the TPM. */
import { type Input, text } from '../command.ts';
import { readInput, reportWritten, writeOutput } from '../files.ts';
import { withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const [name, file] = input.args as [string, string];
  const message = await readInput(file, input.io);
  const signature = await withClient(input, (client) => client.sign(name, message));
  const out = text(input, 'out') as string;
  await writeOutput(out, signature, input.io);
  reportWritten(input.io, out, { name });
  return 0;
}
