/**
 * The report as an EAT attestation result: the claims set of draft-fv-rats-ear-05 (now draft-ietf-rats-ear) in JSON,
 * unsigned, with the trustworthiness vector of AR4SI (draft-ietf-rats-ar4si). It says less than the report: eight numbers
 * in place of every check. Whoever passes it on signs it as a JWT.
 */
import { jcs } from '../core/json.ts';
import type { Report } from './report.ts';

/** Values of AR4SI §2.3.3–2.3.4 that are used here. */
const NO_CLAIM = 0;
const AFFIRMED = 2;
const APPROVED_BOOT = 3;
const APPROVED_RUNTIME = 2;
const UNRECOGNISED_EXECUTABLES = 33;
const CONTRAINDICATED = 96;
const UNRECOGNISED = 97;
const CRYPTO_FAILED = 99;

/** Which checks speak for a claim, what it is when all of them pass, and what when one fails. */
const CLAIMS: readonly {
  readonly claim: string;
  readonly checks: RegExp;
  readonly good: number;
  readonly bad: number;
}[] = [
  {
    claim: 'instance-identity',
    checks: /^(?:ak-certificate-(?:path|validity|usage|host|revocation)|ak-key|seal-signer)$/,
    good: AFFIRMED,
    bad: UNRECOGNISED,
  },
  {
    claim: 'configuration',
    checks: /^(?:pcr-allow-list|appraisal-(?:pcrs|secure-boot|command-line))$/,
    good: AFFIRMED,
    bad: CONTRAINDICATED,
  },
  {
    claim: 'executables',
    checks: /^appraisal-(?:firmware|boot|userspace|ima)$/,
    good: APPROVED_BOOT,
    bad: UNRECOGNISED_EXECUTABLES,
  },
  { claim: 'hardware', checks: /^(?:assurance|ak-attributes)$/, good: AFFIRMED, bad: UNRECOGNISED },
];

export interface EarOptions {
  /** Seconds since 1970 at which the verifier said so. */
  readonly issuedAt: number;
  /** Version of the verifier. */
  readonly build: string;
  /** Names of the policies that were used. */
  readonly policies: readonly string[];
  /** The auditor's nonce, where the evidence answers one: 16 to 64 bytes in base64url. */
  readonly nonce?: string;
}

/** The claims set as one JSON document with a newline. */
export function printEar(report: Report, options: EarOptions): string {
  const vector = vectorOf(report);
  return `${jcs({
    eat_profile: 'tag:github.com,2023:veraison/ear',
    iat: options.issuedAt,
    'ear.verifier-id': { developer: 'https://attestd.dev', build: options.build },
    ...(options.nonce === undefined ? {} : { eat_nonce: options.nonce }),
    submods: {
      attestd: {
        'ear.status': statusOf(report),
        'ear.trustworthiness-vector': vector,
        ...(options.policies.length === 0 ? {} : { 'ear.appraisal-policy-id': options.policies.join(' ') }),
      },
    },
  })}\n`;
}

/** One tier for all: never better than the worst claim, and no claim of hardware is made for a software TPM. */
function statusOf(report: Report): 'affirming' | 'warning' | 'none' | 'contraindicated' {
  if (report.verdict === 'rejected') return 'contraindicated';
  if (report.verdict === 'indeterminate') return 'none';
  return report.simulated ? 'warning' : 'affirming';
}

function vectorOf(report: Report): Record<string, number> {
  const out: Record<string, number> = {};
  for (const { claim, checks, good, bad } of CLAIMS) {
    const found = report.checks.filter((c) => checks.test(c.id));
    const failed = found.some((c) => c.status === 'fail');
    const passed = found.length > 0 && found.every((c) => c.status === 'pass' || !c.required);
    // Approved while it ran, not only when it booted, where the IMA list was judged too.
    const ran = found.some((c) => c.id === 'appraisal-ima' && c.status === 'pass');
    if (failed) out[claim] = bad;
    else if (passed && !(claim === 'hardware' && report.simulated))
      out[claim] = ran ? APPROVED_RUNTIME : good;
  }
  const broken = report.checks.some((c) => c.id === 'seal-signature' && c.status === 'fail');
  if (broken) out['instance-identity'] = CRYPTO_FAILED;
  // The draft wants at least one claim.
  return Object.keys(out).length === 0 ? { 'instance-identity': NO_CLAIM } : out;
}
