/** `attestctl completion SHELL`: a completion script, from the command table. */
import { AttestdError } from '../../core/errors.ts';
import type { Input } from '../command.ts';
import { completion, SHELLS, type Shell } from '../manual/completion.ts';
import { ATTESTCTL } from '../table.ts';

export async function run(input: Input): Promise<number> {
  const [shell = ''] = input.args;
  if (!(SHELLS as readonly string[]).includes(shell)) {
    throw new AttestdError('USAGE', `there is completion for ${SHELLS.join(', ')}, not for ${shell}`);
  }
  const text = completion(shell as Shell, ATTESTCTL);
  input.io.out(
    input.io.json
      ? `${JSON.stringify({ schema: 'attestd.dev/completion/v1', shell, script: text })}\n`
      : text,
  );
  return 0;
}
