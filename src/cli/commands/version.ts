/** `attestctl version`: what to name in a report of a fault. */
import type { Input } from '../command.ts';
import { VERSION } from '../version.ts';

export async function run({ io }: Input): Promise<number> {
  const facts = { schema: 'attestd.dev/version/v1', attestd: VERSION, node: process.versions.node };
  if (io.json) io.out(`${JSON.stringify(facts)}\n`);
  else io.out(`attestctl ${facts.attestd}\nnode ${facts.node}\n`);
  return 0;
}
