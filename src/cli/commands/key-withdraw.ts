/** `attestctl key withdraw`: the end of a key, recorded. */
import { type Input, text } from '../command.ts';
import { withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const reason = text(input, 'reason') as string;
  const key = await withClient(input, (client) => client.withdrawKey(input.args[0] as string, reason));
  if (io.json) io.out(`${JSON.stringify({ schema: 'attestd.dev/key/v1', ...key })}\n`);
  else io.note(`key ${key.name} is withdrawn and gone`);
  return 0;
}
