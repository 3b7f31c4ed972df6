/** Turns the command table into a commander program; nothing here knows any command by name. */
import { Command as Program } from 'commander';
import type { Command, Input, OptionValue } from './command.ts';
import { processIo, reportFault } from './io.ts';

/**
 * Builds the program; running it sets `process.exitCode`.
 * @param table the commands, see `table.ts`
 * @param version printed by `--version`
 */
export function createProgram(table: readonly Command[], version: string): Program {
  const program = new Program('attestctl')
    .description('evidence of what ran, who allowed it, on which machine and in what state')
    .version(version, '-V, --version', 'print the version')
    .option('--json', 'print one JSON document on stdout')
    .option('--no-color', 'no colour, also by NO_COLOR')
    .showSuggestionAfterError()
    .showHelpAfterError('attestctl: hint: attestctl --help')
    .enablePositionalOptions()
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, 'attestctl: error: ')),
    });
  program.exitOverride((end) => {
    // Commander's own faults are faults of usage; help and version are not faults.
    process.exitCode = end.exitCode === 0 ? 0 : 2;
    throw end;
  });
  for (const command of table) add(program, command);
  return program;
}

function add(parent: Program, row: Command): void {
  const command = parent.command(row.name).description(row.summary).copyInheritedSettings(parent);
  if (row.examples !== undefined) {
    command.addHelpText('before', `Examples:\n${row.examples.map((e) => `  ${e}`).join('\n')}\n`);
  }
  for (const argument of row.arguments ?? []) command.argument(argument.name, argument.help);
  for (const option of row.options ?? []) {
    if (option.required) command.requiredOption(option.flags, option.help);
    else command.option(option.flags, option.help);
  }
  for (const below of row.commands ?? []) add(command, below);
  const { load } = row;
  if (load === undefined) return;
  if (row.arguments?.some((a) => a.name.includes('...'))) command.passThroughOptions();
  command.action(async (...received: unknown[]) => {
    const self = received.at(-1) as Program;
    const options = self.optsWithGlobals() as Record<string, OptionValue>;
    const io = processIo({ json: options.json === true, color: options.color !== false });
    const input: Input = { args: self.args, options, io };
    try {
      process.exitCode = await (await load()).run(input);
    } catch (fault) {
      process.exitCode = reportFault(io, fault);
    }
  });
}
