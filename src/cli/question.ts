/** Questions to a person. Without a terminal, or with the answer given beforehand, nothing is asked. */
import { createInterface } from 'node:readline/promises';
import { AttestdError } from '../core/errors.ts';
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

/** Goes on only with a yes. @throws USAGE without one */
export async function confirmOrRefuse(io: Io, question: string, given: boolean): Promise<void> {
  if (!(await confirm(io, question, given))) {
    throw new AttestdError('USAGE', 'not confirmed; without a terminal, say --yes');
  }
}

/**
 * Asks for a secret without showing it.
 * @returns undefined where there is no terminal to ask at
 */
export async function askSecret(io: Io, what: string): Promise<Uint8Array | undefined> {
  const { stdin } = io;
  if (stdin.isTTY !== true || !io.stderrIsTerminal) return undefined;
  process.stderr.write(`attestctl: ${what}: `);
  stdin.setRawMode(true);
  const typed: number[] = [];
  try {
    for await (const chunk of stdin as AsyncIterable<Buffer>) {
      for (const byte of chunk) {
        if (byte === 13 || byte === 10) return Uint8Array.from(typed);
        if (byte === 3) throw new AttestdError('INTERRUPTED', 'nothing was typed in');
        if (byte === 127 || byte === 8) typed.pop();
        else typed.push(byte);
      }
    }
    return Uint8Array.from(typed);
  } finally {
    stdin.setRawMode(false);
    process.stderr.write('\n');
  }
}
