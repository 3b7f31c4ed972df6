/** `attestctl policy pcr digest`: the policy of record keys that are bound to approvals of one operator. */
import { createPublicKey } from 'node:crypto';
import { toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { recordPolicy } from '../../evidence/stateapproval.ts';
import { type Input, text } from '../command.ts';
import { readInput } from '../files.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const pem = Buffer.from(await readInput(text(input, 'key') as string, io));
  const fleet = text(input, 'fleet') as string;
  let policy: string;
  try {
    const spki = createPublicKey(pem).export({ format: 'der', type: 'spki' });
    policy = toHex(recordPolicy(new Uint8Array(spki), fleet));
  } catch (cause) {
    throw new AttestdError('MALFORMED', '--key is no key on P-256 in PEM', { cause, field: '--key' });
  }
  if (io.json) io.out(`${JSON.stringify({ schema: 'attestd.dev/state-policy/v1', fleet, policy })}\n`);
  else io.out(`${policy}\n`);
  return 0;
}
