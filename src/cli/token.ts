/** `--token` and `--claim`: what a workload claims by a token that it was given. */
import type { RecordRequest } from '../client/client.ts';
import { claimsOf } from '../client/token.ts';
import { fromUtf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { type Input, list, text } from './command.ts';
import { readInput } from './files.ts';

/** The member of a request that says it; nothing where there is no token. @throws USAGE, MALFORMED, INVALID_REQUEST */
export async function claimedBy(input: Input): Promise<Pick<RecordRequest, 'claimed'>> {
  const file = text(input, 'token');
  const names = list(input, 'claim');
  if (file === undefined) {
    if (names.length > 0)
      throw new AttestdError('USAGE', '--claim names claims of a --token', { field: '--claim' });
    return {};
  }
  const token = fromUtf8(await readInput(file, input.io));
  return { claimed: claimsOf(token, names.length === 0 ? undefined : names) };
}
