/** `attestctl appraise diff`: where a machine differs from a policy, event by event. */
import { toHex } from '../../core/bytes.ts';
import { printable } from '../../core/printable.ts';
import { parseEnvelope, parsePolicy, policyOf } from '../../evidence/appraisal.ts';
import type { AppraisalPolicy } from '../../evidence/schema/appraisal.ts';
import { appraise, type Finding } from '../../verify/appraisal/appraise.ts';
import { type Input, on } from '../command.ts';
import { readInput } from '../files.ts';
import { machineOfBundle } from '../machine.ts';

const MARK = {
  allowed: '✓ allowed',
  ignored: '- ignored',
  refused: '✗ refused',
  missing: '? missing',
} as const;
const COLOUR = { allowed: 'green', ignored: 'dim', refused: 'red', missing: 'yellow' } as const;

export async function run(input: Input): Promise<number> {
  const { io, args } = input;
  const [policyFile, bundleFile] = args as [string, string];
  const policy = readPolicy(await readInput(policyFile, io));
  const machine = await machineOfBundle(await readInput(bundleFile, io), bundleFile, { policies: [policy] });
  const findings = appraise(policy, machine);
  const differs = findings.filter((f) => f.verdict === 'refused' || f.verdict === 'missing');
  if (io.json) {
    const shown = {
      schema: 'attestd.dev/appraisal-diff/v1',
      policy: policy.name,
      findings: findings.map(plain),
    };
    io.out(`${JSON.stringify(shown)}\n`);
  } else {
    for (const f of on(input, 'all') ? findings : differs) {
      io.out(
        `${io.style(COLOUR[f.verdict], MARK[f.verdict])}  ${f.section.padEnd(12)}  ${place(f)}${printable(f.sentence)}\n`,
      );
    }
    const count = differs.length === 0 ? 'as the policy wants it' : `${differs.length} difference(s)`;
    io.out(
      `${policy.name}: ${count}, ${findings.reduce((n, f) => n + (f.count ?? 1), 0)} things looked at\n`,
    );
  }
  if (differs.some((f) => f.verdict === 'refused')) return 1;
  return differs.length === 0 ? 0 : 4;
}

/** A policy as learnt, or in its owner's envelope; the signature counts only in a trust file. */
function readPolicy(bytes: Uint8Array): AppraisalPolicy {
  const isEnvelope = new TextDecoder().decode(bytes.subarray(0, 11)) === '{"payload":';
  return isEnvelope ? policyOf(parseEnvelope(bytes)) : parsePolicy(bytes);
}

const plain = (f: Finding) => ({
  section: f.section,
  verdict: f.verdict,
  sentence: f.sentence,
  ...(f.pcr === undefined ? {} : { pcr: f.pcr }),
  ...(f.event === undefined
    ? {}
    : {
        source: f.event.source,
        sequence: f.event.sequence,
        type: f.event.type,
        digest: toHex(f.event.digest),
      }),
});

const place = ({ event }: Finding): string =>
  event === undefined ? '' : `event ${event.sequence}${event.source === 'firmware' ? '' : ' of userspace'}: `;
