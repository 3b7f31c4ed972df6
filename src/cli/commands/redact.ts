/** `attestctl redact`: a bundle without openings; every proof stays as it was, for digests were sealed, not values. */
import { parseBundle, printBundle } from '../../evidence/bundle.ts';
import { parseDisclosure } from '../../evidence/disclosure.ts';
import { type Input, list, text } from '../command.ts';
import { readInput, reportWritten, writeOutput } from '../files.ts';

export async function run(input: Input): Promise<number> {
  const keep = new Set(list(input, 'keep'));
  const { mediaType: _, ...bundle } = parseBundle(await readInput(input.args[0] as string, input.io));
  const disclosures = bundle.disclosures.filter((d) => keep.has(parseDisclosure(d).name));
  const bytes = printBundle({ ...bundle, disclosures });
  const out = text(input, 'out') as string;
  await writeOutput(out, bytes, input.io);
  const withheld = bundle.disclosures.length - disclosures.length;
  if (out !== '-') input.io.note(`${withheld} values are withheld now, ${disclosures.length} stay open`);
  reportWritten(input.io, out, { withheld, open: disclosures.length });
  return 0;
}
