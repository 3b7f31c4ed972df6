/** `attestctl quote`: the newest state, quoted over an auditor's nonce; `verify --nonce` checks it. */
import { randomBytes } from 'node:crypto';
import { fromHex, toHex } from '../../core/bytes.ts';
import { type Input, text } from '../command.ts';
import { writeOutput } from '../files.ts';
import { withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const given = text(input, 'nonce');
  const nonce = given === undefined ? new Uint8Array(randomBytes(32)) : fromHex(given);
  const bytes = await withClient(input, (client) => client.quote(nonce));
  const out = text(input, 'out') as string;
  await writeOutput(out, bytes, input.io);
  if (out !== '-') input.io.note(`quoted over nonce ${toHex(nonce)} into ${out}`);
  return 0;
}
