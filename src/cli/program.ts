/** Turns the command table into a commander program; nothing here knows any command by name. */
import { Option, Command as Program } from 'commander';
import type { Command, Input, OptionValue } from './command.ts';
import { processIo, reportFault } from './io.ts';
import { HELP } from './manual/commands.ts';

/**
 * Builds the program; running it sets `process.exitCode`.
 * @param root attestctl itself, with its commands below it, see `table.ts`
 * @param version printed by `--version`
 */
export function createProgram(root: Command, version: string): Program {
  const program: Program = new Program(root.name)
    .version(version, '-V, --version', 'print the version')
    .showSuggestionAfterError()
    .enablePositionalOptions()
    .helpCommand([HELP.name, ...(HELP.arguments ?? []).map((a) => a.name)].join(' '), HELP.summary)
    // Those that every command takes; not those of the commands above it, nor --version, which is attestctl's.
    .configureHelp({
      showGlobalOptions: true,
      visibleGlobalOptions: (command) =>
        command === program
          ? []
          : program.options.filter((o) => EVERYWHERE.some(([flags]) => flags === o.flags)),
    })
    .configureOutput({ outputError: (text, write) => write(usageFault(text)) });
  program.exitOverride((end) => {
    // Commander's own faults are faults of usage; help and version are not faults.
    process.exitCode = end.exitCode === 0 ? 0 : 2;
    throw end;
  });
  fill(program, root, [root.name]);
  for (const [flags, help] of EVERYWHERE) program.option(flags, help);
  return program;
}

/** Options that every command takes, in front of its name or behind it. */
const EVERYWHERE = [
  ['--json', 'print one JSON document on stdout'],
  ['--no-color', 'no colour, also by NO_COLOR'],
] as const;

/** A fault that commander found, in the form of all others. */
function usageFault(text: string): string {
  const [first = '', ...rest] = text.trim().split('\n');
  const meant = /\(Did you mean (.*)\)/.exec(rest.join(' '))?.[1];
  const hint = meant === undefined ? '' : `attestctl: hint: did you mean ${meant}\n`;
  return `attestctl: ${first} [USAGE]\n${hint}`;
}

function fill(command: Program, row: Command, path: readonly string[]): void {
  command
    .description(row.summary)
    .addHelpText('before', `Examples:\n${row.examples.map((e) => `  ${e}`).join('\n')}\n`)
    .showHelpAfterError(`attestctl: hint: ${path.join(' ')} --help`);
  for (const argument of row.arguments ?? []) command.argument(argument.name, argument.help);
  const required: Option[] = [];
  for (const { flags, help, required: must } of row.options ?? []) {
    const option = new Option(flags, help);
    command.addOption(option);
    if (must) required.push(option);
  }
  for (const below of row.commands ?? []) {
    const child = command.command(below.name).copyInheritedSettings(command);
    for (const [flags, help] of EVERYWHERE) child.addOption(new Option(flags, help).hideHelp());
    fill(child, below, [...path, below.name]);
  }
  const { load } = row;
  if (load === undefined) return;
  if (row.arguments?.some((a) => /^<.*\.\.\.>$/.test(a.name))) command.passThroughOptions();
  command.action(async (...received: unknown[]) => {
    const self = received.at(-1) as Program;
    // Not by commander, which looks for what is missing before what it does not know: most often that is the same one.
    const missing = required.find((o) => self.getOptionValue(o.attributeName()) === undefined);
    if (missing !== undefined) self.error(`error: required option '${missing.flags}' not specified`);
    const given = lineage(self).map((c) => c.opts() as Record<string, OptionValue>);
    const io = processIo({
      json: given.some((o) => o.json === true),
      color: given.every((o) => o.color !== false),
    });
    const input: Input = { args: self.args, options: self.opts(), io };
    try {
      process.exitCode = await (await load()).run(input);
    } catch (fault) {
      process.exitCode = reportFault(io, fault);
    }
  });
}

/** A command and those it is below. */
function lineage(command: Program): Program[] {
  return command.parent === null ? [command] : [command, ...lineage(command.parent)];
}
