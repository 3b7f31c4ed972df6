/** `attestctl quote`: the newest state, quoted over an auditor's nonce; `verify --nonce` checks it. */
import { randomBytes } from 'node:crypto';
import { toHex } from '../../core/bytes.ts';
import { type Input, text } from '../command.ts';
import { reportWritten, writeOutput } from '../files.ts';
import { readNonce } from '../nonce.ts';
import { withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const given = text(input, 'nonce');
  const nonce = given === undefined ? new Uint8Array(randomBytes(32)) : readNonce(given);
  const bytes = await withClient(input, (client) => client.quote(nonce));
  const out = text(input, 'out') as string;
  await writeOutput(out, bytes, input.io);
  input.io.note(`quoted over nonce ${toHex(nonce)}${out === '-' ? '' : ` into ${out}`}`);
  reportWritten(input.io, out, { nonce: toHex(nonce) });
  return 0;
}
