/** `attestctl ca init`: an authority in a new folder, a root or one that asks another for its certificate. */
import { createAuditLog } from '../../ca/auditlog.ts';
import { initAuthority, type NewAuthority, openSigner } from '../../ca/authority.ts';
import { type KeyProtection, readPassphrase } from '../../ca/keyfile.ts';
import { initSubordinate } from '../../ca/subordinate.ts';
import { AttestdError } from '../../core/errors.ts';
import { AUTHORITY_DEPS } from '../authority.ts';
import { tpmKeyMaker } from '../authoritytpm.ts';
import { readCertificates } from '../certificates.ts';
import { type Input, list, on, text } from '../command.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const passphraseFile = text(input, 'passphraseFile');
  const tcti = text(input, 'tpm');
  const none = input.options.passphrase === false;
  if ([passphraseFile !== undefined, tcti !== undefined, none].filter(Boolean).length !== 1) {
    throw new AttestdError(
      'USAGE',
      'give one of --passphrase-file, --tpm or, for a demonstration, --no-passphrase',
    );
  }
  const held = tcti === undefined ? undefined : tpmKeyMaker(tcti);
  const passphrase = passphraseFile === undefined ? undefined : await readPassphrase(passphraseFile);
  const protection: KeyProtection =
    held !== undefined ? held : passphrase === undefined ? { unencrypted: true } : { passphrase };
  const crlUrl = text(input, 'crlUrl');
  const options: NewAuthority = {
    dir: text(input, 'dir') as string,
    name: text(input, 'name') as string,
    kind: on(input, 'software') ? 'software' : 'hardware',
    protection,
    ekRoots: await readCertificates(list(input, 'ekRoots'), io),
    ...(crlUrl === undefined ? {} : { crlUrl }),
  };
  const { dir, name, kind } = options;
  const facts = { schema: 'attestd.dev/authority/v1', dir, name, kind };
  try {
    if (none) io.note('the root key is not encrypted: for demonstrations only');
    if (on(input, 'subordinate')) {
      await initSubordinate(options, AUTHORITY_DEPS);
      if (io.json) io.out(`${JSON.stringify({ ...facts, request: `${dir}/request.csr` })}\n`);
      else {
        io.out(`${dir}/request.csr\n`);
        io.note(`have it signed by the authority above, then: attestctl ca install-cert FILE --dir ${dir}`);
      }
      return 0;
    }
    const authority = await initAuthority(options, AUTHORITY_DEPS);
    if (held === undefined) await createAuditLog(authority).sign(await openSigner(authority, passphrase));
    if (io.json) io.out(`${JSON.stringify(facts)}\n`);
    else {
      io.out(`${dir}/root.pem\n`);
      io.note(`authority "${name}" for ${kind} TPMs; auditors need root.pem`);
    }
    return 0;
  } finally {
    await held?.close();
  }
}
