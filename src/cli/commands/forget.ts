/** `attestctl forget`: the host erases what opens a record, and says in its log that it did. */
import { AttestdError } from '../../core/errors.ts';
import { type Input, on, text } from '../command.ts';
import { confirm } from '../question.ts';
import { receiptDocument, withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const id = input.args[0] as string;
  if (!(await confirm(input.io, `erase what opens ${id}, for good?`, on(input, 'yes'))))
    throw new AttestdError('USAGE', 'not confirmed, nothing was erased; --yes says it beforehand');
  const receipt = await withClient(input, (client) => client.forget(id, text(input, 'reason')));
  if (input.io.json) input.io.out(`${receiptDocument(receipt)}\n`);
  else input.io.note(`erased; the tombstone is record ${receipt.id}`);
  return 0;
}
