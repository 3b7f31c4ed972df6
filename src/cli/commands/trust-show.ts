/** `attestctl trust show`: what a trust file says, in words. */
import { toHex } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import { parseTrust } from '../../verify/trust.ts';
import type { Input } from '../command.ts';
import { readInput } from '../files.ts';

export async function run({ args, io }: Input): Promise<number> {
  const trust = parseTrust(await readInput(args[0] as string, io));
  const facts = {
    schema: 'attestd.dev/trust-shown/v1',
    roots: trust.roots.map((r) => ({ sha256: toHex(sha256(r.certificate.der)), kind: r.kind })),
    minimumLevel: trust.minimumLevel,
    hosts: trust.hosts ?? 'any',
    pcrs: trust.pcrs.map((p) => ({ name: p.name, pcrs: [...p.sha256.keys()] })),
    policies: trust.policies.map((p) => ({ name: p.policy.name, key: toHex(sha256(p.key)) })),
    appraisals: trust.appraisals,
    acceptHostTime: trust.acceptHostTime,
    revocation: trust.revocation,
    crls: trust.crls.length,
    ...(trust.tee === undefined
      ? {}
      : {
          tee: {
            required: trust.tee.required,
            roots: trust.tee.roots.map((r) => ({
              sha256: toHex(sha256(r.certificate.der)),
              platform: r.platform,
            })),
            measurements: trust.tee.measurements.map((m) => ({ name: m.name, platform: m.platform })),
          },
        }),
    keys: trust.keys?.map((k) => ('curve' in k ? `EC ${k.curve}` : `RSA ${k.bits}`)) ?? 'any',
    maxAge: trust.maxAge ?? null,
    selfMeasured: trust.selfMeasured,
    closure: trust.closure ?? false,
    foreignSeals: trust.foreignSeals ?? false,
    recordKeyPolicies: trust.recordKeyPolicies ?? 'any',
    timestamps: {
      authorities: (trust.timestamps?.authorities ?? []).map((a) => a.name ?? toHex(sha256(a.root.der))),
      required: trust.timestamps?.required ?? 0,
    },
  };
  if (io.json) {
    io.out(`${JSON.stringify(facts)}\n`);
    return 0;
  }
  for (const r of facts.roots) io.out(`root      ${r.sha256}  ${r.kind}\n`);
  io.out(`level     ${facts.minimumLevel} at least\n`);
  io.out(`hosts     ${trust.hosts?.join(', ') ?? 'any under these roots'}\n`);
  for (const p of facts.pcrs) io.out(`state     ${p.name}: PCRs ${p.pcrs.join(', ')}\n`);
  for (const p of facts.policies) io.out(`policy    ${p.name}, owner's key ${p.key}\n`);
  for (const g of facts.appraisals) io.out(`appraisal ${g.join(' or ')}\n`);
  io.out(`time      ${facts.acceptHostTime ? "the host's clock counts" : 'proven time only'}\n`);
  if (facts.timestamps.authorities.length > 0) {
    const { authorities, required } = facts.timestamps;
    io.out(`stamps    ${authorities.join(', ')}; ${required} needed\n`);
  }
  if (trust.keys !== undefined) io.out(`keys      ${[facts.keys].flat().join(', ')}\n`);
  if (facts.closure) io.out('closure   everything that a record rests on is given\n');
  if (facts.foreignSeals) io.out('seals     of other logs: by whom each checkpoint was sealed is shown\n');
  if (trust.recordKeyPolicies !== undefined)
    io.out(`record    key under ${trust.recordKeyPolicies.join(' or ')}\n`);
  if (facts.selfMeasured) io.out('software  self-measured by the daemon, without a gap\n');
  if (trust.maxAge !== undefined) io.out(`age       ${trust.maxAge} seconds at most\n`);
  io.out(`revoked?  ${facts.revocation}, ${facts.crls} list(s) here\n`);
  if (facts.tee !== undefined) {
    for (const r of facts.tee.roots) io.out(`tee root  ${r.sha256}  ${r.platform}\n`);
    for (const m of facts.tee.measurements) io.out(`launch    ${m.name}: ${m.platform}\n`);
    io.out(`tee       ${facts.tee.required ? 'required' : 'judged where there is one'}\n`);
  }
  return 0;
}
