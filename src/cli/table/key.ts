/** Rows of the command table: keys in the TPM that a caller has made for itself. */
import type { Command, Option } from '../command.ts';
import { OUT, SOCKET } from './option.ts';

const NAME = { name: '<name>', help: 'the name that you gave it' };
const SIGNING: Option = {
  flags: '--tls',
  help: 'for TLS 1.3 clients: it signs nothing else than their part of a handshake',
};

export const KEY: Command = {
  name: 'key',
  summary: 'have keys of your own in the TPM, certified by the attestation key',
  examples: [
    'attestctl key create deploy --tls',
    'attestctl key request deploy -o deploy.csr',
    'attestctl key sign release notes.txt -o notes.sig',
  ],
  commands: [
    {
      name: 'list',
      summary: 'the record key and your keys',
      examples: ['attestctl key list', 'attestctl key list --json'],
      options: [SOCKET],
      load: () => import('../commands/key-list.ts'),
    },
    {
      name: 'create',
      summary: 'make a key for this uid and unit; it is recorded',
      examples: ['attestctl key create release', 'attestctl key create deploy --tls'],
      arguments: [{ name: '<name>', help: 'lower-case letters, digits, dots, hyphens; of your own keys' }],
      options: [SOCKET, SIGNING],
      load: () => import('../commands/key-create.ts'),
    },
    {
      name: 'show',
      summary: 'write the public half of a key as PEM; record is the record key',
      examples: ['attestctl key show record -o record-key.pem'],
      arguments: [NAME],
      options: [SOCKET, { ...OUT, required: true }],
      load: () => import('../commands/key-show.ts'),
    },
    {
      name: 'sign',
      summary: 'sign a file; what is signed starts with attestd.dev/workload-signature/v1',
      examples: ['attestctl key sign release notes.txt -o notes.sig'],
      arguments: [NAME, { name: '<file>', help: 'the message, up to 64 KiB; - is stdin' }],
      options: [SOCKET, { ...OUT, required: true }],
      load: () => import('../commands/key-sign.ts'),
    },
    {
      name: 'request',
      summary: 'write a certificate request (PKCS#10); for record on the admin socket',
      examples: [
        'attestctl key request deploy -o deploy.csr',
        'attestctl key request record --socket /run/attestd/admin.sock -o record.csr',
      ],
      arguments: [NAME],
      options: [SOCKET, { ...OUT, required: true }],
      load: () => import('../commands/key-request.ts'),
    },
    {
      name: 'withdraw',
      summary: 'record that a key is withdrawn, and forget it for ever',
      examples: ['attestctl key withdraw deploy --reason "the job has ended"'],
      arguments: [NAME],
      options: [SOCKET, { flags: '--reason <text>', help: 'why, for the auditor', required: true }],
      load: () => import('../commands/key-withdraw.ts'),
    },
  ],
};
