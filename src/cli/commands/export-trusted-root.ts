/** `attestctl export trusted-root`: the authorities of an operator as a Sigstore trusted root. */
import { AttestdError } from '../../core/errors.ts';
import { printTrustedRoot } from '../../evidence/export/sigstore.ts';
import { readCertificates } from '../certificates.ts';
import { type Input, list, text } from '../command.ts';
import { reportWritten, writeOutput } from '../files.ts';

export async function run(input: Input): Promise<number> {
  const chains = (option: string) =>
    Promise.all(list(input, option).map((file) => readCertificates([file], input.io)));
  const issuers = await chains('issuer');
  const timestamping = await chains('tsa');
  if (issuers.length === 0 && timestamping.length === 0) {
    throw new AttestdError('USAGE', 'whom shall it trust? give --issuer and --tsa');
  }
  const out = text(input, 'out') as string;
  await writeOutput(out, printTrustedRoot({ issuers, timestamping }), input.io);
  reportWritten(input.io, out, { issuers: issuers.length, timestamping: timestamping.length });
  return 0;
}
