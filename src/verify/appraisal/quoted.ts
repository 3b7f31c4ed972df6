/**
 * The replay of the logs beside the values that the quote proves. Registers outside the signed selection do not appear
 * at all, whatever a log or the bundle says of them.
 */

import { toHex } from '../../core/bytes.ts';
import { IMA_PCR } from '../../evidence/eventlog/ima/replay.ts';
import { proven } from '../checks/pcr.ts';
import type { Evidence, Unlisted } from '../evidence.ts';
import { measuredChain } from '../measured.ts';
import { got, type Part } from '../outcome.ts';
import { type RegisterReplay, replayLogs } from './replay.ts';

/** One quoted register. */
export interface QuotedRegister {
  readonly pcr: number;
  /** The quoted value, lower-case hex. */
  readonly value: string;
  readonly replay: RegisterReplay;
  /** Whether the logs lead to the quoted value; the IMA list is one of them. */
  readonly explained: boolean;
}

/** Every quoted register by its index. */
export function quotedReplay(
  e: Unlisted & Partial<Pick<Evidence, 'ima'>>,
): Part<ReadonlyMap<number, QuotedRegister>> {
  const values = proven(e);
  if (!values.ok) return values;
  const { firmware, userspace } = e.logs;
  const replays = replayLogs({
    ...(firmware.ok ? { firmware: firmware.value } : {}),
    ...(userspace.ok ? { userspace: userspace.value } : {}),
  });
  const out = new Map<number, QuotedRegister>();
  const chain = measuredChain(e);
  for (const [pcr, value] of values.value) {
    const replay = replays.get(pcr);
    if (replay === undefined) continue;
    // In our own register the daemon goes on where the logs end.
    const measured = chain.ok && chain.value.register === pcr ? chain.value : undefined;
    const explained =
      measured === undefined || measured.gaps.length > 0
        ? replay.value === value || (pcr === IMA_PCR && e.ima?.list.state === 'led')
        : replay.value === toHex(measured.begins) && toHex(measured.ends) === value;
    out.set(pcr, { pcr, value, replay, explained });
  }
  return got(out);
}
