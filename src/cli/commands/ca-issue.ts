/** `attestctl ca issue`: checks a response, asks the operator, and writes the certificate file. */
import { type Approval, issue } from '../../ca/issue.ts';
import { AttestdError } from '../../core/errors.ts';
import { chosenAuthority, withSigner } from '../authority.ts';
import { type Input, on, text } from '../command.ts';
import { readInput } from '../files.ts';
import { writeCertificate } from '../issued.ts';
import { confirm } from '../question.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  if (io.json && text(input, 'out') === '-') {
    throw new AttestdError('USAGE', 'a certificate is no JSON: give --out a file');
  }
  const authority = await chosenAuthority(input);
  const response = await readInput(input.args[0] as string, io);
  const approve = (a: Approval) => {
    io.note(`host attestd://${a.fleet}/${a.host}`);
    io.note(`EK ${a.ekDigest}, ${a.certified ? 'certified by its vendor' : 'allowed by you'}`);
    io.note(`TPM says: ${a.tpm.manufacturer} ${a.tpm.vendor}, firmware ${a.tpm.firmwareVersion}`);
    for (const serial of a.replaces) io.note(`replaces the certificate ${serial}`);
    return confirm(io, 'certify this name for this EK?', on(input, 'approve'));
  };
  const answer = await withSigner(input, authority, (signer) =>
    issue(authority, response, { signer, approve, replace: on(input, 'replace') }),
  );
  return writeCertificate(input, answer);
}
