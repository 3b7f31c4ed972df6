/** `attestctl epoch`: the epochs of a host and how they hang together. */
import { ERRORS } from '../../core/errors.ts';
import { type Input, text } from '../command.ts';
import { type Epoch, readEpochs } from '../epochs.ts';
import { chosenConfig } from '../host.ts';
import { createProgress } from '../progress.ts';

const WORDS = {
  first: 'nothing before it',
  chained: 'names the final seal before it',
  broken: 'names another seal than the last one before it',
  missing: 'the log before it is not here',
} as const;

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const state = input.args[0] ?? chosenConfig(input).state_dir;
  const progress = createProgress(io, 'entries', text(input, 'progress'));
  let epochs: Epoch[];
  try {
    epochs = await readEpochs(state, (entries) => progress.update(entries, entries));
  } finally {
    progress.end();
  }
  if (io.json) io.out(`${JSON.stringify({ schema: 'attestd.dev/epochs/v1', epochs })}\n`);
  else {
    const width = Math.max(6, ...epochs.map((e) => e.origin.length));
    const row = (cells: readonly string[]) =>
      `${cells[0]?.padEnd(width)}  ${cells[1]?.padEnd(20)}  ${cells[2]?.padStart(9)}  ${cells[3]?.padStart(9)}  ${cells[4]?.padEnd(16)}  ${cells[5]}\n`;
    io.out(io.style('bold', row(['ORIGIN', 'BEGUN', 'ENTRIES', 'SEALED', 'AK', 'LINK'])));
    for (const e of epochs) {
      const link = `${WORDS[e.link]}${e.current ? ', in use' : ''}`;
      const sealed = String(e.seal?.size ?? 0);
      // Name: two bytes of algorithm, then the digest.
      io.out(row([e.origin, e.begun.slice(0, 19), String(e.entries), sealed, e.akName.slice(4, 20), link]));
    }
  }
  return epochs.some((e) => e.link === 'broken') ? ERRORS.REJECTED.exit : 0;
}
