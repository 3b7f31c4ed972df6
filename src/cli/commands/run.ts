/** `attestctl run -- cmd`: a command between its two records. */
import { basename } from 'node:path';
import type { Input } from '../command.ts';
import { commandLine } from '../executable.ts';
import { recordedRun } from '../recordedrun.ts';
import { claimedBy } from '../token.ts';

export async function run(input: Input): Promise<number> {
  const command = await commandLine(input);
  const action = { type: 'command.run', name: basename(command.name) };
  return recordedRun(input, command, { action, inputs: command.inputs, ...(await claimedBy(input)) });
}
