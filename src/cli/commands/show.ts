/** `attestctl show`: a record by its id from the daemon, or what a bundle file says, for reading; proves nothing. */
import { existsSync } from 'node:fs';
import { fromBase64 } from '../../core/bytes.ts';
import { printableJson } from '../../core/printable.ts';
import { readStatement } from '../../evidence/statement.ts';
import { type Input, text } from '../command.ts';
import { readInput } from '../files.ts';
import { withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const name = input.args[0] as string;
  if (name === '-' || (text(input, 'socket') === undefined && existsSync(name))) {
    const { parseBundle } = await import('../../evidence/bundle.ts');
    const bundle = parseBundle(await readInput(name, io));
    const { kind, predicate } = readStatement(fromBase64(bundle.record.entry));
    io.out(`${printableJson({ kind, predicate, disclosures: bundle.disclosures }, io.json ? 0 : 2)}\n`);
    io.note('shown, not verified: attestctl verify says whether to believe it');
    return 0;
  }
  const record = await withClient(input, (client) => client.get(name));
  io.out(`${printableJson(record, io.json ? 0 : 2)}\n`);
  return 0;
}
