/** `attestctl init`: keys, counter and log of this host, once and only when asked. */
import { initHost } from '../../daemon/init.ts';
import { type Input, on } from '../command.ts';
import { chosenConfig, hostRandom } from '../host.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const config = chosenConfig(input);
  if (on(input, 'dryRun')) {
    io.note(`would make keys in ${config.state_dir}/identity through ${config.tpm.tcti}`);
    if (config.tpm.counter === 'nv')
      io.note(`would define the NV counter 0x0${config.tpm.counter_index.toString(16)}`);
    io.note(`would begin a log for ${config.fleet}/${config.host} in ${config.state_dir}/log`);
    return 0;
  }
  const made = await initHost({ config, now: Date.now, random: hostRandom });
  if (io.json) io.out(`${JSON.stringify({ schema: 'attestd.dev/initialised/v1', ...made })}\n`);
  else {
    io.out(`${made.origin}\n`);
    io.note(`AK ${made.akName}`);
    io.note('next: attestctl enroll request -o request.json');
  }
  return 0;
}
