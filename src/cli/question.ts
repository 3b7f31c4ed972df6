/** Questions to a person. Without a terminal, or with the answer given beforehand, nothing is asked. */
import { createInterface } from 'node:readline/promises';
import type { Io } from './io.ts';

/**
 * Asks for a yes.
 * @param given whether the command line said yes already
 * @returns false without asking when there is no terminal to ask at
 */
export async function confirm(io: Io, question: string, given: boolean): Promise<boolean> {
  if (given) return true;
  if (io.stdin.isTTY !== true || !io.stderrIsTerminal) return false;
  const terminal = createInterface({ input: io.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`attestctl: ${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}
