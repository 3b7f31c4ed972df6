/** `attestctl enroll respond`: activates the credential in the challenge and quotes over it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { equal } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { layoutOf } from '../../daemon/layout.ts';
import { selectionOf } from '../../daemon/selection.ts';
import { parseRequest } from '../../evidence/enrolment.ts';
import { ekOfCertificate, findEks } from '../../tpm/ek.ts';
import { respond } from '../../tpm/enrol.ts';
import { type Input, text } from '../command.ts';
import { readInput, reportWritten, writeOutput } from '../files.ts';
import { chosenConfig, withIdentity } from '../host.ts';

export async function run(input: Input): Promise<number> {
  const config = chosenConfig(input);
  const challenge = await readInput(input.args[0] as string, input.io);
  let request: Uint8Array;
  try {
    request = new Uint8Array(readFileSync(join(layoutOf(config.state_dir).identity, 'request.json')));
  } catch (cause) {
    throw new AttestdError('NOT_ENROLLED', 'this host has made no request', { cause });
  }
  const asked = parseRequest(request);
  const response = await withIdentity(config, async (tpm, identity) => {
    const ek =
      (await findEks(tpm)).eks.find((e) => equal(e.public, asked.ek.public)) ??
      (await ekOfCertificate(tpm, asked.ek.certificate ?? new Uint8Array()));
    return respond(tpm, {
      request,
      challenge,
      identity,
      ek,
      selection: selectionOf(config.tpm.pcrs),
      clock: Date.now,
    });
  });
  const out = text(input, 'out') as string;
  await writeOutput(out, response, input.io);
  reportWritten(input.io, out);
  return 0;
}
