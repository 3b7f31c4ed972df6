/** `attestctl key list`: the record key and the keys of this caller. */
import type { Input } from '../command.ts';
import { withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const keys = await withClient(input, (client) => client.keys());
  if (io.json) io.out(`${JSON.stringify({ schema: 'attestd.dev/keys/v1', keys })}\n`);
  else {
    for (const { name, role, uid, unit, record } of keys) {
      const of = uid === undefined ? 'this host' : `uid ${uid}${unit === undefined ? '' : `, ${unit}`}`;
      io.out(
        `${io.style('bold', name.padEnd(20))} ${role.padEnd(9)} ${of}${record === undefined ? '' : `  ${record}`}\n`,
      );
    }
  }
  return 0;
}
