/** `attestctl record`: one record from a JSON request, for programs without an SDK. */
import type { RecordRequest } from '../../client/client.ts';
import { parseJson } from '../../core/json.ts';
import { type Input, text } from '../command.ts';
import { readInput } from '../files.ts';
import { receiptDocument, waitOption, withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const wait = waitOption(input);
  const request = parseJson(await readInput(input.args[0] ?? '-', input.io));
  const key = text(input, 'idempotencyKey');
  const receipt = await withClient(input, (client) =>
    // The daemon checks the shape; what goes out is what was read.
    client.record(request as unknown as RecordRequest, {
      wait,
      ...(key === undefined ? {} : { idempotencyKey: key }),
    }),
  );
  if (input.io.json) input.io.out(`${receiptDocument(receipt)}\n`);
  else {
    input.io.out(`${receipt.id}\n`);
    input.io.note(`${receipt.strength} as entry ${receipt.index} of ${receipt.log}`);
  }
  return 0;
}
