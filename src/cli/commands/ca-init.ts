/** `attestctl ca init`: an authority in a new folder. */
import { initAuthority } from '../../ca/authority.ts';
import { readPassphrase } from '../../ca/keyfile.ts';
import { AttestdError } from '../../core/errors.ts';
import { AUTHORITY_DEPS } from '../authority.ts';
import { readCertificates } from '../certificates.ts';
import { type Input, list, on, text } from '../command.ts';

export async function run(input: Input): Promise<number> {
  const passphraseFile = text(input, 'passphraseFile');
  const none = input.options.passphrase === false;
  if ((passphraseFile === undefined) === !none) {
    throw new AttestdError('USAGE', 'give either --passphrase-file or, for a demonstration, --no-passphrase');
  }
  const authority = await initAuthority(
    {
      dir: text(input, 'dir') as string,
      name: text(input, 'name') as string,
      kind: on(input, 'software') ? 'software' : 'hardware',
      protection:
        passphraseFile === undefined
          ? { unencrypted: true }
          : { passphrase: await readPassphrase(passphraseFile) },
      ekRoots: await readCertificates(list(input, 'ekRoots'), input.io),
    },
    AUTHORITY_DEPS,
  );
  if (none) input.io.note('the root key is not encrypted: for demonstrations only');
  if (input.io.json) {
    input.io.out(
      `${JSON.stringify({ schema: 'attestd.dev/authority/v1', dir: authority.dir, name: authority.name, kind: authority.kind })}\n`,
    );
  } else {
    input.io.out(`${authority.dir}/root.pem\n`);
    input.io.note(`authority "${authority.name}" for ${authority.kind} TPMs; auditors need root.pem`);
  }
  return 0;
}
