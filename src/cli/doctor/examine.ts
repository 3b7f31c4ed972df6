/** One examination: every check once and in order, and what they come to together. */

import { CERTIFICATE_CHECKS } from './certificate.ts';
import type { Check, Finding } from './check.ts';
import { CannotTell, said, unknown } from './check.ts';
import { CLOCK_CHECKS } from './clock.ts';
import { CONFIG_CHECKS } from './config.ts';
import { DAEMON_CHECKS } from './daemon.ts';
import { DEVICE_CHECKS } from './device.ts';
import { DISK_CHECKS } from './disk.ts';
import { EK_CHECKS } from './ek.ts';
import { FILE_CHECKS } from './files.ts';
import { FORWARD_CHECKS } from './forward.ts';
import { IDENTITY_CHECKS } from './identity.ts';
import { NV_CHECKS } from './nv.ts';
import { createPatient } from './patient.ts';
import { PCR_CHECKS } from './pcr.ts';
import { POLICY_CHECKS } from './policy.ts';
import { SOCKET_CHECKS } from './sockets.ts';
import type { Surroundings } from './surroundings.ts';
import { TPM_CHECKS } from './tpm.ts';

/** What is looked at first is what others rest on; handles are counted before keys of ours are among them. */
export const CHECKS: readonly Check[] = [
  ...CONFIG_CHECKS,
  ...DEVICE_CHECKS,
  ...TPM_CHECKS,
  ...PCR_CHECKS,
  ...EK_CHECKS,
  ...IDENTITY_CHECKS,
  ...CERTIFICATE_CHECKS,
  ...NV_CHECKS,
  ...FILE_CHECKS,
  ...DISK_CHECKS,
  ...CLOCK_CHECKS,
  ...SOCKET_CHECKS,
  ...DAEMON_CHECKS,
  ...POLICY_CHECKS,
  ...FORWARD_CHECKS,
];

/** Longer than the slowest TPM takes to make an RSA key. */
const DEADLINE_MS = 90_000;

export type Judged = Finding & Pick<Check, 'id' | 'title' | 'vital'>;

async function judge(check: Check, work: () => Finding | Promise<Finding>): Promise<Judged> {
  const { id, title, vital } = check;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Finding>((resolve) => {
    timer = setTimeout(() => resolve(unknown(`It took over ${DEADLINE_MS / 1000} s.`)), DEADLINE_MS);
  });
  const found = await Promise.race([(async () => work())(), late])
    .catch((e: unknown) =>
      e instanceof CannotTell ? unknown(e.message, e.fix) : unknown(`It could not be looked at: ${said(e)}.`),
    )
    .finally(() => clearTimeout(timer));
  return { id, title, ...(vital === undefined ? {} : { vital }), ...found };
}

/** Runs every check. Never throws for what is wrong with the host. */
export async function examine(around: Surroundings, checks: readonly Check[] = CHECKS): Promise<Judged[]> {
  const patient = createPatient(around);
  const judged: Judged[] = [];
  try {
    for (const check of checks) judged.push(await judge(check, () => check.run(patient)));
  } finally {
    await patient.close();
  }
  return judged;
}

/** wrong before unknown before well; an empty list is not well. */
export function verdictOf(judged: readonly Judged[]): 'well' | 'wrong' | 'unknown' {
  if (judged.some((j) => j.status === 'wrong')) return 'wrong';
  return judged.length === 0 || judged.some((j) => j.status === 'unknown') ? 'unknown' : 'well';
}

/** 0 well, 1 something is wrong, 5 TPM or daemon is what is wrong (design §10), 4 a check could not run. */
export function exitOf(judged: readonly Judged[]): number {
  const verdict = verdictOf(judged);
  if (verdict === 'well') return 0;
  if (verdict === 'unknown') return 4;
  const faults = judged.filter((j) => j.status === 'wrong');
  return faults.some((j) => j.vital === true) ? 5 : 1;
}
