/** `attestctl ca install-cert`: the certificate that the authority above gave for request.csr. */
import { installCertificate } from '../../ca/subordinate.ts';
import { AUTHORITY_DEPS } from '../authority.ts';
import { readCertificates } from '../certificates.ts';
import { type Input, list, text } from '../command.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const given = await readCertificates([...input.args, ...list(input, 'above')], io);
  const authority = await installCertificate(text(input, 'dir') as string, given, AUTHORITY_DEPS);
  const notAfter = new Date(authority.certificate.notAfter).toISOString();
  if (io.json) {
    const { dir, name, kind } = authority;
    io.out(`${JSON.stringify({ schema: 'attestd.dev/authority/v1', dir, name, kind, notAfter })}\n`);
  } else {
    io.out(`${authority.dir}/root.pem\n`);
    io.note(`authority "${authority.name}" until ${notAfter}; auditors need root.pem`);
  }
  return 0;
}
