/** Rows of the command table: records in the formats of other tools. */
import type { Command } from '../command.ts';
import { OUT, SOCKET } from './option.ts';

const RECORD = { name: '<record>', help: 'id of the record, or its evidence bundle' };

export const EXPORT: Command = {
  name: 'export',
  summary: 'write records in formats that other tools verify',
  examples: [
    'attestctl export sigstore 01KAE3X5V0N9S8QX1Z7M2R4B6C -o run.sigstore.json',
    'attestctl export cose 01KAE3X5V0N9S8QX1Z7M2R4B6C -o run.cose',
    'attestctl export tlog log --socket /run/attestd/admin.sock',
  ],
  commands: [
    {
      name: 'sigstore',
      summary: 'write a record as a Sigstore bundle, for cosign and @sigstore/verify',
      examples: [
        'attestctl export sigstore 01KAE3X5V0N9S8QX1Z7M2R4B6C -o run.sigstore.json --blob run.json',
        'attestctl export sigstore run.sigstore.json --certificate host.pem --timestamp run.tsr -o run.timed.json',
      ],
      arguments: [{ name: '<record>', help: `${RECORD.help}, or a Sigstore bundle or DSSE envelope of it` }],
      options: [
        SOCKET,
        { flags: '--certificate <file>', help: 'a certificate of the record key: certificate mode' },
        { flags: '--timestamp <file...>', help: 'RFC 3161 answers over the signature' },
        { flags: '--signature <file>', help: 'write the signature here, for a timestamping authority' },
        { flags: '--blob <file>', help: 'write what the subject names by digest: the canonical predicate' },
        { ...OUT, required: true },
      ],
      load: () => import('../commands/export-sigstore.ts'),
    },
    {
      name: 'slsa',
      summary: 'write SLSA provenance of what a CI step made, for cosign and in-toto verifiers',
      examples: ['attestctl export slsa 01KAE3X5V0N9S8QX1Z7M2R4B6C -o provenance.json'],
      arguments: [{ name: '<id>', help: 'id of the completed record of attestctl ci' }],
      options: [SOCKET, { ...OUT, required: true }],
      load: () => import('../commands/export-slsa.ts'),
    },
    {
      name: 'trusted-root',
      summary: 'write the trusted_root.json that says whose certificates and time cosign shall believe',
      examples: ['attestctl export trusted-root --issuer ca.pem --tsa tsa.pem -o trusted_root.json'],
      options: [
        { flags: '--issuer <file...>', help: 'chain of an authority that certifies record keys, root last' },
        { flags: '--tsa <file...>', help: 'chain of a timestamping authority, its own certificate first' },
        { ...OUT, required: true },
      ],
      load: () => import('../commands/export-trusted-root.ts'),
    },
    {
      name: 'cose',
      summary: 'write a record as COSE_Sign1 with a receipt of the log (RFC 9942)',
      examples: ['attestctl export cose 01KAE3X5V0N9S8QX1Z7M2R4B6C -o run.cose'],
      arguments: [RECORD],
      options: [SOCKET, { ...OUT, required: true }],
      load: () => import('../commands/export-cose.ts'),
    },
    {
      name: 'cer',
      summary: 'write a record as a NexArt Certified Execution Record, without plaintext unless asked',
      examples: ['attestctl export cer run.attest.json -o run.cer.json'],
      arguments: [RECORD],
      options: [
        SOCKET,
        { flags: '--plaintext', help: 'put in the values that the bundle discloses' },
        { ...OUT, required: true },
      ],
      load: () => import('../commands/export-cer.ts'),
    },
    {
      name: 'tlog',
      summary: 'write the log as plain files: checkpoint, tiles, entries, verifier key, proofs (C2SP)',
      examples: [
        'attestctl export tlog log --socket /run/attestd/admin.sock',
        'attestctl export tlog log --proof 01KAE3X5V0N9S8QX1Z7M2R4B6C --socket /run/attestd/admin.sock',
      ],
      arguments: [{ name: '<dir>', help: 'directory to write; must not exist' }],
      options: [
        { ...SOCKET, help: 'admin socket of the daemon, for entries of all callers' },
        { flags: '--proof <id...>', help: 'write the .tlog-proof of these records too' },
      ],
      load: () => import('../commands/export-tlog.ts'),
    },
  ],
};

export const EXPLAIN: Command = {
  name: 'explain',
  summary: 'take a bundle apart and print the commands that check it by hand',
  examples: ['attestctl explain run.attest.json --root ca.pem --out by-hand'],
  arguments: [{ name: '<file>', help: 'the bundle; - is stdin' }],
  options: [
    { flags: '--root <file...>', help: 'your root certificates, PEM or DER', required: true },
    { flags: '--out <dir>', help: 'directory for the files; must not exist', required: true },
  ],
  load: () => import('../commands/explain.ts'),
};
