/** `attestctl trust init`: the auditor's decisions in one file. */
import { AttestdError } from '../../core/errors.ts';
import { jcsBytes } from '../../core/json.ts';
import { parseTrust, TRUST_SCHEMA } from '../../verify/trust.ts';
import { type Input, on, text } from '../command.ts';
import { reportWritten, writeOutput } from '../files.ts';
import { numberOf, ruleMembers, trustMembers } from '../trustmembers.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const { roots, pcrs, crls, hosts, authorities, policies, witnesses, nodeKeys, policyKeys } =
    await trustMembers(input);
  const level = Number(text(input, 'level') ?? '3');
  if (level >= 3 && pcrs.length === 0 && policies.length === 0) {
    const ways = '--reference, --firmware-log or --appraisal';
    throw new AttestdError('USAGE', `level ${level} needs a state to accept: ${ways}`);
  }
  const required = numberOf(input, 'timestamps', '--timestamps') ?? 0;
  const cosigned = numberOf(input, 'witnesses', '--witnesses') ?? 0;
  const trust = jcsBytes({
    schema: TRUST_SCHEMA,
    roots,
    minimumLevel: level,
    pcrs,
    acceptHostTime: on(input, 'acceptHostTime'),
    crls,
    revocation: 'required',
    ...(hosts.length === 0 ? {} : { hosts }),
    ...(policies.length === 0 ? {} : { policies }),
    ...(authorities.length === 0 && required === 0 ? {} : { timestamps: { authorities, required } }),
    ...(witnesses.length === 0 && cosigned === 0
      ? {}
      : { witnesses: { keys: witnesses, required: cosigned } }),
    ...(nodeKeys.length === 0 ? {} : { nodeKeys }),
    ...(policyKeys.length === 0 ? {} : { policyKeys }),
    ...ruleMembers(input),
  });
  // What is written is what `verify` will read.
  parseTrust(trust);
  const out = text(input, 'out') as string;
  await writeOutput(out, trust, io);
  reportWritten(io, out);
  const accepted = `${pcrs.length} accepted state(s), ${policies.length} appraisal policies`;
  io.note(`${roots.length} root(s), level ${level}, ${accepted}`);
  if (!on(input, 'acceptHostTime')) {
    io.note('certificate validity will be judged by proven time only; --accept-host-time believes the host');
  }
  return 0;
}
