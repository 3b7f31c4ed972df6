/** The command table: this file and `table/` are the one place where commands, options and examples are named. */
import type { Command } from './command.ts';
import { EDITION } from './edition.ts';
import { APPRAISE } from './table/appraise.ts';
import { CA } from './table/ca.ts';
import { EXPLAIN, EXPORT } from './table/export.ts';
import { GOVERN_COMMANDS } from './table/govern.ts';
import { HOST_COMMANDS } from './table/host.ts';
import { IMPORT } from './table/import.ts';
import { KEEPING_COMMANDS } from './table/keeping.ts';
import { KEY } from './table/key.ts';
import { KEYS } from './table/keys.ts';
import { LINEAGE_COMMANDS } from './table/lineage.ts';
import { MCP, OTLP_BRIDGE } from './table/mcp.ts';
import { MEASURE } from './table/measure.ts';
import { OUT, SOCKET } from './table/option.ts';
import { READ_COMMANDS } from './table/read.ts';
import { CI, RUN } from './table/run.ts';
import { TRUST } from './table/trust.ts';

const COMMANDS: readonly Command[] = [
  ...HOST_COMMANDS,
  ...KEEPING_COMMANDS,
  CA,
  TRUST,
  APPRAISE,
  RUN,
  CI,
  MCP,
  OTLP_BRIDGE,
  {
    name: 'record',
    summary: 'record an execution that a program describes in JSON',
    examples: ['attestctl record request.json', 'my-job --describe | attestctl record -'],
    arguments: [{ name: '[file]', help: 'the request; - or nothing is stdin' }],
    options: [
      SOCKET,
      { flags: '--wait <strength>', help: 'durable or sealed; sealed when absent' },
      { flags: '--idempotency-key <key>', help: 'the same key gives the same record' },
    ],
    load: () => import('./commands/record.ts'),
  },
  ...GOVERN_COMMANDS,
  ...LINEAGE_COMMANDS,
  ...READ_COMMANDS,
  {
    name: 'show',
    summary: 'show a record, or what is inside a bundle',
    examples: ['attestctl show 01KAE3X5V0N9S8QX1Z7M2R4B6C', 'attestctl show run.attest.json'],
    arguments: [{ name: '<id-or-file>', help: 'id of a record, or a bundle file; - is stdin' }],
    options: [SOCKET],
    load: () => import('./commands/show.ts'),
  },
  {
    name: 'bundle',
    summary: 'take a record out as one file for an auditor',
    examples: [
      'attestctl bundle 01KAE3X5V0N9S8QX1Z7M2R4B6C -o run.attest.json',
      'attestctl bundle 01KAE3X5V0N9S8QX1Z7M2R4B6C --state /var/lib/attestd -o run.attest.json',
      'attestctl bundle 01KAE3X5V0N9S8QX1Z7M2R4B6C --ima --socket /run/attestd/admin.sock -o run.attest.json',
    ],
    arguments: [{ name: '<id>', help: 'id of the record' }],
    options: [
      SOCKET,
      { flags: '--with-lineage', help: 'with everything that it rests on, and that in its turn' },
      {
        flags: '--foreign <file...>',
        help: 'bundles of the records of other logs that it rests on; certificate files (PEM) of hosts whose checkpoints it holds',
      },
      {
        flags: '--ima',
        help: "with the kernel's IMA list, a long one as a file beside it; on the admin socket",
      },
      { flags: '--state <dir>', help: 'read a state directory instead of the daemon' },
      { ...OUT, required: true },
    ],
    load: () => import('./commands/bundle.ts'),
  },
  EXPLAIN,
  EXPORT,
  IMPORT,
  MEASURE,
  KEY,
  KEYS,
  {
    name: 'verify',
    summary: 'verify an evidence bundle, offline',
    examples: ['attestctl verify run.attest.json --trust trust.json'],
    arguments: [{ name: '<file>', help: 'the bundle; - is stdin' }],
    options: [
      { flags: '--trust <file>', help: 'your trust file, else ATTESTD_TRUST' },
      { flags: '--min-level <n>', help: 'demand a higher level than the trust file does' },
      { flags: '--closure', help: 'demand that everything the record rests on is in the bundle' },
      { flags: '--nonce <hex>', help: 'the file is a fresh quote: the nonce that you chose' },
      { flags: '--details', help: 'list each file that the daemon measured, and how far it can be believed' },
      { flags: '--ear', help: 'print an EAT attestation result (draft-fv-rats-ear-05), unsigned JSON' },
    ],
    load: () => import('./commands/verify.ts'),
  },
  {
    name: 'audit',
    summary: 'check a whole log: every entry, root, seal, clock and counter',
    examples: ['attestctl audit /var/lib/attestd', 'attestctl audit --socket /run/attestd/admin.sock'],
    arguments: [{ name: '[state]', help: 'state directory of the daemon, or directory of an authority' }],
    options: [
      { flags: '--ca <file>', help: 'the certificate of an authority whose log is checked' },
      { flags: '--socket <path>', help: 'read the log through the admin socket' },
      { flags: '--progress <how>', help: 'auto, bar, lines, json or none' },
      { flags: '--cursor <file>', help: 'keep the place here, to go on after an interruption' },
    ],
    load: () => import('./commands/audit.ts'),
  },
  {
    name: 'quote',
    summary: 'have the TPM quote the newest state over a nonce of yours',
    examples: ['attestctl quote --nonce 00112233445566778899aabbccddeeff -o fresh.json'],
    options: [
      SOCKET,
      { flags: '--nonce <hex>', help: '16 to 64 bytes; chosen and printed when absent' },
      { flags: '--ima', help: "with the kernel's IMA list; on the admin socket" },
      { ...OUT, required: true },
    ],
    load: () => import('./commands/quote.ts'),
  },
  {
    name: 'status',
    summary: 'what the daemon is doing',
    examples: ['attestctl status', 'attestctl status --json'],
    options: [SOCKET],
    load: () => import('./commands/status.ts'),
  },
  {
    name: 'top',
    summary: 'watch the daemon: rates, seals, queue, errors; through the admin socket',
    examples: ['attestctl top', 'attestctl top --json --count 2 --socket /run/attestd/admin.sock'],
    options: [
      {
        flags: '--socket <path>',
        help: 'the admin socket, else ATTESTD_SOCKET, else /run/attestd/admin.sock',
      },
      { flags: '--interval <seconds>', help: 'how often; 1 in a terminal and with --json, else 5' },
      { flags: '--count <n>', help: 'end after so many looks; q or Ctrl-C ends it too' },
    ],
    load: () => import('./commands/top.ts'),
  },
  {
    name: 'completion',
    summary: 'print a completion script for bash, zsh or fish; packages install them',
    examples: ['attestctl completion bash > ~/.local/share/bash-completion/completions/attestctl'],
    arguments: [{ name: '<shell>', help: 'bash, zsh or fish' }],
    load: () => import('./commands/completion.ts'),
  },
  {
    name: 'version',
    summary: 'print the versions of attestctl and Node',
    examples: ['attestctl version --json'],
    load: () => import('./commands/version.ts'),
  },
];

/** The commands that an edition has, those below them included. */
export function commandsOf(edition: 'host' | 'client', commands: readonly Command[] = COMMANDS): Command[] {
  return commands
    .filter((c) => edition === 'host' || c.host !== true)
    .map((c) => (c.commands === undefined ? c : { ...c, commands: commandsOf(edition, c.commands) }));
}

/** `attestctl` itself. */
export const ATTESTCTL: Command = {
  name: 'attestctl',
  summary: 'evidence of what ran, who allowed it, on which machine and in what state',
  examples: [
    'attestctl run -- make test',
    'attestctl bundle 01KAE3X5V0N9S8QX1Z7M2R4B6C -o run.attest.json',
    'attestctl verify run.attest.json --trust trust.json',
  ],
  commands: commandsOf(EDITION),
};
