/** Writes a CRL where the person said, and says what is in it. */
import { AttestdError } from '../core/errors.ts';
import { parseCrl } from '../evidence/x509/crl.ts';
import { type Input, text } from './command.ts';
import { reportWritten, writeOutput } from './files.ts';

/** @param pem the same list as text @returns the exit status */
export async function writeCrl(input: Input, der: Uint8Array, pem: string): Promise<number> {
  const { io } = input;
  const out = text(input, 'out') as string;
  if (io.json && out === '-') throw new AttestdError('USAGE', 'a CRL is no JSON: give --out a file');
  const crl = parseCrl(der);
  const nextUpdate = new Date(crl.nextUpdate ?? 0).toISOString();
  await writeOutput(out, pem, io);
  if (io.json) reportWritten(io, out, { revoked: crl.revoked.size, nextUpdate });
  else io.note(`CRL with ${crl.revoked.size} certificates, to be renewed by ${nextUpdate}`);
  return 0;
}
