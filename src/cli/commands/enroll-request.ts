/** `attestctl enroll request`: what this host is, for the authority. */
import { type Input, text } from '../command.ts';
import { requestOf } from '../enrolment.ts';
import { readInput, reportWritten, writeOutput } from '../files.ts';
import { chosenConfig, withIdentity } from '../host.ts';

export async function run(input: Input): Promise<number> {
  const config = chosenConfig(input);
  const given = text(input, 'ekCertificate');
  const file = given === undefined ? undefined : await readInput(given, input.io);
  const request = await withIdentity(config, (tpm, identity) =>
    requestOf({ config, tpm, identity }, input.io, file),
  );
  const out = text(input, 'out') as string;
  await writeOutput(out, request, input.io);
  reportWritten(input.io, out);
  return 0;
}
