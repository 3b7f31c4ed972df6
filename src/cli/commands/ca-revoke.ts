/** `attestctl ca revoke`: takes back a certificate, or all of a host, and writes the CRL that says so. */
import { crlPem, revoke } from '../../ca/revocation.ts';
import { chosenAuthority, withSigner } from '../authority.ts';
import { type Input, on, text } from '../command.ts';
import { writeCrl } from '../crl.ts';
import { confirmOrRefuse } from '../question.ts';

export async function run(input: Input): Promise<number> {
  const which = input.args[0] as string;
  const authority = await chosenAuthority(input);
  await confirmOrRefuse(input.io, `revoke ${which} for good?`, on(input, 'yes'));
  const reason = text(input, 'reason') ?? 'unspecified';
  const der = await withSigner(input, authority, (signer) => revoke(authority, signer, which, reason));
  return writeCrl(input, der, crlPem(der));
}
