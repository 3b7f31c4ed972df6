/** `attestctl ca list`: what the authority has issued. */
import { type Listed, listCertificates } from '../../ca/listing.ts';
import { readRegistry } from '../../ca/registry.ts';
import { AttestdError } from '../../core/errors.ts';
import { chosenAuthority } from '../authority.ts';
import { type Input, text } from '../command.ts';

const STATES = ['live', 'superseded', 'revoked', 'expired'];

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const state = text(input, 'state');
  if (state !== undefined && !STATES.includes(state)) {
    throw new AttestdError('USAGE', `--state is one of ${STATES.join(', ')}`, { field: '--state' });
  }
  const { dir } = await chosenAuthority(input);
  const all = listCertificates(await readRegistry(dir), Date.now());
  const certificates = all.filter((c) => state === undefined || c.state === state);
  if (io.json) {
    io.out(`${JSON.stringify({ schema: 'attestd.dev/issued/v1', certificates })}\n`);
    return 0;
  }
  const row = (c: Record<keyof Listed, string>) =>
    `${c.host.padEnd(width)}  ${c.state.padEnd(10)}  ${c.notAfter.slice(0, 10).padEnd(10)}  ${c.serial.padEnd(32)}  ${c.ek.slice(0, 16)}\n`;
  const width = Math.max(4, ...certificates.map((c) => c.host.length));
  const head = { host: 'HOST', state: 'STATE', notAfter: 'UNTIL', serial: 'SERIAL', ek: 'EK', ak: 'AK' };
  io.out(io.style('bold', row(head)));
  for (const c of certificates) io.out(row(c));
  return 0;
}
