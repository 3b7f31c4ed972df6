/** What a record rests on, and what is kept of what it withholds. */
import type { Command } from '../command.ts';
import { OUT, SOCKET } from './option.ts';

const ID = '01KAE3X5V0N9S8QX1Z7M2R4B6C';

export const LINEAGE_COMMANDS: readonly Command[] = [
  {
    name: 'lineage',
    summary: 'draw what a record rests on: parents, grant, policy, approvals',
    examples: [`attestctl lineage ${ID}`, 'attestctl lineage run.attest.json --format dot'],
    arguments: [{ name: '<id-or-file>', help: 'id of a record, or a bundle file; - is stdin' }],
    options: [SOCKET, { flags: '--format <form>', help: 'text, dot, json or prov (W3C PROV-JSON)' }],
    load: () => import('../commands/lineage.ts'),
  },
  {
    name: 'redact',
    summary: 'make a bundle that opens nothing, or only what is named',
    examples: ['attestctl redact run.attest.json -o public.attest.json'],
    arguments: [{ name: '<file>', help: 'the bundle; - is stdin' }],
    options: [
      { flags: '--keep <name...>', help: 'names whose values stay open' },
      { ...OUT, required: true },
    ],
    load: () => import('../commands/redact.ts'),
  },
  {
    name: 'forget',
    summary: 'erase the openings of a record for good; its evidence stays valid',
    examples: [`attestctl forget ${ID} --yes`],
    arguments: [{ name: '<id>', help: 'id of the record' }],
    options: [
      SOCKET,
      { flags: '--reason <text>', help: 'why, for the log' },
      { flags: '--yes', help: 'do not ask' },
    ],
    load: () => import('../commands/forget.ts'),
  },
];
