/** attestctl(1): every command, option and example of the command table, every code of the error table. */
import { ERRORS } from '../../core/errors.ts';
import type { Command } from '../command.ts';
import { item, type Page, type Part, para, shown, sub } from './roff.ts';

/** Exit statuses of attestctl (design §10). */
export const EXIT_STATUS: readonly (readonly [number, string])[] = [
  [0, 'verified, or done'],
  [1, 'rejected'],
  [2, 'usage'],
  [3, 'malformed input'],
  [4, 'indeterminate'],
  [5, 'daemon or TPM unavailable'],
  [6, 'denied'],
  [130, 'interrupted'],
];

/** Options that every command takes, and the environment. */
const EVERYWHERE: readonly (readonly [string, string])[] = [
  ['--json', 'print one JSON document on stdout'],
  ['--no-color', 'no colour'],
  ['--help', 'examples, then options'],
];
const ENVIRONMENT: readonly (readonly [string, string])[] = [
  ['ATTESTD_SOCKET', 'the socket of the daemon, where --socket does not name one'],
  ['ATTESTD_TRUST', 'the trust file, where --trust does not name one'],
  ['NO_COLOR', 'no colour, whatever it holds'],
];

/** What commander brings along, as a row. */
export const HELP: Command = {
  name: 'help',
  summary: 'display help for a command, or say what an error code means',
  examples: ['attestctl help verify', 'attestctl help TPM_UNAVAILABLE'],
  arguments: [{ name: '[command]', help: 'a command, or the code that an error ends with' }],
};

/** A command that can be typed, with the words in front of it. */
export interface Typed {
  readonly path: string;
  readonly command: Command;
}

/** All commands below `root`, itself first, in the order of the table. */
export function everyCommand(root: Command, path: string = root.name): Typed[] {
  const below = (root.commands ?? []).flatMap((c) => everyCommand(c, `${path} ${c.name}`));
  return [{ path, command: root }, ...below];
}

/** EXIT STATUS and ERRORS, for the pages that end in them. */
export function errorParts(): Part[] {
  return [
    { title: 'EXIT STATUS', body: EXIT_STATUS.map(([n, what]) => item(String(n), what)) },
    {
      title: 'ERRORS',
      body: [
        para(
          'An error ends with its code in brackets, ATTESTD_E_ and one of these; the number is the exit status.',
        ),
        ...Object.entries(ERRORS).map(([code, e]) =>
          item(`${code} (${e.exit})`, `${e.title}. Next: ${e.hint}.`),
        ),
      ],
    },
  ];
}

function describe({ path, command }: Typed): string[] {
  const words = (command.arguments ?? []).map((a) => a.name).join(' ');
  const options = command.options ?? [];
  return [
    sub([path, words].filter((w) => w !== '').join(' ')),
    para(command.summary),
    ...(command.arguments ?? []).map((a) => item(a.name, a.help)),
    ...options.map((o) => item(o.flags, `${o.help}${o.required ? ' (required)' : ''}`)),
    shown(command.examples),
  ];
}

export function attestctlPage(root: Command): Page {
  const [self, ...commands] = everyCommand(root);
  return {
    name: root.name,
    section: 1,
    summary: root.summary,
    parts: [
      {
        title: 'SYNOPSIS',
        body: [para(`${root.name} COMMAND [OPTIONS] [ARGUMENTS]`), para(`${root.name} --version`)],
      },
      {
        title: 'DESCRIPTION',
        body: [
          para(
            'Everything that a person types to attestd(8). Results go to stdout, everything else to stderr.',
          ),
          shown(self?.command.examples ?? []),
        ],
      },
      {
        title: 'OPTIONS OF EVERY COMMAND',
        body: EVERYWHERE.map(([o, what]) => item(o, what)),
      },
      {
        title: 'COMMANDS',
        body: [...commands, { path: `${root.name} ${HELP.name}`, command: HELP }].flatMap(describe),
      },
      { title: 'ENVIRONMENT', body: ENVIRONMENT.map(([o, what]) => item(o, what)) },
      ...errorParts(),
    ],
    seeAlso: ['attestd(8)', 'attestd.toml(5)', 'attestd-bundle(5)'],
  };
}
