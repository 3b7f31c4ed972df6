/** `attestctl status`: the daemon's own account of itself, as a table or as JSON. */
import { formatTime } from '../../core/time.ts';
import type { Input } from '../command.ts';
import { withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const status = await withClient(input, (client) => client.status());
  if (input.io.json) {
    input.io.out(`${JSON.stringify(status)}\n`);
    return 0;
  }
  const rows = flatten(status);
  const width = Math.max(...rows.map(([name]) => name.length));
  for (const [name, value] of rows) input.io.out(`${input.io.style('bold', name.padEnd(width))}  ${value}\n`);
  return 0;
}

function flatten(value: Record<string, unknown>, prefix = ''): [string, string][] {
  return Object.entries(value).flatMap(([name, v]): [string, string][] =>
    v !== null && typeof v === 'object' && !Array.isArray(v)
      ? flatten(v as Record<string, unknown>, `${prefix}${name}.`)
      : [[prefix + name, shown(name, v)]],
  );
}

/** Instants are numbers in the API, and dates to a person. */
const shown = (name: string, v: unknown): string =>
  typeof v === 'string' ? v : name === 'expires' ? formatTime(v as number) : JSON.stringify(v);
