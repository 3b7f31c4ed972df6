/** `attestctl export slsa`: the provenance of what a CI step made, signed by the record key of the host. */
import { parseEnvelope } from '../../evidence/export/envelope.ts';
import { type Input, text } from '../command.ts';
import { reportWritten, writeOutput } from '../files.ts';
import { withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const id = input.args[0] as string;
  const envelope = await withClient(input, (client) => client.envelope(id, 'provenance'));
  const { keyId } = parseEnvelope(envelope);
  const out = text(input, 'out') as string;
  await writeOutput(out, envelope, io);
  if (out !== '-') io.note(`key ${keyId}, in ${out}`);
  reportWritten(io, out, { key: keyId });
  return 0;
}
