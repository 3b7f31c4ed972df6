/** `attestctl key show`: the public half of a key, as PEM. */
import { fromBase64 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { printPem } from '../../evidence/certfile.ts';
import { type Input, text } from '../command.ts';
import { reportWritten, writeOutput } from '../files.ts';
import { withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const name = input.args[0] as string;
  const keys = await withClient(input, (client) => client.keys());
  const key = keys.find((k) => k.name === name);
  if (key === undefined) throw new AttestdError('NOT_FOUND', `there is no key ${name} of yours`);
  const out = text(input, 'out') as string;
  await writeOutput(out, printPem([{ label: 'PUBLIC KEY', der: fromBase64(key.spki) }]), input.io);
  reportWritten(input.io, out, { name });
  return 0;
}
