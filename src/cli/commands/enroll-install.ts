/** `attestctl enroll install`: keeps the certificate if it is for the AK of this host and names this host. */
import { join } from 'node:path';
import { AttestdError } from '../../core/errors.ts';
import { layoutOf, writeDurably } from '../../daemon/layout.ts';
import { parseCertificateFile } from '../../evidence/certfile.ts';
import { parseCertificate } from '../../evidence/x509/certificate.ts';
import { checkIssued } from '../../tpm/enrol.ts';
import type { Input } from '../command.ts';
import { readInput } from '../files.ts';
import { chosenConfig, withIdentity } from '../host.ts';

export async function run(input: Input): Promise<number> {
  const config = chosenConfig(input);
  const file = await readInput(input.args[0] as string, input.io);
  const [leaf] = parseCertificateFile(file).chain as [Uint8Array];
  const certificate = parseCertificate(leaf);
  const uri = `attestd://${config.fleet}/${config.host}`;
  if (!certificate.alternativeNames?.uris.includes(uri)) {
    throw new AttestdError('ENROL_REFUSED', `the certificate does not name ${uri}`);
  }
  await withIdentity(config, async (_tpm, identity) => checkIssued(leaf, identity));
  writeDurably(join(layoutOf(config.state_dir).identity, 'certificate.pem'), file, 0o644);
  const notAfter = new Date(certificate.notAfter).toISOString();
  if (input.io.json)
    input.io.out(`${JSON.stringify({ schema: 'attestd.dev/enrolled/v1', uri, notAfter })}\n`);
  else input.io.note(`enrolled as ${uri} until ${notAfter}`);
  return 0;
}
