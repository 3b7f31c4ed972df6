/** `attestctl trust init`: the auditor's decisions in one file. */
import { AttestdError } from '../../core/errors.ts';
import { jcsBytes } from '../../core/json.ts';
import { parseTrust, TRUST_SCHEMA } from '../../verify/trust.ts';
import { type Input, on, text } from '../command.ts';
import { reportWritten, writeOutput } from '../files.ts';
import { numberOf, ruleMembers, trustMembers } from '../trustmembers.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const { roots, pcrs, crls, hosts, authorities } = await trustMembers(input);
  const level = Number(text(input, 'level') ?? '3');
  if (level >= 3 && pcrs.length === 0) {
    throw new AttestdError('USAGE', `level ${level} needs a state to accept: --reference or --firmware-log`);
  }
  const required = numberOf(input, 'timestamps', '--timestamps') ?? 0;
  const trust = jcsBytes({
    schema: TRUST_SCHEMA,
    roots,
    minimumLevel: level,
    pcrs,
    acceptHostTime: on(input, 'acceptHostTime'),
    crls,
    revocation: 'required',
    ...(hosts.length === 0 ? {} : { hosts }),
    ...(authorities.length === 0 && required === 0 ? {} : { timestamps: { authorities, required } }),
    ...ruleMembers(input),
  });
  // What is written is what `verify` will read.
  parseTrust(trust);
  const out = text(input, 'out') as string;
  await writeOutput(out, trust, io);
  reportWritten(io, out);
  io.note(`${roots.length} root(s), level ${level}, ${pcrs.length} accepted state(s)`);
  if (!on(input, 'acceptHostTime')) {
    io.note('certificate validity will be judged by proven time only; --accept-host-time believes the host');
  }
  return 0;
}
