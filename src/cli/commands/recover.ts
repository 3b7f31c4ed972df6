/** `attestctl recover --new-epoch`: a new log that names the old one, after a person has looked. */
import { AttestdError } from '../../core/errors.ts';
import { recoverHost } from '../../daemon/init.ts';
import { type Input, on, text } from '../command.ts';
import { chosenConfig, hostRandom } from '../host.ts';
import { asOwner } from '../owner.ts';
import { confirm } from '../question.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const config = chosenConfig(input);
  const question = 'the log in use ends here and a new one begins; go on?';
  if (!(await confirm(io, question, on(input, 'yes')))) {
    throw new AttestdError('USAGE', 'not confirmed; without a terminal, say --yes');
  }
  const made = await asOwner(config.state_dir, () =>
    recoverHost({ config, now: Date.now, random: hostRandom }, text(input, 'reason')),
  );
  if (io.json) io.out(`${JSON.stringify({ schema: 'attestd.dev/initialised/v1', ...made })}\n`);
  else io.out(`${made.origin}\n`);
  return 0;
}
