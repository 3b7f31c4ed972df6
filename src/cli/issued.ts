/** What `ca issue` and `ca renew` end with: the certificate file, and words about it. */
import type { IssueAnswer } from '../ca/issue.ts';
import { type Input, text } from './command.ts';
import { reportWritten, writeOutput } from './files.ts';

/** Writes it to `--out`. @returns the exit status */
export async function writeCertificate(input: Input, answer: IssueAnswer): Promise<number> {
  const { io } = input;
  const out = text(input, 'out') as string;
  await writeOutput(out, answer.certificateFile, io);
  const { certificateFile: _, ...facts } = answer;
  if (io.json) reportWritten(io, out, facts);
  else io.note(`certificate ${answer.serial}, valid until ${answer.notAfter}`);
  return 0;
}
