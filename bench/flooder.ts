/**
 * A flood in a process of its own. Started with one JSON argument, says `ready` on a line, and after SIGTERM, or when a
 * flood of a given length is over, one line of JSON.
 */
import { type FloodInput, startFlood } from './flood.ts';

const input = JSON.parse(process.argv[2] as string) as FloodInput & { readonly uid: number };
// Another user than the one whose rate is measured: shares are each user's own.
process.setgroups?.([]);
process.setgid?.(input.uid);
process.setuid?.(input.uid);
const flood = startFlood(input);
const end = () => {
  process.stdout.write(`${JSON.stringify(flood.report())}\n`, () => process.exit(0));
};
process.on('SIGTERM', end);
flood.done.then(end);
flood.ready.then(() => process.stdout.write('ready\n'));
