/** The counter in the TPM's NV: is there room for it, is it there, and does it agree with the log? */

import { existsSync } from 'node:fs';
import { isAttestdError } from '../../core/errors.ts';
import { checkContinuity } from '../../daemon/continuity.ts';
import { listSegments, layoutOf as logLayout } from '../../store/layout.ts';
import { readTail } from '../../store/replay.ts';
import { loadCounter } from '../../tpm/counter.ts';
import { listHandles, RANGE, readRoom } from '../../tpm/property.ts';
import { CannotTell, type Check, ok, said, unknown, wrong } from './check.ts';
import { loaded } from './identity.ts';

const space: Check = {
  id: 'nv-space',
  title: 'room in NV',
  async run(p) {
    const { counter, counter_index: index } = p.config().tpm;
    if (counter === 'none') return ok('No counter is configured, so none is needed.');
    const tpm = await p.tpm();
    const indices = await tpm.run((w) => listHandles(w, RANGE.nv));
    const { countersFree } = await readRoom(tpm);
    const hex = `0x${index.toString(16).padStart(8, '0')}`;
    const isMade = existsSync(p.layout().current);
    if (isMade || !indices.includes(index)) {
      if (isMade || countersFree > 0)
        return ok(`${indices.length} indices are defined; room for ${countersFree} more counters.`);
      return wrong(
        `There is no room for a counter beside ${indices.length} indices.`,
        'remove indices that nobody needs (tpm2_getcap handles-nv-index, tpm2_nvundefine), or set tpm.counter = "none"',
      );
    }
    // An init that was cut short leaves an index that is still ours, with its authorisation beside it.
    if (existsSync(`${p.layout().identity}/counter.json`))
      return ok(`${hex} waits for attestctl init to go on.`);
    return wrong(
      `NV index ${hex} is there already, and this host has not made it.`,
      'set tpm.counter_index to a free one; remove it only if you know whose it is (tpm2_nvundefine)',
    );
  },
};

const counter: Check = {
  id: 'counter',
  title: 'counter and log agree',
  vital: true,
  async run(p) {
    if (p.config().tpm.counter === 'none')
      return ok('No counter is configured: a rolled back log is seen by witnesses only.');
    const tpm = await p.tpm();
    const dir = p.logDir();
    await loaded(p).catch((e: unknown) => {
      throw e instanceof CannotTell ? e : new CannotTell(`The keys do not load: see keys.`);
    });
    const fix =
      'attestctl audit; if nobody put a disk or a TPM back on purpose, find out who did; then attestctl recover --new-epoch';
    let value: bigint;
    try {
      value = await (await loadCounter(tpm, p.layout().identity)).read();
    } catch (e) {
      if (isAttestdError(e, 'NOT_INITIALISED')) throw new CannotTell(`${said(e)}.`);
      if (isAttestdError(e, 'AUDIT_CONTINUITY_LOST')) return wrong(`${said(e)}.`, fix);
      throw e;
    }
    p.tail();
    // Read behind the counter, and once more: a daemon that runs increments one and then writes the other.
    for (let last = false; ; last = true) {
      const { tip } = readTail(listSegments(logLayout(dir)));
      if (tip.lastAnchor === undefined)
        return unknown('The log has no anchor yet; the first start of the daemon writes it.');
      const intents = tip.intents.flatMap((i) => (i.kind === 'counter' ? [i.counter + 1n] : []));
      try {
        const { kind } = checkContinuity({ last: tip.lastAnchor.counter, intents }, value);
        return ok(
          kind === 'continues'
            ? `Both stand at ${value}.`
            : `The TPM stands at ${value}, which the log announced.`,
        );
      } catch (e) {
        if (last) return wrong(`${said(e)}.`, fix);
        value = await (await loadCounter(tpm, p.layout().identity)).read();
      }
    }
  },
};

export const NV_CHECKS: readonly Check[] = [space, counter];
