/** Commands that read what was recorded. */
import type { Command } from '../command.ts';
import { FILTERS } from '../listing.ts';
import { OUT, SOCKET } from './option.ts';

const LIMIT = (most: string) => ({ flags: '--limit <n>', help: `at most so many; ${most} when absent` });

export const READ_COMMANDS: readonly Command[] = [
  {
    name: 'list',
    summary: "list records, the newest first: yours, or on the admin socket everybody's",
    examples: [
      'attestctl list --since 12h',
      'attestctl list --decision denied --socket /run/attestd/admin.sock',
      "attestctl list --action 'tool.call/refund.*' --json",
    ],
    options: [SOCKET, ...FILTERS, LIMIT('50')],
    load: () => import('../commands/list.ts'),
  },
  {
    name: 'search',
    summary: 'list the records in whose statement a text stands',
    examples: ['attestctl search crm:order/17', 'attestctl search refund.approve --kind denial --since 7d'],
    arguments: [{ name: '<text>', help: 'the text; upper and lower case differ' }],
    options: [SOCKET, ...FILTERS, LIMIT('50')],
    load: () => import('../commands/list.ts'),
  },
  {
    name: 'tail',
    summary: 'show the newest records, and go on showing those that come',
    examples: ['attestctl tail', 'attestctl tail --follow --decision denied'],
    options: [SOCKET, ...FILTERS, LIMIT('10'), { flags: '-f, --follow', help: 'go on until interrupted' }],
    load: () => import('../commands/tail.ts'),
  },
  {
    name: 'report',
    summary: 'write one page for people: what ran, who allowed it, what was refused, on what machine',
    examples: [
      'attestctl report --since 7d -o week.html',
      'attestctl report run.attest.json other.attest.json --trust trust.json -o audit.html',
    ],
    arguments: [{ name: '[bundle...]', help: 'evidence files; without any, records of the daemon' }],
    options: [
      SOCKET,
      ...FILTERS,
      LIMIT('200'),
      { flags: '--trust <file>', help: 'your trust file: each record is verified and its verdict shown' },
      { flags: '--title <text>', help: 'what stands on top' },
      { ...OUT, required: true },
    ],
    load: () => import('../commands/report.ts'),
  },
];
