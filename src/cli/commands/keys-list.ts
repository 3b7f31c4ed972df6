/** `attestctl keys list`: the host's own keys and when each came into force. */
import { type Input, text } from '../command.ts';
import { chosenConfig } from '../host.ts';
import { type ListedKey, readHostKeys } from '../hostkeys.ts';
import { createProgress } from '../progress.ts';

const STATES = { 'in-force': 'in force', retired: 'retired', waiting: 'waits' } as const;

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const progress = createProgress(io, 'entries', text(input, 'progress'));
  let keys: ListedKey[];
  try {
    keys = await readHostKeys(chosenConfig(input), (entries) => progress.update(entries, entries));
  } finally {
    progress.end();
  }
  if (io.json) {
    io.out(`${JSON.stringify({ schema: 'attestd.dev/host-keys/v1', keys })}\n`);
    return 0;
  }
  const row = (cells: readonly string[]) =>
    `${cells[0]?.padEnd(7)} ${cells[1]?.padEnd(9)} ${cells[2]?.padEnd(16)} ${cells[3]?.padStart(9)}  ${cells[4]?.padEnd(19)} ${cells[5]}\n`;
  io.out(io.style('bold', row(['KEY', 'STATE', 'NAME', 'ENTRY', 'SINCE', 'REASON'])));
  for (const { role, state, name, index, since, reason, certified } of keys) {
    const why = certified === false ? `${reason}; no certificate yet` : (reason ?? 'genesis');
    const at = index === undefined ? '' : String(index);
    // Name: two bytes of algorithm, then the digest.
    io.out(row([role, STATES[state], name.slice(4, 20), at, since?.slice(0, 19) ?? '', why]));
  }
  return 0;
}
