/** The daemon: does it run, does it record, does it seal? */
import { ERRORS, type ErrorCode, isAttestdError } from '../../core/errors.ts';
import { readCurrent } from '../../daemon/layout.ts';
import { CannotTell, type Check, ok, unknown, warn, wrong } from './check.ts';
import type { Patient } from './patient.ts';

interface Health {
  readonly canRecord?: boolean;
  readonly canSeal?: boolean;
  readonly reasons?: readonly string[];
}
const JOURNAL = 'journalctl -u attestd -n 50';
const hintOf = (code: unknown): string => ERRORS[String(code) as ErrorCode]?.hint ?? JOURNAL;
const healthOf = (status: Readonly<Record<string, unknown>>): Health => (status.health ?? {}) as Health;

const daemon: Check = {
  id: 'daemon',
  title: 'daemon',
  vital: true,
  async run(p) {
    const answer = await p.daemon();
    if (answer.kind === 'failed')
      return wrong(
        `It failed: ${answer.why}.`,
        `${JOURNAL} says why; then systemctl reset-failed attestd, systemctl start attestd`,
      );
    if (answer.kind === 'restarting')
      return wrong(
        `It does not stay up: ${answer.why}.`,
        `${JOURNAL} says why; it comes back by itself when that is mended, at once by systemctl restart attestd`,
      );
    if (answer.kind === 'starting')
      return warn(`It starts: ${answer.why}.`, `look again in a minute; ${JOURNAL}`);
    if (answer.kind === 'closed')
      return unknown(`Its socket is closed to you (${answer.why}): see socket-access.`);
    if (answer.kind === 'away') {
      if (isMade(p) === false)
        return unknown(
          'It has nothing to run for before this host is made: see initialised.',
          'attestctl init',
        );
      return wrong(`It does not run: ${answer.why}.`, `${answer.mend}; ${JOURNAL}`);
    }
    if (answer.kind === 'silent')
      return wrong(`It runs, and does not answer: ${answer.why}.`, `systemctl restart attestd; ${JOURNAL}`);
    const { phase, reason } = answer.status as {
      phase?: string;
      reason?: { code?: string; detail?: string };
    };
    const why = reason?.detail ?? 'the first start is under way';
    if (phase === 'starting') return warn(`It starts: ${why}.`, `look again in a minute; ${JOURNAL}`);
    if (phase === 'absent')
      return wrong(
        `It waits for the TPM, and records nothing: ${why}.`,
        `see device, device-access and tpm; ${JOURNAL}`,
      );
    if (reason?.code === 'NOT_INITIALISED') return warn('It waits for attestctl init.', 'attestctl init');
    if (phase !== 'running') return wrong(`It is ${phase}: ${why} [${reason?.code}].`, hintOf(reason?.code));
    const { canRecord, reasons = [] } = healthOf(answer.status);
    if (canRecord !== true)
      return wrong(`It records nothing: ${reasons.join('; ')}.`, hintOf('STORAGE_UNAVAILABLE'));
    // Records go on; what is not in the index stays in memory.
    const index = reasons.find((r) => r.startsWith('index: '));
    if (index !== undefined)
      return warn(
        `It runs and records. ${index[0]?.toUpperCase()}${index.slice(1)}.`,
        'see disk, and the quota of its user (quota -u attestd); then systemctl restart attestd',
      );
    return ok(`It runs and records; ${answer.status.entries} entries.`);
  },
};

function isMade(p: Patient): boolean | undefined {
  try {
    readCurrent(p.layout());
    return true;
  } catch (e) {
    return isAttestdError(e, 'NOT_INITIALISED') ? false : undefined;
  }
}

const span = (ms: number): string =>
  ms < 120_000
    ? `${Math.round(ms / 1000)} s`
    : ms < 7_200_000
      ? `${Math.round(ms / 60_000)} min`
      : `${Math.round(ms / 3_600_000)} h`;

const sealing: Check = {
  id: 'last-seal',
  title: 'age of the last seal',
  async run(p) {
    const answer = await p.daemon();
    const seal = p.tail().tip.lastSeal;
    const age = seal === undefined ? undefined : p.around.now() - seal.timeMs;
    const last = age === undefined ? 'nothing is sealed yet' : `the last one is ${span(age)} old`;
    if (answer.kind !== 'answers' || answer.status.phase !== 'running')
      return unknown(`No daemon seals at present; ${last}.`, 'see daemon');
    const { canSeal, reasons = [] } = healthOf(answer.status);
    const fix = `see tpm, lockout and handles; ${JOURNAL}`;
    if (canSeal !== true)
      return wrong(`The daemon cannot seal: ${reasons.join('; ') || 'no reason given'}.`, fix);
    if (age === undefined) throw new CannotTell('Nothing is sealed yet.');
    // Even without new entries the log is sealed again after idle_ms.
    const { idle_ms, max_age_ms } = p.config().seal;
    if (age > 2 * idle_ms + max_age_ms + 60_000)
      return wrong(`The daemon runs, and ${last}, where ${span(idle_ms)} are due.`, fix);
    return ok(`${last[0]?.toUpperCase()}${last.slice(1)}.`);
  },
};

export const DAEMON_CHECKS: readonly Check[] = [daemon, sealing];
