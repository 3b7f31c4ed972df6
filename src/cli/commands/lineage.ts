/** `attestctl lineage`: the graph of what a record rests on, as its bundle shows it; for reading, it proves nothing. */
import { existsSync } from 'node:fs';
import { fromBase64 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { parseBundle } from '../../evidence/bundle.ts';
import { type Input, text } from '../command.ts';
import { readInput } from '../files.ts';
import { unfold } from '../foreign.ts';
import { asDot, asJson, asProv, asText, type Node, nodeOf } from '../graph.ts';
import { withClient } from '../session.ts';

const FORMS: Readonly<Record<string, (nodes: readonly Node[]) => string>> = {
  text: asText,
  dot: asDot,
  json: asJson,
  prov: asProv,
};

export async function run(input: Input): Promise<number> {
  const name = input.args[0] as string;
  const wanted = text(input, 'format') ?? (input.io.json ? 'json' : 'text');
  const form = Object.hasOwn(FORMS, wanted) ? FORMS[wanted] : undefined;
  if (form === undefined)
    throw new AttestdError('USAGE', '--format is text, dot, json or prov', { field: '--format' });
  const isFile = name === '-' || (text(input, 'socket') === undefined && existsSync(name));
  const bytes = isFile
    ? await readInput(name, input.io)
    : await withClient(input, (client) => client.bundle(name, { lineage: true }));
  const entries = unfold(parseBundle(bytes)).flatMap(({ record, related }) => [
    record.entry,
    ...related.map((r) => r.entry).reverse(),
  ]);
  // Bundles of one log may hold the same entries.
  input.io.out(form([...new Set(entries)].map((e) => nodeOf(fromBase64(e)))));
  input.io.note('shown, not verified: attestctl verify says whether to believe it');
  return 0;
}
