/** `attestctl trust add`: more roots, hosts, states, lists, witnesses or other authorities in a trust file that exists. */
import { AttestdError } from '../../core/errors.ts';
import { type Json, type JsonObject, jcs, jcsBytes, parseJson } from '../../core/json.ts';
import { parseTrust } from '../../verify/trust.ts';
import { type Input, text } from '../command.ts';
import { readInput, reportWritten, writeOutput } from '../files.ts';
import { trustMembers } from '../trustmembers.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const path = input.args[0] as string;
  const bytes = await readInput(path, io);
  parseTrust(bytes);
  const before = parseJson(bytes) as JsonObject;
  const members = await trustMembers(input);
  const { roots, pcrs, crls, hosts, authorities, policies, witnesses, nodeKeys, policyKeys } = members;
  const added = Object.values(members).reduce((n, l) => n + l.length, 0);
  if (added === 0) throw new AttestdError('USAGE', 'what is to be added? see the options');
  const cosigns = (before.witnesses ?? { keys: [], required: 0 }) as JsonObject;
  const stamps = (before.timestamps ?? { authorities: [], required: 0 }) as JsonObject;
  const trust = jcsBytes({
    ...before,
    roots: union(before.roots, roots),
    pcrs: union(before.pcrs, pcrs),
    crls: union(before.crls, crls),
    ...(policies.length === 0 ? {} : { policies: union(before.policies, policies) }),
    // A file without such a list accepts all; naming some in it would be to take away, not to add.
    ...(hosts.length === 0 ? {} : { hosts: union(named(before, 'hosts', '--host'), hosts) }),
    ...(nodeKeys.length === 0 ? {} : { nodeKeys: union(named(before, 'nodeKeys', '--node-key'), nodeKeys) }),
    ...(policyKeys.length === 0
      ? {}
      : { policyKeys: union(named(before, 'policyKeys', '--policy-key'), policyKeys) }),
    ...(witnesses.length === 0 ? {} : { witnesses: { ...cosigns, keys: union(cosigns.keys, witnesses) } }),
    ...(authorities.length === 0
      ? {}
      : { timestamps: { ...stamps, authorities: union(stamps.authorities, authorities) } }),
  });
  parseTrust(trust);
  const out = text(input, 'out') ?? path;
  await writeOutput(out, trust, io);
  reportWritten(io, out, { added });
  io.note(`${added} added`);
  return 0;
}

/** A list that narrows what is accepted. @throws USAGE where the file has none, and so accepts all */
function named(trust: JsonObject, member: string, flag: string): Json {
  const there = trust[member];
  if (there !== undefined) return there;
  throw new AttestdError('USAGE', `the file accepts all of them already; make another with ${flag}`, {
    field: flag,
  });
}

/** Both lists, each element once. */
function union(a: Json | undefined, b: readonly unknown[]): Json[] {
  const out = new Map<string, Json>();
  for (const x of [...((a ?? []) as Json[]), ...(b as Json[])]) out.set(jcs(x), x);
  return [...out.values()];
}
