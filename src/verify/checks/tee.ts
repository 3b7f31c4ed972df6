/**
 * Confidential machines (design: TEE): `tee-report`, `-path`, `-validity`, `-revocation`, `-key`, `-signature`,
 * `-versions`, `-policy`, `-measurement`, `-binding`. They say something only where the trust file asks, and are needed
 * only where it demands such a machine; what contradicts itself is refused either way. Only all of them together say
 * that the TPM key of this host lives inside the machine that the vendor's hardware measured.
 */
import { equal, toHex } from '../../core/bytes.ts';
import { teeReportData } from '../../evidence/binding.ts';
import type { Evidence } from '../evidence.ts';
import { akAt } from '../keys.ts';
import {
  blocked,
  type CheckDefinition,
  derive,
  fail,
  type Outcome,
  type Part,
  pass,
  together,
  unknown,
} from '../outcome.ts';
import type { TeeFacts } from '../tee/facts.ts';
import { judgeNitro } from '../tee/nitro.ts';
import { notRevoked, validOn } from '../tee/path.ts';
import type { TeeContext, TeeJudge } from '../tee/question.ts';
import { judgeSnp } from '../tee/snp.ts';
import { judgeTdx } from '../tee/tdx.ts';
import type { TeeMeasurement, TeeTrust } from '../tee/trust.ts';

/** Names for people. */
export const TEE_NAMES = { 'sev-snp': 'AMD SEV-SNP', tdx: 'Intel TDX', nitro: 'AWS Nitro' } as const;

type Run = (facts: TeeFacts, trust: TeeTrust, e: Evidence) => Outcome | Promise<Outcome>;

function define(
  id: string,
  run: Run,
  requiredBy: (t: TeeTrust) => boolean = (t) => t.required,
): CheckDefinition {
  return {
    id: `tee-${id}`,
    level: 3,
    appliesTo: (trust) => trust.tee !== undefined,
    requiredBy: (trust) => trust.tee !== undefined && requiredBy(trust.tee),
    run: (e, trust) => {
      if (!e.tee.ok || trust.tee === undefined) return blocked(e.tee.ok ? { why: 'nobody asks' } : e.tee);
      return run(e.tee.value, trust.tee, e);
    },
  };
}

/** Puts one question to the judge of the platform. */
const ask = (id: string, question: keyof TeeJudge<never>): CheckDefinition =>
  define(id, ({ report, path, time }, trust, e) => {
    const { source, leaf } = report;
    if (leaf === undefined) return blocked({ why: 'the certificate of its key is not given' });
    const context: TeeContext = { leaf, path, trust, verify: e.verify, time: derive(time, (t) => t.ms) };
    if (source.platform === 'sev-snp') return judgeSnp[question](source, context);
    if (source.platform === 'tdx') return judgeTdx[question](source, context);
    return judgeNitro[question](source, context);
  });

const report: CheckDefinition = {
  ...define('report', () => unknown('')),
  run: (e) => {
    if (e.tee.ok)
      return pass(`The boot entry carries a report of ${TEE_NAMES[e.tee.value.report.platform]}.`);
    if (e.tee.absent) return unknown(`There is no report to judge: ${e.tee.why}.`);
    return e.boot.ok && e.boot.value.statement.ok
      ? fail(`The report of the confidential machine cannot be read: ${e.tee.why}.`)
      : blocked(e.tee);
  },
};

const path = define('path', ({ path: found, report: r }) => {
  if (found.ok) {
    const { root } = found.value;
    return pass(
      `The key behind the report leads to the root of ${TEE_NAMES[r.platform]}: ${root.name ?? 'given'}.`,
    );
  }
  return found.absent
    ? unknown(`There is no way to a vendor: ${found.why}.`)
    : fail(`The key behind the report leads to no root of the trust file: ${found.why}.`);
});

const validity = define('validity', (f) => {
  const parts = together({ path: f.path, time: f.time });
  if (!parts.ok) return blocked(parts);
  return validOn(parts.value.path.path, parts.value.time.ms, parts.value.time.by);
});

const revocation: CheckDefinition = {
  ...define(
    'revocation',
    (f, trust, e) => {
      const ms: Part<number | undefined> = derive(f.time, (t) => t.ms);
      return f.path.ok
        ? notRevoked(f.path.value.path, trust.crls, ms.ok ? ms.value : undefined, e.verify)
        : blocked(f.path);
    },
    (t) => t.required && t.crls.length > 0,
  ),
  appliesTo: (trust) => trust.tee !== undefined && trust.tee.crls.length > 0,
};

/** The first accepted launch that the registers are those of. */
export function matchingLaunch({ report: r }: TeeFacts, trust: TeeTrust): TeeMeasurement | undefined {
  return trust.measurements.find(
    (m) =>
      m.platform === r.platform &&
      [...m.values].every(([name, list]) => list.includes(r.registers.get(name) ?? '')),
  );
}

const measurement = define('measurement', (f, trust) => {
  const found = matchingLaunch(f, trust);
  if (found !== undefined) {
    return pass(
      `The machine was launched as the accepted state "${found.name}" says: ${[...found.values.keys()].join(', ')}.`,
    );
  }
  const first = trust.measurements.find((m) => m.platform === f.report.platform);
  if (first === undefined) return fail(`The trust file accepts no ${TEE_NAMES[f.report.platform]} machine.`);
  const [register, list] = [...first.values].find(
    ([n, l]) => !l.includes(f.report.registers.get(n) ?? ''),
  ) ?? ['', []];
  return fail(
    `The machine was launched in none of the accepted states; "${first.name}" wants another ${register}.`,
    list.join(' '),
    f.report.registers.get(register) ?? 'not reported',
  );
});

const binding = define('binding', (f, _, e) => {
  const parts = together({ keys: e.keys, boot: e.boot });
  if (!parts.ok) return blocked(parts);
  const wanted = teeReportData(akAt(parts.value.keys, parts.value.boot.index).name, f.boot);
  return equal(wanted, f.report.bound)
    ? pass('The report names the TPM key of this host and this boot entry.')
    : fail(
        'The report was made for something else than the TPM key of this host and this boot entry.',
        toHex(wanted),
        toHex(f.report.bound),
      );
});

export const TEE_CHECKS: readonly CheckDefinition[] = [
  report,
  path,
  validity,
  revocation,
  ask('key', 'key'),
  ask('signature', 'signature'),
  ask('versions', 'versions'),
  ask('policy', 'policy'),
  measurement,
  binding,
];
