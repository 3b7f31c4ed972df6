/** `attestctl key request`: a certificate request for a key in the TPM, as PEM. */
import { printPem } from '../../evidence/certfile.ts';
import { type Input, text } from '../command.ts';
import { reportWritten, writeOutput } from '../files.ts';
import { withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const name = input.args[0] as string;
  const der = await withClient(input, (client) => client.certificateRequest(name));
  const out = text(input, 'out') as string;
  await writeOutput(out, printPem([{ label: 'CERTIFICATE REQUEST', der }]), input.io);
  reportWritten(input.io, out, { name });
  return 0;
}
