/** The client that the commands of a workload share: which socket, under which name. */
import { type Client, connect, type Receipt, type Strength } from '../client/client.ts';
import { AttestdError } from '../core/errors.ts';
import { type Input, text } from './command.ts';
import { VERSION } from './version.ts';

/** Runs `work` with a client of the chosen socket and closes it afterwards. */
export async function withClient<T>(input: Input, work: (client: Client) => Promise<T>): Promise<T> {
  const socket = text(input, 'socket');
  const client = connect({
    client: `attestctl/${VERSION}`,
    ...(socket === undefined ? {} : { socket }),
  });
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

/** A receipt as a document of one line. */
export const receiptDocument = (receipt: Receipt): string =>
  JSON.stringify({ schema: 'attestd.dev/receipt/v1', ...receipt });

/** `--wait`, sealed when absent. @throws USAGE for any other word */
export function waitOption(input: Input): Strength {
  const wait = text(input, 'wait') ?? 'sealed';
  if (wait !== 'durable' && wait !== 'sealed') {
    throw new AttestdError('USAGE', `--wait is durable or sealed, not ${wait}`, { field: '--wait' });
  }
  return wait;
}
