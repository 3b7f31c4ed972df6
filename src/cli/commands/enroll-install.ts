/** `attestctl enroll install`: keeps the certificate if it is for the AK of this host and names this host. */
import type { Input } from '../command.ts';
import { installCertificate, reportInstalled } from '../enrolment.ts';
import { readInput } from '../files.ts';
import { chosenConfig, withIdentity } from '../host.ts';

export async function run(input: Input): Promise<number> {
  const config = chosenConfig(input);
  const file = await readInput(input.args[0] as string, input.io);
  const installed = await withIdentity(config, (tpm, identity) =>
    installCertificate({ config, tpm, identity }, file),
  );
  reportInstalled(input.io, installed);
  return 0;
}
