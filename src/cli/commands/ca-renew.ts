/** `attestctl ca renew`: later dates for a certificate that is live. */
import { AK_DAYS } from '../../ca/issue.ts';
import { renew } from '../../ca/renewal.ts';
import { AttestdError } from '../../core/errors.ts';
import { chosenAuthority, withSigner } from '../authority.ts';
import { type Input, text } from '../command.ts';
import { writeCertificate } from '../issued.ts';

export async function run(input: Input): Promise<number> {
  if (input.io.json && text(input, 'out') === '-') {
    throw new AttestdError('USAGE', 'a certificate is no JSON: give --out a file');
  }
  const authority = await chosenAuthority(input);
  const days = Number(text(input, 'days') ?? AK_DAYS);
  const answer = await withSigner(input, authority, (signer) =>
    renew(authority, signer, input.args[0] as string, days),
  );
  return writeCertificate(input, answer);
}
