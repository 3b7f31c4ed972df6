/** `attestctl approve`: shows what was asked and refused, asks, and writes the approval as a record of its own. */
import { AttestdError } from '../../core/errors.ts';
import { type Input, on, text } from '../command.ts';
import { confirm } from '../question.ts';
import { receiptDocument, withClient } from '../session.ts';
import { number } from './grant-request.ts';

export async function run(input: Input): Promise<number> {
  const id = input.args[0] as string;
  const seconds = number(input, 'seconds', 600);
  return withClient(input, async (client) => {
    const found = await client.showGrant(id);
    if (found.kind !== 'denial')
      throw new AttestdError('USAGE', `${id} is a grant; what can be approved is a denial`);
    const { caller, requested } = found.denial as {
      caller: { observed: { uid: number; unit?: string } };
      requested: unknown;
    };
    input.io.note(
      `uid ${caller.observed.uid} asked, and was refused:\n${JSON.stringify(requested, null, 2)}`,
    );
    if (!(await confirm(input.io, 'approve this?', on(input, 'yes')))) {
      throw new AttestdError('USAGE', 'not confirmed, nothing was approved; --yes says it beforehand');
    }
    const receipt = await client.approve(id, seconds, text(input, 'comment'));
    if (input.io.json) input.io.out(`${receiptDocument(receipt)}\n`);
    else {
      input.io.out(`${receipt.id}\n`);
      input.io.note(`approved; who asked repeats the request with --approval ${receipt.id}`);
    }
    return 0;
  });
}
