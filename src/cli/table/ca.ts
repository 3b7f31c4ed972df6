/** The commands of an enrolment authority. */
import type { Command, Option } from '../command.ts';
import { OUT } from './option.ts';

const DIR: Option = { flags: '--dir <dir>', help: 'directory of the authority', required: true };
const KEY: readonly Option[] = [
  { flags: '--passphrase-file <file>', help: 'passphrase of its key; asked for at a terminal when absent' },
  { flags: '--tpm <tcti>', help: 'where the TPM with its key is, when elsewhere than at ca init' },
];

export const CA: Command = {
  name: 'ca',
  host: true,
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
      examples: [
        'attestctl ca init --dir ca --name "Example CA" --passphrase-file secret',
        'attestctl ca init --dir ca --name "Example CA" --subordinate --passphrase-file secret',
      ],
      options: [
        { flags: '--dir <dir>', help: 'directory of the authority; must not exist', required: true },
        { flags: '--name <name>', help: 'common name of its certificate', required: true },
        { flags: '--software', help: 'a root for software TPMs; every verdict under it says simulated' },
        { flags: '--subordinate', help: 'write a request for an authority above instead of being a root' },
        { flags: '--passphrase-file <file>', help: 'passphrase of its key' },
        { flags: '--tpm <tcti>', help: 'keep its key in this TPM, as in device:/dev/tpmrm0' },
        { flags: '--no-passphrase', help: 'leave its key unencrypted: for demonstrations only' },
        { flags: '--ek-roots <file...>', help: 'PEM or DER files with TPM vendor roots and intermediates' },
        {
          flags: '--crl-url <url>',
          help: 'where its CRL will be found, for the certificates that it issues',
        },
      ],
      load: () => import('../commands/ca-init.ts'),
    },
    {
      name: 'install-cert',
      summary: 'take the certificate that the authority above gave for request.csr',
      examples: ['attestctl ca install-cert signed.pem --above corporate.pem --dir ca'],
      arguments: [{ name: '<certificate>', help: 'its certificate; others in the same file are above it' }],
      options: [DIR, { flags: '--above <file...>', help: 'certificates above it, with the root' }],
      load: () => import('../commands/ca-install-cert.ts'),
    },
    {
      name: 'challenge',
      summary: 'check a request against the vendor roots and write a challenge',
      examples: ['attestctl ca challenge request.json --dir ca --ek-roots vendor.pem -o challenge.json'],
      arguments: [{ name: '<request>', help: 'request.json of the host' }],
      options: [
        DIR,
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
        DIR,
        ...KEY,
        { flags: '--approve', help: 'approve the name and the EK digest without asking' },
        { flags: '--replace', help: 'revoke the live certificate of the same EK and name in the same step' },
        { ...OUT, required: true },
      ],
      load: () => import('../commands/ca-issue.ts'),
    },
    {
      name: 'serve',
      summary: 'enrol a fleet over HTTPS: the same four files, the same checks',
      examples: [
        'attestctl ca serve --dir ca --passphrase-file secret --allow hosts.txt --listen 192.0.2.1:8443',
      ],
      options: [
        DIR,
        ...KEY,
        {
          flags: '--allow <file>',
          help: 'whom to certify: lines "fleet/host certified" or "fleet/host EK-digest"; read for each request',
          required: true,
        },
        { flags: '--listen <address:port>', help: '127.0.0.1:8443 when absent; port 0 chooses one' },
        { flags: '--server-name <name>', help: 'DNS name or address in its HTTPS certificate' },
        { flags: '--tls-cert <file>', help: 'HTTPS certificate chain; made by the authority when absent' },
        { flags: '--tls-key <file>', help: 'its key' },
        { flags: '--rate <n>', help: 'files that one address may send in a minute; 60 when absent' },
        { flags: '--crl-days <n>', help: 'days until its CRL asks to be renewed; 7 when absent' },
      ],
      load: () => import('../commands/ca-serve.ts'),
    },
    {
      name: 'renew',
      summary: 'give a live certificate later dates, for the same key and name',
      examples: ['attestctl ca renew fleet-1/host-1 --dir ca --passphrase-file secret -o certificate.pem'],
      arguments: [{ name: '<serial-or-host>', help: 'serial in hex, or fleet/host' }],
      options: [
        DIR,
        ...KEY,
        { flags: '--days <n>', help: 'how long it lives: 1 to 365' },
        { ...OUT, required: true },
      ],
      load: () => import('../commands/ca-renew.ts'),
    },
    {
      name: 'revoke',
      summary: 'take a certificate back, or all of a host, and write the CRL',
      examples: ['attestctl ca revoke fleet-1/host-1 --dir ca --reason "disk stolen" --yes -o crl.pem'],
      arguments: [{ name: '<serial-or-host>', help: 'serial in hex, or fleet/host' }],
      options: [
        DIR,
        ...KEY,
        { flags: '--reason <text>', help: 'for the registry' },
        { flags: '--yes', help: 'do not ask' },
        { ...OUT, required: true },
      ],
      load: () => import('../commands/ca-revoke.ts'),
    },
    {
      name: 'crl',
      summary: 'sign the list of what is revoked',
      examples: ['attestctl ca crl --dir ca --passphrase-file secret -o crl.pem'],
      options: [
        DIR,
        ...KEY,
        { flags: '--days <n>', help: 'days until it asks to be renewed: 1 to 365' },
        { ...OUT, required: true },
      ],
      load: () => import('../commands/ca-crl.ts'),
    },
    {
      name: 'list',
      summary: 'show what was issued, and what became of it',
      examples: ['attestctl ca list --dir ca', 'attestctl ca list --dir ca --state live --json'],
      options: [
        DIR,
        { flags: '--state <state>', help: 'live, superseded, revoked or expired; all when absent' },
      ],
      load: () => import('../commands/ca-list.ts'),
    },
  ],
};
