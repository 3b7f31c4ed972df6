/**
 * A trust file in plain sentences, and what is odd about it: so that an auditor sees what was decided, and not only a
 * file that parses. Judges the file alone, no evidence.
 */
import { formatTime } from '../core/time.ts';
import { POLICY_SOFTWARE_TPM } from '../evidence/akprofile.ts';
import { isValidAt } from '../evidence/x509/path.ts';
import type { Trust } from './trust.ts';

/** Something that may not be meant. `error`: nothing can be verified under this file. */
export interface Finding {
  readonly severity: 'error' | 'warning';
  readonly sentence: string;
}

const LEVELS: Readonly<Record<Trust['minimumLevel'], string>> = {
  1: 'Level 1: the record is in a log that a certified key sealed.',
  2: 'Level 2: and that key lives in a TPM and cannot leave it.',
  3: 'Level 3: and the state of the machine was quoted in the record’s own run and is one that this file accepts.',
  4: 'Level 4: and an anchor of the counter, or a witness, shows that the log was continued, not put back.',
};

const many = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

/** What this trust file demands of evidence, one sentence each. */
export function demandsOf(trust: Trust): string[] {
  const out: string[] = [LEVELS[trust.minimumLevel]];
  for (const kind of ['hardware', 'software'] as const) {
    const n = trust.roots.filter((r) => r.kind === kind).length;
    if (n === 0) continue;
    const for_ =
      kind === 'hardware' ? 'hardware TPMs' : 'software TPMs: every verdict under them says simulated';
    out.push(
      `The certificate leads to one of ${many(n, 'root')} that ${n === 1 ? 'is' : 'are'} trusted for ${for_}.`,
    );
  }
  if (trust.roots.every((r) => r.kind === 'hardware')) out.push('Software TPMs are not accepted.');
  out.push(
    trust.hosts === undefined
      ? 'Every host that these roots certify is accepted.'
      : `The host is one of ${many(trust.hosts.length, 'host')}.`,
  );
  if (trust.keys !== undefined) {
    const rules = trust.keys.map((r) => ('curve' in r ? `EC ${r.curve}` : `RSA of ${r.bits} bits or more`));
    out.push(`Every key on the path is ${rules.join(' or ')}.`);
  }
  for (const p of trust.pcrs) {
    out.push(`The state "${p.name}" is accepted: it names the PCRs ${[...p.sha256.keys()].join(', ')}.`);
  }
  for (const group of trust.appraisals) {
    out.push(`The machine is as the appraisal policy ${group.map((n) => `"${n}"`).join(' or ')} says.`);
  }
  if (trust.closure === true)
    out.push('Everything that a record rests on is given, in its own log and in others.');
  if (trust.foreignSeals === true)
    out.push('Of each checkpoint by which a record of another log is known, it is shown who sealed it.');
  if (trust.recordKeyPolicies !== undefined)
    out.push(
      `The record key is bound to one of ${many(trust.recordKeyPolicies.length, 'policy').replace('policys', 'policies')}.`,
    );
  if (trust.selfMeasured) out.push('The daemon measured itself, and nobody else extended its register.');
  out.push(...timeDemands(trust), ...witnessDemands(trust));
  out.push(
    trust.revocation === 'required'
      ? 'Every issuer on the path has a current revocation list, in the bundle or in this file; the newer one counts.'
      : 'Revocation lists count where there are any; none are needed.',
  );
  if (trust.crls.length > 0)
    out.push(`This file brings ${many(trust.crls.length, 'revocation list')} of its own.`);
  if (trust.nodeKeys !== undefined) {
    out.push(
      `What an import says a node signed is signed by one of ${many(trust.nodeKeys.length, 'node key')}.`,
    );
  }
  if (trust.maxAge !== undefined) out.push(`The seal is not older than ${trust.maxAge} seconds.`);
  return out;
}

function witnessDemands({ witnesses }: Trust): string[] {
  if (witnesses === undefined) return [];
  const { keys, required } = witnesses;
  return [
    required > 0
      ? `At least ${required} of ${many(keys.length, 'witness').replace('witnesss', 'witnesses')} cosigned the log.`
      : `Cosignatures of ${many(keys.length, 'witness').replace('witnesss', 'witnesses')} are believed; none is needed.`,
  ];
}

function timeDemands(trust: Trust): string[] {
  const { timestamps } = trust;
  const believed = timestamps?.authorities.length ?? 0;
  const out: string[] = [];
  if (timestamps !== undefined && timestamps.required > 0) {
    out.push(
      `The seal has timestamps of at least ${timestamps.required} of ${many(believed, 'authority').replace('authoritys', 'authorities')}.`,
    );
  } else if (believed > 0) {
    out.push(
      `Timestamps of ${many(believed, 'authority').replace('authoritys', 'authorities')} are believed; none is needed.`,
    );
  }
  out.push(
    trust.acceptHostTime
      ? 'Where no timestamp proves a time, the clock of the host counts for the validity of certificates.'
      : 'The validity of certificates is judged by proven time alone, never by the clock of the host.',
  );
  return out;
}

/**
 * What is odd about a trust file.
 * @param now milliseconds since 1970; only the validity of the file's own certificates and lists is held against it
 */
export function findingsOf(trust: Trust, now: number): Finding[] {
  const out: Finding[] = [];
  const warn = (sentence: string) => out.push({ severity: 'warning', sentence });
  const error = (sentence: string) => out.push({ severity: 'error', sentence });
  const authorities = trust.timestamps?.authorities ?? [];
  if (!trust.acceptHostTime && authorities.length === 0 && (trust.witnesses?.keys.length ?? 0) === 0) {
    error(
      'No time can be proven: the clock of the host does not count, and no timestamp authority or witness is believed.',
    );
  }
  if (trust.keys?.length === 0) error('No kind of key is allowed.');
  if (trust.hosts?.length === 0) error('No host is accepted.');
  for (const r of trust.roots) {
    const name = r.name ?? 'a root';
    const { certificate } = r;
    if (certificate.basicConstraints?.ca !== true) error(`${name} is not a CA: no path can end at it.`);
    const marked = certificate.policies?.includes(POLICY_SOFTWARE_TPM) === true;
    if (marked && r.kind === 'hardware') {
      error(`${name} says that its TPMs are software, but is trusted as hardware: all under it is rejected.`);
    }
    if (!marked && r.kind === 'software')
      warn(`${name} does not say that its TPMs are software, but is trusted so.`);
    if (!isValidAt(certificate, now)) {
      warn(
        `${name} is not valid now (to ${formatTime(certificate.notAfter)}); older evidence may still verify.`,
      );
    }
  }
  const seen = new Set(trust.roots.map((r) => r.certificate.der.join()));
  if (seen.size < trust.roots.length) warn('A root stands in the file twice.');
  if (trust.roots.some((r) => r.kind === 'hardware') && trust.roots.some((r) => r.kind === 'software')) {
    warn('Hardware and software roots stand side by side: look at "simulated" in every verdict.');
  }
  if (trust.acceptHostTime) {
    warn('The host may say any time: a certificate that expired or was superseded passes on its word.');
  }
  if (trust.revocation === 'if-present') warn('A host can leave out the list that revokes it.');
  if (trust.hosts === undefined) warn('Every host under the roots is accepted; name hosts to accept fewer.');
  for (const p of trust.pcrs) {
    const missing = [0, 1, 2, 3, 4, 5, 6, 7].filter((i) => !p.sha256.has(i));
    if (missing.length > 0) warn(`The state "${p.name}" leaves the PCRs ${missing.join(', ')} open.`);
  }
  for (const c of trust.crls) {
    if (c.nextUpdate !== undefined && c.nextUpdate < now) {
      warn(`A revocation list of the file ran out on ${formatTime(c.nextUpdate)}; bring a newer one.`);
    }
  }
  return out;
}
