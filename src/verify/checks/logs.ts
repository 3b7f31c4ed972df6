/**
 * The logs of the boot: `firmware-log` binds the firmware log to the boot entry that names its digest; `log-replay` holds
 * all logs against the quoted registers. Both pass where a bundle has no logs: whether they are needed is for the
 * policies of the trust file. A log that does not explain a register is a finding, never the ground of a verdict.
 */
import { toHex, utf8 } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import type { LogDefect } from '../../evidence/eventlog/defects.ts';
import { type QuotedRegister, quotedReplay } from '../appraisal/quoted.ts';
import { blocked, type CheckDefinition, fail, pass, unknown } from '../outcome.ts';

export const firmwareLog: CheckDefinition = {
  id: 'firmware-log',
  level: 3,
  run: (e) => {
    const { firmwareBytes, firmware } = e.logs;
    if (!firmwareBytes.ok) {
      return firmwareBytes.absent ? pass('No firmware log is given.') : blocked(firmwareBytes);
    }
    if (!e.bootFacts.ok) return blocked(e.bootFacts);
    const named = e.bootFacts.value.firmwareLog;
    if (named === undefined) return fail('A firmware log is given, and the boot entry names none.');
    const digest = toHex(sha256(firmwareBytes.value));
    if (digest !== named.sha256 || firmwareBytes.value.length !== named.size) {
      return fail('The firmware log is not the one that the boot entry names.', named.sha256, digest);
    }
    if (!firmware.ok)
      return unknown(`The firmware log is the right one and cannot be read: ${firmware.why}.`);
    const { events, defects } = firmware.value;
    return pass(
      `The firmware log of ${events.length} events is the one of the boot entry.${oddities(defects)}`,
    );
  },
};

const MAX_TOLD = 4;

/** What is odd about a log and no reason not to believe it: whether it leads to the quote is what counts. */
function oddities(defects: readonly LogDefect[]): string {
  if (defects.length === 0) return '';
  const more = defects.length > MAX_TOLD ? ` and ${defects.length - MAX_TOLD} more` : '';
  return ` Odd about it: ${defects
    .slice(0, MAX_TOLD)
    .map(({ kind, detail }) => `${detail} (${kind})`)
    .join('; ')}${more}.`;
}

export const logReplay: CheckDefinition = {
  id: 'log-replay',
  level: 3,
  run: (e) => {
    const { firmware, userspace } = e.logs;
    if (!firmware.ok && !userspace.ok) {
      return firmware.absent ? pass('No log is given that could be replayed.') : blocked(firmware);
    }
    const stray = strayEvent(userspace.ok ? userspace.value : []);
    if (stray !== undefined)
      return fail(`An event of userspace has another content than its digest: ${stray}.`);
    const quoted = quotedReplay(e);
    if (!quoted.ok) return blocked(quoted);
    const registers = quoted.value;
    const loose = (userspace.ok ? userspace.value : []).find((u) => registers.get(u.pcr)?.explained !== true);
    if (loose !== undefined)
      return fail(`Nothing quoted bears out the events of userspace in PCR ${loose.pcr}.`);
    const all = [...registers.values()];
    const wrong = firmware.ok ? all.find((r) => r.pcr < FIRMWARE_PCRS && contradicts(r)) : undefined;
    if (wrong !== undefined) {
      const { pcr, replay, value } = wrong;
      return fail(`The logs lead to another value of PCR ${pcr} than the quoted one.`, replay.value, value);
    }
    const list = (explained: boolean) =>
      all
        .filter((r) => r.explained === explained)
        .map((r) => r.pcr)
        .join(', ');
    const rest = list(false) === '' ? '' : ` They do not explain PCR ${list(false)}.`;
    return pass(`The logs lead to the quoted values of PCR ${list(true) || 'none'}.${rest}`);
  },
};

/** PCRs 0–7 are the firmware's: whatever is in one of them is in its log. In others the system writes too. */
const FIRMWARE_PCRS = 8;
const contradicts = ({ explained, replay }: QuotedRegister): boolean =>
  !explained && replay.value !== undefined;

function strayEvent(events: readonly { sha256: string; content?: string }[]): string | undefined {
  const found = events.find((u) => u.content !== undefined && toHex(sha256(utf8(u.content))) !== u.sha256);
  return found?.content;
}
