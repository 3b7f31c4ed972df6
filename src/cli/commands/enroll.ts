/** `attestctl enroll --server URL --ca FILE`: the four files at once, over HTTPS to an authority that is pinned. */
import { AttestdError } from '../../core/errors.ts';
import { createAuthorityClient } from '../authorityclient.ts';
import { type Input, text } from '../command.ts';
import { installCertificate, reportInstalled, requestOf, responseOf } from '../enrolment.ts';
import { readInput } from '../files.ts';
import { chosenConfig, withIdentity } from '../host.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const server = text(input, 'server');
  const ca = text(input, 'ca');
  if (server === undefined || ca === undefined) {
    throw new AttestdError('USAGE', 'give --server and --ca, or carry files: attestctl enroll request');
  }
  const config = chosenConfig(input);
  const given = text(input, 'ekCertificate');
  const file = given === undefined ? undefined : await readInput(given, io);
  const authority = createAuthorityClient(server, await readInput(ca, io));
  const installed = await withIdentity(config, async (tpm, identity) => {
    const host = { config, tpm, identity };
    const challenge = await authority.challenge(await requestOf(host, io, file));
    const certificate = await authority.certificate(await responseOf(host, challenge));
    return installCertificate(host, certificate);
  });
  reportInstalled(io, installed);
  return 0;
}
