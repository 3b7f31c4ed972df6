/** The clock of the machine: times in records and the validity of certificates hang on it. */
import { formatTime } from '../../core/time.ts';
import { type Check, ok, unknown, warn, wrong } from './check.ts';

/** No build of attestd is older. */
const EARLIEST = Date.UTC(2026, 0, 1);
/** Clocks of one machine differ by less. */
const SLACK_MS = 5_000;

const clock: Check = {
  id: 'clock',
  title: 'clock',
  run(p) {
    const now = p.around.now();
    const fix =
      'timedatectl set-ntp true, or timedatectl set-time; records keep the later time until the clock has caught up';
    if (now < EARLIEST) return wrong(`It says ${formatTime(now)}, which is before attestd was made.`, fix);
    const sealed = p.tail().tip.lastSeal?.timeMs;
    if (sealed === undefined) return ok(`It says ${formatTime(now)}; there is no seal to compare it with.`);
    if (sealed > now + SLACK_MS)
      return wrong(
        `It says ${formatTime(now)}, and the last seal is of ${formatTime(sealed)}: it went back.`,
        fix,
      );
    return ok(`It says ${formatTime(now)}, after the last seal.`);
  },
};

const synchronised: Check = {
  id: 'clock-synchronised',
  title: 'clock is synchronised',
  async run(p) {
    const answer = await p.around.isSynchronised();
    if (answer === undefined) return unknown('Nothing here says whether it is.', 'timedatectl');
    if (!answer) return warn('Nothing keeps it right.', 'timedatectl set-ntp true, or apt install chrony');
    return ok('It is.');
  },
};

export const CLOCK_CHECKS: readonly Check[] = [clock, synchronised];
