/** `attestctl quote`: the newest state, quoted over an auditor's nonce; `verify --nonce` checks it. */
import { randomBytes } from 'node:crypto';
import { toHex } from '../../core/bytes.ts';
import { parseFresh } from '../../evidence/fresh.ts';
import { writeBeside } from '../attachment.ts';
import { type Input, on, text } from '../command.ts';
import { reportWritten, writeOutput } from '../files.ts';
import { readNonce } from '../nonce.ts';
import { withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const given = text(input, 'nonce');
  const nonce = given === undefined ? new Uint8Array(randomBytes(32)) : readNonce(given);
  const out = text(input, 'out') as string;
  const ima = on(input, 'ima');
  const { bytes, beside } = await withClient(input, async (client) => {
    const answer = await client.quote(nonce, { ima });
    const list = ima ? parseFresh(answer).logs?.ima : undefined;
    return { bytes: answer, beside: await writeBeside(out, list, (sha256) => client.attachment(sha256)) };
  });
  await writeOutput(out, bytes, input.io);
  input.io.note(`quoted over nonce ${toHex(nonce)}${out === '-' ? '' : ` into ${out}`}`);
  if (beside !== undefined) input.io.note(`with ${beside.size} bytes beside it: ${beside.file}`);
  reportWritten(input.io, out, {
    nonce: toHex(nonce),
    ...(beside === undefined ? {} : { attachments: [beside] }),
  });
  return 0;
}
