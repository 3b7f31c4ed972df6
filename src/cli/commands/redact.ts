/** `attestctl redact`: a bundle without openings; every proof stays as it was, for digests were sealed, not values. */
import { parseBundle } from '../../evidence/bundle.ts';
import type { Bundle } from '../../evidence/schema/bundle.ts';
import { type Input, list, text } from '../command.ts';
import { readInput, reportWritten, writeOutput } from '../files.ts';
import { redacted, unfold } from '../foreign.ts';

export async function run(input: Input): Promise<number> {
  const keep = new Set(list(input, 'keep'));
  const bundle = parseBundle(await readInput(input.args[0] as string, input.io));
  const bytes = redacted(bundle, keep);
  const out = text(input, 'out') as string;
  await writeOutput(out, bytes, input.io);
  const opened = (b: Bundle): number => unfold(b).reduce((n, x) => n + x.disclosures.length, 0);
  const open = opened(parseBundle(bytes));
  const withheld = opened(bundle) - open;
  if (out !== '-') input.io.note(`${withheld} values are withheld now, ${open} stay open`);
  reportWritten(input.io, out, { withheld, open });
  return 0;
}
