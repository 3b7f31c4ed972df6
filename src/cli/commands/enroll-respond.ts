/** `attestctl enroll respond`: activates the credential in the challenge and quotes over it. */
import { type Input, text } from '../command.ts';
import { responseOf } from '../enrolment.ts';
import { readInput, reportWritten, writeOutput } from '../files.ts';
import { chosenConfig, withIdentity } from '../host.ts';

export async function run(input: Input): Promise<number> {
  const config = chosenConfig(input);
  const challenge = await readInput(input.args[0] as string, input.io);
  const response = await withIdentity(config, (tpm, identity) =>
    responseOf({ config, tpm, identity }, challenge),
  );
  const out = text(input, 'out') as string;
  await writeOutput(out, response, input.io);
  reportWritten(input.io, out);
  return 0;
}
