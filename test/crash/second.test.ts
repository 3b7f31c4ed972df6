/** One log has one writer: whoever comes second is refused and disturbs nothing. */
import { expect, test } from 'vitest';
import { isAttestdError } from '../../src/core/errors.ts';
import { openStore } from '../../src/store/open.ts';
import { makeProcessHost, within } from '../kit/host.ts';
import { createLedger } from './ledger.ts';
import { startLoad } from './load.ts';

test('a second daemon on the same state is refused, and after kill -9 of the first a next one is not', async () => {
  const host = await makeProcessHost();
  try {
    const first = host.start();
    await first.ready();
    const load = startLoad(host.socket);
    const same = host.start();
    expect(await within('a daemon on the same sockets to end', same.ended)).toEqual({
      code: 5,
      signal: null,
    });
    expect(same.output()).toContain('EXISTS');
    const second = host.startTwin();
    expect(await within('the second daemon to end', second.ended)).toEqual({ code: 5, signal: null });
    expect(second.output()).toContain('STORE_LOCKED');
    const opening = await openStore(host.logDir).catch((e: unknown) => e);
    expect(isAttestdError(opening, 'STORE_LOCKED')).toBe(true);
    expect(first.running).toBe(true);
    await first.kill();
    await load.stop();
    const third = host.startTwin();
    await third.ready();
    expect(await third.stop()).toEqual({ code: 0, signal: null });
    const ledger = createLedger();
    ledger.add(load.acked);
    await ledger.check(host);
  } finally {
    await host.remove();
  }
});
