/** `attestctl ca challenge`: checks a request and writes the challenge that only its TPM can answer. */
import { addEkRoots } from '../../ca/authority.ts';
import { makeChallenge } from '../../ca/challenge.ts';
import { chosenAuthority } from '../authority.ts';
import { readCertificates } from '../certificates.ts';
import { type Input, list, text } from '../command.ts';
import { readInput, reportWritten, writeOutput } from '../files.ts';

export async function run(input: Input): Promise<number> {
  const authority = await chosenAuthority(input);
  const roots = await readCertificates(list(input, 'ekRoots'), input.io);
  if (roots.length > 0) await addEkRoots(authority, roots);
  const allowed = text(input, 'allowEk');
  const answer = await makeChallenge(authority, await readInput(input.args[0] as string, input.io), {
    ...(allowed === undefined ? {} : { allowEk: [allowed] }),
  });
  const out = text(input, 'out') as string;
  await writeOutput(out, answer.challenge, input.io);
  const { challenge: _, ...facts } = answer;
  if (input.io.json) reportWritten(input.io, out, facts);
  else {
    input.io.note(`challenge for attestd://${answer.fleet}/${answer.host}`);
    input.io.note(
      `EK ${answer.ekDigest}, ${answer.certified ? 'certified by its vendor' : 'allowed by you'}`,
    );
  }
  return 0;
}
