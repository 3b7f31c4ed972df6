/** What an operator does with a host: make it, enrol it, mend it. */
import type { Command } from '../command.ts';
import { CONFIG, OUT } from './option.ts';

export const HOST_COMMANDS: readonly Command[] = [
  {
    name: 'init',
    host: true,
    summary: 'make the keys, the counter and the log of this host, once',
    examples: ['attestctl init', 'attestctl init --dry-run', 'sudo attestctl init --demo'],
    options: [
      CONFIG,
      { flags: '--dry-run', help: 'say what would be made, make nothing' },
      {
        flags: '--demo',
        help: 'a host to look around on: software TPM as a service, marked authority, certificate, running daemon',
      },
    ],
    load: () => import('../commands/init.ts'),
  },
  {
    name: 'enroll',
    host: true,
    summary:
      'get a certificate for this host from an authority, over HTTPS or in files that can cross an air gap',
    examples: [
      'attestctl enroll --server https://ca.example.org:8443 --ca ca.pem',
      'attestctl enroll request -o request.json',
      'attestctl enroll respond challenge.json -o response.json',
      'attestctl enroll install certificate.pem',
    ],
    options: [
      CONFIG,
      { flags: '--server <url>', help: 'an authority that serves, https://name:port' },
      { flags: '--ca <file>', help: 'PEM roots under which its HTTPS certificate must stand' },
      { flags: '--ek-certificate <file>', help: 'an EK certificate that the TPM does not hold itself' },
    ],
    load: () => import('../commands/enroll.ts'),
    commands: [
      {
        name: 'request',
        summary: 'write the request for the authority',
        examples: ['attestctl enroll request -o request.json'],
        options: [
          CONFIG,
          { flags: '--ek-certificate <file>', help: 'an EK certificate that the TPM does not hold itself' },
          { ...OUT, required: true },
        ],
        load: () => import('../commands/enroll-request.ts'),
      },
      {
        name: 'respond',
        summary: "answer the authority's challenge with the TPM",
        examples: ['attestctl enroll respond challenge.json -o response.json'],
        arguments: [{ name: '<challenge>', help: 'challenge.json of the authority' }],
        options: [CONFIG, { ...OUT, required: true }],
        load: () => import('../commands/enroll-respond.ts'),
      },
      {
        name: 'install',
        summary: 'check the certificate against the keys of this host and keep it',
        examples: ['attestctl enroll install certificate.pem'],
        arguments: [{ name: '<certificate>', help: 'certificate.pem of the authority: chain and CRL' }],
        options: [CONFIG],
        load: () => import('../commands/enroll-install.ts'),
      },
    ],
  },
  {
    name: 'epoch',
    host: true,
    summary: 'show the epochs of this host and how each hangs on the one before',
    examples: ['attestctl epoch', 'attestctl epoch /var/lib/attestd --json'],
    arguments: [{ name: '[state]', help: 'state directory; that of the configuration when absent' }],
    options: [CONFIG, { flags: '--progress <how>', help: 'auto, bar, lines, json or none' }],
    load: () => import('../commands/epoch.ts'),
  },
  {
    name: 'doctor',
    host: true,
    summary: 'find what is wrong with this host, and say what to do; it changes nothing',
    examples: ['attestctl doctor', 'attestctl doctor --json', 'sudo attestctl doctor --ek-roots vendor.pem'],
    options: [
      CONFIG,
      {
        flags: '--forward-config <file>',
        help: 'configuration of attestd-forward, else /etc/attestd/attestd-forward.toml',
      },
      {
        flags: '--ek-roots <file>',
        help: "PEM of TPM vendors' roots, to say which one the EK certificate leads to",
      },
    ],
    load: () => import('../commands/doctor.ts'),
  },
  {
    name: 'recover',
    host: true,
    summary: 'go on after the log and the counter disagreed',
    examples: ['attestctl recover --new-epoch'],
    options: [
      CONFIG,
      { flags: '--new-epoch', help: 'start a new log that names the old one', required: true },
      { flags: '--reason <text>', help: 'what happened, for the auditor' },
      { flags: '--yes', help: 'do not ask' },
    ],
    load: () => import('../commands/recover.ts'),
  },
];
