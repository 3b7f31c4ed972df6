/** `attestctl grant revoke`: the grant is good for nothing from then on. */
import { type Input, text } from '../command.ts';
import { receiptDocument, withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const id = input.args[0] as string;
  const receipt = await withClient(input, (client) => client.revoke(id, text(input, 'reason')));
  if (input.io.json) input.io.out(`${receiptDocument(receipt)}\n`);
  else input.io.note(`revoked by record ${receipt.id}`);
  return 0;
}
