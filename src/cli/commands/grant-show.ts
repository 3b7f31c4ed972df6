/** `attestctl grant show`: a grant and its state, or what a denial refused. */
import { printableJson } from '../../core/printable.ts';
import type { Input } from '../command.ts';
import { withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const found = await withClient(input, (client) => client.showGrant(input.args[0] as string));
  input.io.out(`${printableJson(found, input.io.json ? 0 : 2)}\n`);
  return 0;
}
