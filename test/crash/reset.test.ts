/**
 * The TPM loses its power while records flow: the next seal comes without a restart of the daemon, under a boot entry
 * of its own, and what was recorded before and after verifies, each in its own run.
 */
import { expect, test } from 'vitest';
import { connect } from '../../src/client/client.ts';
import { verifyBundle } from '../../src/verify/verify.ts';
import { enrol, trustFor } from '../daemon/enrol.ts';
import { makeProcessHost, until } from '../kit/host.ts';
import { createLedger } from './ledger.ts';
import { startLoad } from './load.ts';

test('three resets under load', async () => {
  const host = await makeProcessHost();
  try {
    const root = await enrol(host);
    const daemon = host.start();
    await daemon.ready();
    const load = startLoad(host.socket);
    const sealed = () => load.acked.filter(({ receipt }) => receipt.strength === 'sealed');
    const grown = (what: string, by: number) => {
      const from = sealed().length;
      return until(what, () => daemon.running && sealed().length >= from + by);
    };
    await grown('seals before the first reset', 20);
    // Taken before, between and after.
    const samples = [sealed().slice(-3)];
    for (const orderly of [false, true, false]) {
      await host.tpm.reset({ orderly });
      // Those that wait at the moment of the reset are recovered, so more of them than there are callers.
      await grown(`seals after ${orderly ? 'an orderly' : 'a'} reset`, 20);
      samples.push(sealed().slice(-3));
    }
    await load.stop();
    const boots = new Set<number>();
    const client = connect({ socket: host.config.admin_socket.path, client: 'crash/1' });
    const bundles = await Promise.all(samples.flat().map(({ receipt }) => client.bundle(receipt.id)));
    client.close();
    for (const bytes of bundles) {
      const report = await verifyBundle(bytes, trustFor(root, bundles[0] as Uint8Array));
      expect(report.checks.filter((c) => c.status === 'fail')).toEqual([]);
      expect(report.verdict).toBe('verified');
      expect(report.level).toBeGreaterThanOrEqual(3);
      boots.add(JSON.parse(new TextDecoder().decode(bytes)).boot.index);
    }
    expect(boots.size, 'runs').toBe(4);
    expect(await daemon.stop()).toEqual({ code: 0, signal: null });
    const ledger = createLedger();
    ledger.add(load.acked);
    await ledger.check(host);
    expect((await host.audit())[0]?.runs).toBe(4);
  } finally {
    await host.remove();
  }
});
