/** `attestctl init`: keys, counter and log of this host, once and only when asked. */
import { initHost } from '../../daemon/init.ts';
import { type Input, on } from '../command.ts';
import { chosenConfig, hostRandom } from '../host.ts';
import { asOwner } from '../owner.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  if (on(input, 'demo')) return demonstrate(input);
  const config = chosenConfig(input);
  if (on(input, 'dryRun')) {
    const { fleet, host, state_dir: state, tpm } = config;
    const counter = tpm.counter === 'nv' ? `0x${tpm.counter_index.toString(16).padStart(8, '0')}` : undefined;
    io.note(`would make keys in ${state}/identity through ${tpm.tcti}`);
    if (counter !== undefined) io.note(`would define the NV counter ${counter}`);
    io.note(`would begin a log for ${fleet}/${host} in ${state}/log`);
    if (io.json) {
      const facts = { schema: 'attestd.dev/would-initialise/v1', fleet, host, state, tcti: tpm.tcti };
      io.out(`${JSON.stringify({ ...facts, ...(counter === undefined ? {} : { counter }) })}\n`);
    }
    return 0;
  }
  const made = await asOwner(config.state_dir, () => initHost({ config, now: Date.now, random: hostRandom }));
  if (io.json) io.out(`${JSON.stringify({ schema: 'attestd.dev/initialised/v1', ...made })}\n`);
  else {
    io.out(`${made.origin}\n`);
    io.note(`AK ${made.akName}`);
    io.note('next: attestctl enroll request -o request.json');
  }
  return 0;
}

async function demonstrate(input: Input): Promise<number> {
  const { io } = input;
  const { makeDemo, NEXT } = await import('../demo/demo.ts');
  await makeDemo(input);
  if (io.json) io.out(`${JSON.stringify({ schema: 'attestd.dev/demonstration/v1', next: NEXT })}\n`);
  else {
    io.note('a software TPM proves nothing: every verdict about this host says simulated');
    for (const line of NEXT) io.out(`${line}\n`);
  }
  return 0;
}
