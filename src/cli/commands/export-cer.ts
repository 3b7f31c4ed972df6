/** `attestctl export cer`: a record as a NexArt Certified Execution Record that links to it. */
import { parseBundle } from '../../evidence/bundle.ts';
import { printCer } from '../../evidence/export/cer.ts';
import { type Input, on, text } from '../command.ts';
import { readInput, reportWritten, writeOutput } from '../files.ts';
import { isFile } from '../recordfile.ts';
import { withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const name = input.args[0] as string;
  const bytes = isFile(name)
    ? await readInput(name, io)
    : await withClient(input, (client) => client.bundle(name));
  const plaintext = on(input, 'plaintext');
  const out = text(input, 'out') as string;
  await writeOutput(out, printCer(parseBundle(bytes), plaintext), io);
  io.note('a CER proves integrity; who signed, where and when is in the evidence bundle');
  reportWritten(io, out, { plaintext });
  return 0;
}
