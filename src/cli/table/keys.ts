/** Rows of the command table: the host's own keys, which sign the log. */
import type { Command } from '../command.ts';
import { CONFIG, OUT } from './option.ts';

export const KEYS: Command = {
  name: 'keys',
  host: true,
  summary: "show the host's own keys, and put others in their place",
  examples: [
    'attestctl keys rotate --ak --reason "yearly"',
    'attestctl keys list',
    'attestctl keys show ak -o ak.pem',
  ],
  commands: [
    {
      name: 'rotate',
      summary: 'make new keys, to be put in force when the daemon starts; an AK needs a certificate before',
      examples: [
        'attestctl keys rotate --ak --reason "yearly"',
        'attestctl keys rotate --record',
        'attestctl keys rotate --abandon',
      ],
      options: [
        CONFIG,
        { flags: '--ak', help: 'another attestation key; both when neither is named' },
        { flags: '--record', help: 'another record key' },
        { flags: '--reason <text>', help: 'why, for the auditor' },
        { flags: '--abandon', help: 'forget new keys that are not in force yet; the daemon must be stopped' },
      ],
      load: () => import('../commands/keys-rotate.ts'),
    },
    {
      name: 'list',
      summary: 'the keys that are, were and will be in force in the log in use',
      examples: ['attestctl keys list', 'attestctl keys list --json'],
      options: [CONFIG, { flags: '--progress <how>', help: 'auto, bar, lines, json or none' }],
      load: () => import('../commands/keys-list.ts'),
    },
    {
      name: 'show',
      summary: 'write the public half of one of them as PEM',
      examples: ['attestctl keys show ak -o ak.pem', 'attestctl keys show record -o record-key.pem'],
      arguments: [
        { name: '<name>', help: 'ak or record: the one in force; or the start of a Name as listed' },
      ],
      options: [CONFIG, { ...OUT, required: true }],
      load: () => import('../commands/keys-show.ts'),
    },
  ],
};
