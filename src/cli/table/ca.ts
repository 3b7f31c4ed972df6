/** The commands of an enrolment authority. */
import type { Command } from '../command.ts';
import { OUT } from './option.ts';

export const CA: Command = {
  name: 'ca',
  summary: 'be the authority that certifies hosts',
  examples: [
    'attestctl ca init --dir ca --name "Example CA" --passphrase-file secret',
    'attestctl ca challenge request.json --dir ca --ek-roots vendor.pem -o challenge.json',
    'attestctl ca issue response.json --dir ca --passphrase-file secret -o certificate.pem',
  ],
  commands: [
    {
      name: 'init',
      summary: 'make an authority in a new directory',
      examples: ['attestctl ca init --dir ca --name "Example CA" --passphrase-file secret'],
      options: [
        { flags: '--dir <dir>', help: 'directory of the authority; must not exist', required: true },
        { flags: '--name <name>', help: 'common name of the root certificate', required: true },
        { flags: '--software', help: 'a root for software TPMs; every verdict under it says simulated' },
        { flags: '--passphrase-file <file>', help: 'passphrase of the root key' },
        { flags: '--no-passphrase', help: 'leave the root key unencrypted: for demonstrations only' },
        { flags: '--ek-roots <file...>', help: 'PEM or DER files with TPM vendor roots and intermediates' },
      ],
      load: () => import('../commands/ca-init.ts'),
    },
    {
      name: 'challenge',
      summary: 'check a request against the vendor roots and write a challenge',
      examples: ['attestctl ca challenge request.json --dir ca --ek-roots vendor.pem -o challenge.json'],
      arguments: [{ name: '<request>', help: 'request.json of the host' }],
      options: [
        { flags: '--dir <dir>', help: 'directory of the authority', required: true },
        { flags: '--ek-roots <file...>', help: 'vendor roots and intermediates to trust from now on' },
        { flags: '--allow-ek <sha256>', help: 'accept this EK without a certificate' },
        { ...OUT, required: true },
      ],
      load: () => import('../commands/ca-challenge.ts'),
    },
    {
      name: 'issue',
      summary: 'check a response and write the certificate',
      examples: ['attestctl ca issue response.json --dir ca --passphrase-file secret -o certificate.pem'],
      arguments: [{ name: '<response>', help: 'response.json of the host' }],
      options: [
        { flags: '--dir <dir>', help: 'directory of the authority', required: true },
        { flags: '--passphrase-file <file>', help: 'passphrase of the root key' },
        { flags: '--approve', help: 'approve the name and the EK digest without asking' },
        {
          flags: '--replace',
          help: 'revoke the live certificate of the same EK and name in the same step',
        },
        { ...OUT, required: true },
      ],
      load: () => import('../commands/ca-issue.ts'),
    },
  ],
};
