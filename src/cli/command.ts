/** What a command is: the shape of the rows of the command table and of the modules behind them. */
import type { Io } from './io.ts';

export type OptionValue = string | boolean | string[] | undefined;

export interface Input {
  readonly args: readonly string[];
  readonly options: Readonly<Record<string, OptionValue>>;
  readonly io: Io;
}

/** A module of `commands/`: does the work and answers the exit status. */
export interface Action {
  run(input: Input): Promise<number>;
}

export interface Option {
  /** As commander spells it: `--name`, `--name <value>`, `--name <value...>`, `-o, --out <file>`. */
  readonly flags: string;
  readonly help: string;
  readonly required?: true;
}

export interface Command {
  readonly name: string;
  readonly summary: string;
  /** At least one line that can be typed as it stands. */
  readonly examples: readonly string[];
  /** As commander spells it: `<file>`, `[id]`, `[command...]`. */
  readonly arguments?: readonly { readonly name: string; readonly help: string }[];
  readonly options?: readonly Option[];
  readonly commands?: readonly Command[];
  /** Needs the TPM, the addon or the policy engine: not in the client edition (edition.ts). */
  readonly host?: true;
  /** Loaded only when the command runs, so that `verify` starts without the addon. */
  readonly load?: () => Promise<Action>;
}

/** A text option, or nothing. */
export function text(input: Input, name: string): string | undefined {
  const value = input.options[name];
  return typeof value === 'string' ? value : undefined;
}

/** A list option; empty when absent. */
export function list(input: Input, name: string): readonly string[] {
  const value = input.options[name];
  return Array.isArray(value) ? value : [];
}

/** Whether a switch is set. */
export function on(input: Input, name: string): boolean {
  return input.options[name] === true;
}
