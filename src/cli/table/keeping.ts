/** What an operator does with evidence over the years: keep it elsewhere, put it back, remove what is old. */
import type { Command } from '../command.ts';
import { CONFIG } from './option.ts';

const PROGRESS = { flags: '--progress <how>', help: 'auto, bar, lines, json or none' };

export const KEEPING_COMMANDS: readonly Command[] = [
  {
    name: 'backup',
    host: true,
    summary: "copy this host's evidence into a directory, to keep or to hand to an auditor",
    examples: [
      'attestctl backup /srv/backup/attestd-today',
      'attestctl backup /srv/backup/attestd-today --openings --keys',
    ],
    arguments: [{ name: '<dir>', help: 'the directory to make; the daemon may run meanwhile' }],
    options: [
      CONFIG,
      { flags: '--openings', help: 'with what opens the records: inputs, outputs, arguments' },
      { flags: '--keys', help: "with the blobs of keys, which only this host's TPM can load" },
      PROGRESS,
    ],
    load: () => import('../commands/backup.ts'),
  },
  {
    name: 'restore',
    host: true,
    summary: 'put a backup back on its own host, where there is no log any more',
    examples: [
      'attestctl restore /srv/backup/attestd-today',
      'attestctl restore /srv/backup/attestd-today --as-evidence',
    ],
    arguments: [{ name: '<dir>', help: 'a backup; it is checked and audited first' }],
    options: [
      CONFIG,
      {
        flags: '--as-evidence',
        help: 'although the counter disagrees; attestctl recover --new-epoch follows',
      },
      { flags: '--yes', help: 'do not ask' },
      PROGRESS,
    ],
    load: () => import('../commands/restore.ts'),
  },
  {
    name: 'retain',
    summary: 'remove old records for good; their places and all proofs stay',
    examples: [
      'attestctl retain --before 2026-01-01 --dry-run',
      "attestctl retain --before 120000 --reason 'kept for a year'",
    ],
    options: [
      {
        flags: '--before <index-or-time>',
        help: 'an index, a day or an RFC 3339 time: what stands before it goes',
        required: true,
      },
      { flags: '--dry-run', help: 'say what would be removed, remove nothing' },
      { flags: '--reason <text>', help: 'for the tombstone, which auditors read' },
      { flags: '--yes', help: 'do not ask' },
      {
        flags: '--socket <path>',
        help: 'the admin socket, else ATTESTD_SOCKET, else /run/attestd/admin.sock',
      },
    ],
    load: () => import('../commands/retain.ts'),
  },
];
