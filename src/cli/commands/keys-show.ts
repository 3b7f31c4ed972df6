/** `attestctl keys show`: the public half of one of the host's own keys, as PEM. */
import { fromBase64 } from '../../core/bytes.ts';
import { printPem } from '../../evidence/certfile.ts';
import { type Input, text } from '../command.ts';
import { reportWritten, writeOutput } from '../files.ts';
import { chosenConfig } from '../host.ts';
import { chooseKey, readHostKeys } from '../hostkeys.ts';

export async function run(input: Input): Promise<number> {
  const keys = await readHostKeys(chosenConfig(input), () => undefined);
  const { role, state, name, spki } = chooseKey(keys, input.args[0] as string);
  const out = text(input, 'out') as string;
  await writeOutput(out, printPem([{ label: 'PUBLIC KEY', der: fromBase64(spki) }]), input.io);
  reportWritten(input.io, out, { role, state, name });
  return 0;
}
