/** `attestctl ca crl`: the list of what is revoked, signed now. */
import { CRL_DAYS, crlPem, issueCrl } from '../../ca/revocation.ts';
import { chosenAuthority, withSigner } from '../authority.ts';
import { type Input, text } from '../command.ts';
import { writeCrl } from '../crl.ts';

export async function run(input: Input): Promise<number> {
  const authority = await chosenAuthority(input);
  const days = Number(text(input, 'days') ?? CRL_DAYS);
  const der = await withSigner(input, authority, (signer) => issueCrl(authority, signer, days));
  return writeCrl(input, der, crlPem(der));
}
