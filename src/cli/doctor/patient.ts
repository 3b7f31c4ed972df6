/**
 * The host that is examined: what checks may ask of it, each thing found out once and when it is first asked for. What
 * is not the host's own files comes from `Surroundings`, so that a test can put another machine in their place.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, loadConfig } from '../../daemon/config.ts';
import { epochOf, type Layout, layoutOf, readCurrent } from '../../daemon/layout.ts';
import { accessOf } from '../../daemon/tpmaccess.ts';
import { listSegments, layoutOf as logLayout } from '../../store/layout.ts';
import { readTail, type Tail } from '../../store/replay.ts';
import { isExclusive, openTpm, type Tpm } from '../../tpm/tpm.ts';
import { asOwner } from '../owner.ts';
import { type Account, accountOf } from './account.ts';
import { CannotTell, said } from './check.ts';
import { ifClosed } from './closed.ts';
import { askDaemon, type DaemonAnswer, holdsLock } from './daemonfacts.ts';
import { isUsable, placeOf } from './place.ts';
import { type Surroundings, type Unit, unitsOf } from './surroundings.ts';

/** The TPM of an examination is given up after so long, whatever the daemon's own patience is. */
const TPM_MS = 15_000;

/** A command of this examination has not come back from the TPM. */
export class Hung extends CannotTell {}

export interface Patient {
  readonly around: Surroundings;
  /** @throws CannotTell as long as the configuration is wrong */
  config(): Config;
  layout(): Layout;
  /** The user that the daemon is. */
  account(): Account;
  /** @throws CannotTell where systemd or the units are not there */
  units(): Promise<ReadonlyMap<string, Unit>>;
  daemon(): Promise<DaemonAnswer>;
  /** @throws CannotTell while the daemon has it for itself, or it does not answer */
  tpm(): Promise<Tpm>;
  /** Does something as the owner of the state directory, as the daemon would. */
  asDaemon<T>(work: () => Promise<T>): Promise<T>;
  /** The last segment of the log in use. @throws CannotTell */
  tail(): Tail;
  /** Directory of the log in use. @throws CannotTell */
  logDir(): string;
  close(): Promise<void>;
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

export function createPatient(around: Surroundings): Patient {
  const config = once(() => {
    try {
      return loadConfig(around.configFile);
    } catch {
      throw new CannotTell('The configuration cannot be used: see config.');
    }
  });
  const layout = () => layoutOf(config().state_dir);
  const logDir = () => {
    const at = layout();
    try {
      return at.log(epochOf(readCurrent(at).origin));
    } catch (e) {
      ifClosed(e);
      throw new CannotTell(`There is no log to look at: ${said(e)}.`);
    }
  };
  const daemon = once(async () => askDaemon(config().socket.path, await units().catch(() => undefined)));
  const units = once(() => unitsOf(around));
  let opened: Tpm | undefined;
  const tpm = once(async () => {
    const { tpm: settings, state_dir } = config();
    if (!isUsable(around, accountOf(around, state_dir), placeOf(settings.tcti)))
      throw new CannotTell('It was not asked: see device and device-access.');
    if (!isUsable(around, around.me(), placeOf(settings.tcti)))
      throw new CannotTell('You may not use it.', 'sudo attestctl doctor');
    if (isExclusive(settings.tcti) && (await isHeld()))
      throw new CannotTell(
        'The daemon has the TPM for itself, and it takes one user at a time.',
        'systemctl stop attestd, then attestctl doctor',
      );
    opened = await asOwner(state_dir, () =>
      openTpm({
        ...accessOf(config()),
        deadlineMs: Math.min(settings.deadline_ms, TPM_MS),
        addon: around.addon(),
      }),
    );
    return opened;
  });
  const isHeld = async () => {
    try {
      if (holdsLock(join(logDir(), 'lock'), readFileSync('/proc/locks', 'utf8'))) return true;
    } catch {
      // No log, or no lock in it: then only its answer says whether a daemon runs.
    }
    const answer = await daemon();
    return answer.kind === 'answers' && answer.status.tpm !== null;
  };
  return {
    around,
    config,
    layout,
    logDir,
    account: once(() => accountOf(around, config().state_dir)),
    units,
    daemon,
    async tpm() {
      // Each further question would wait for its deadline, in vain.
      if (opened?.hung === true) throw new Hung('The TPM does not answer any more.');
      try {
        return await tpm();
      } catch (e) {
        throw e instanceof CannotTell ? e : new CannotTell(`The TPM cannot be asked: ${said(e)}.`);
      }
    },
    asDaemon: (work) => asOwner(config().state_dir, work),
    tail: once(() => {
      const dir = logDir();
      try {
        return readTail(listSegments(logLayout(dir)));
      } catch (e) {
        throw new CannotTell(`The log cannot be read: ${said(e)}.`);
      }
    }),
    async close() {
      await opened?.close();
    },
  };
}
