/** `attestctl enroll request`: what this host is, for the authority. Kept beside the keys, for the response needs it. */
import { join } from 'node:path';
import { AttestdError } from '../../core/errors.ts';
import { layoutOf, writeDurably } from '../../daemon/layout.ts';
import { ekOfCertificate, findEks } from '../../tpm/ek.ts';
import { makeRequest } from '../../tpm/enrol.ts';
import { type Input, text } from '../command.ts';
import { readInput, reportWritten, writeOutput } from '../files.ts';
import { chosenConfig, hostRandom, withIdentity } from '../host.ts';

export async function run(input: Input): Promise<number> {
  const config = chosenConfig(input);
  const given = text(input, 'ekCertificate');
  const file = given === undefined ? undefined : await readInput(given, input.io);
  const request = await withIdentity(config, async (tpm, identity) => {
    const search = await findEks(tpm);
    const ek = file === undefined ? search.eks[0] : await ekOfCertificate(tpm, file);
    if (ek === undefined) {
      throw new AttestdError(
        'ENROL_REFUSED',
        'this TPM has no endorsement certificate; give one by --ek-certificate',
      );
    }
    input.io.note(
      `EK ${ek.kind}${ek.nvIndex === null ? '' : `, certificate in NV 0x${ek.nvIndex.toString(16).padStart(8, '0')}`}`,
    );
    const { fleet, host } = config;
    return makeRequest(tpm, {
      fleet,
      host,
      identity,
      ek,
      chain: search.chain,
      random: hostRandom,
      clock: Date.now,
    });
  });
  writeDurably(join(layoutOf(config.state_dir).identity, 'request.json'), request);
  const out = text(input, 'out') as string;
  await writeOutput(out, request, input.io);
  reportWritten(input.io, out);
  return 0;
}
