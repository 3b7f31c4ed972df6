/**
 * Replays the logs of a boot, register by register, in the order in which their writers came: the firmware and the boot
 * loader first, then the userspace of the operating system. Only what leads to a quoted value says anything: an event
 * of a register that the logs do not explain is never the ground of a verdict (attestation-rs#69).
 */
import { fromHex, toHex, utf8 } from '../../core/bytes.ts';
import { TPM_ALG } from '../../evidence/eventlog/hashes.ts';
import { EV_NO_ACTION, isLateLaunch, type TcgLog } from '../../evidence/eventlog/tcg.ts';
import type { UserspaceEvent } from '../../evidence/schema/bundle.ts';

import { extend, resetValue } from './register.ts';

const PCR_COUNT = 24;

/** An extend that a log tells of, in the SHA-256 bank. */
export interface LogEvent {
  readonly source: 'firmware' | 'userspace';
  /** Its place in its own log, from 0. */
  readonly sequence: number;
  readonly pcr: number;
  /** TCG event type; 0 for userspace, which has none. Not covered by the digest. */
  readonly type: number;
  readonly digest: Uint8Array;
  /** What the log says was measured; covered by the digest only where hashing it gives that. */
  readonly data: Uint8Array;
}

/** The life of one register as the logs tell it. */
export interface RegisterReplay {
  readonly pcr: number;
  readonly events: readonly LogEvent[];
  /** Lower-case hex; undefined where an event has no SHA-256 digest, so that nothing can be computed. */
  readonly value: string | undefined;
}

/** The logs of a boot, those that are there. */
export interface BootLogs {
  readonly firmware?: TcgLog;
  readonly userspace?: readonly UserspaceEvent[];
}

/** Every register 0–23, those without events too: their value is the reset value. */
export function replayLogs(logs: BootLogs): ReadonlyMap<number, RegisterReplay> {
  const locality = logs.firmware?.startupLocality ?? 0;
  const launched = logs.firmware?.events.some(isLateLaunch) ?? false;
  const out = new Map<number, RegisterReplay>();
  const byPcr = sort(logs);
  for (let pcr = 0; pcr < PCR_COUNT; pcr++) {
    const { events, lacking } = byPcr[pcr] ?? { events: [], lacking: false };
    let value = resetValue(pcr, locality, launched);
    for (const event of events) value = extend(value, event.digest);
    out.set(pcr, { pcr, events, value: lacking ? undefined : toHex(value) });
  }
  return out;
}

interface Sorted {
  readonly events: LogEvent[];
  lacking: boolean;
}

function sort({ firmware, userspace = [] }: BootLogs): Sorted[] {
  const out: Sorted[] = Array.from({ length: PCR_COUNT }, () => ({ events: [], lacking: false }));
  for (const { sequence, pcr, type, digests, data } of firmware?.events ?? []) {
    // What stood in them before is gone, and nobody's to judge.
    if (isLateLaunch({ pcr, type }))
      for (let late = 17; late <= 22; late++) out[late] = { events: [], lacking: false };
    const register = out[pcr];
    if (type === EV_NO_ACTION || register === undefined) continue;
    const digest = digests.get(TPM_ALG.sha256);
    if (digest === undefined) register.lacking = true;
    else register.events.push({ source: 'firmware', sequence, pcr, type, digest, data });
  }
  const none = new Uint8Array();
  userspace.forEach(({ pcr, sha256, content }, sequence) => {
    const data = content === undefined ? none : utf8(content);
    const event = { source: 'userspace' as const, sequence, pcr, type: 0, digest: fromHex(sha256), data };
    out[pcr]?.events.push(event);
  });
  return out;
}
