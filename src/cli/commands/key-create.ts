/** `attestctl key create`: a key in the TPM for this caller. */
import { type Input, on } from '../command.ts';
import { withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const role = on(input, 'tls') ? 'tls' : 'workload';
  const key = await withClient(input, (client) => client.createKey(input.args[0] as string, role));
  if (io.json) io.out(`${JSON.stringify({ schema: 'attestd.dev/key/v1', ...key })}\n`);
  else io.note(`key ${key.name} made for uid ${key.uid}; record ${key.record} certifies it`);
  return 0;
}
