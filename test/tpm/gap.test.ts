/**
 * The context gap behind a resource manager, as the kernel's shows it (measured on Linux 6.1, test/vm/sessions.vm.ts): the
 * session of somebody who sleeps is too old, and every command of a user with a session loses its answer.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createIdentity, type Identity } from '../../src/tpm/keys.ts';
import { quoteSelection } from '../../src/tpm/pcr.ts';
import { listSavedSessions } from '../../src/tpm/property.ts';
import { takeQuote } from '../../src/tpm/quote.ts';
import { openTpm, type Tpm } from '../../src/tpm/tpm.ts';
import { CC, command } from '../kit/wire.ts';
import { type Host, random, startHost } from './host.ts';

const CONTEXT_SAVE = 0x162;
let h: Host;
let tpm: Tpm;
let identity: Identity;
let flushed: number[];

/** Starts a session of another user and saves it, as a resource manager does between commands. */
async function sleeper(kind: 'hmac' | 'policy'): Promise<void> {
  const type = kind === 'hmac' ? '00' : '01';
  const body = `${'40000007'.repeat(2)}0020${'00'.repeat(32)}0000${type}0010000b`;
  const started = await h.proxy.send(command(CC.startAuthSession, Buffer.from(body, 'hex')));
  expect(started.readUInt32BE(6)).toBe(0);
  const saved = await h.proxy.send(command(CONTEXT_SAVE, started.subarray(10, 14)));
  expect(saved.readUInt32BE(6)).toBe(0);
}
const quote = () => takeQuote(tpm, identity.ak, random(32), quoteSelection(false));
const saved = () => tpm.run(listSavedSessions);

/** Everybody's sessions are lost, ours too, and none can be started until the idle ones are gone. */
async function gap(): Promise<void> {
  await tpm.close();
  tpm = await open();
  const end = h.proxy.inject({ cc: CC.startAuthSession, eof: 'after' });
  const before = h.proxy.seen(CC.flushContext);
  look = setInterval(async () => {
    if (h.proxy.seen(CC.flushContext) === before) return;
    const answer = await h.proxy.send(
      command(CC.getCapability, Buffer.from('000000010300000000000001', 'hex')),
    );
    if (answer.readUInt32BE(15) === 0) end();
  }, 5);
}
let look: NodeJS.Timeout | undefined;

const open = () =>
  openTpm({
    // By its file name the TCTI is none that is known to reach a TPM directly.
    tcti: h.proxy.tcti.replace(/^swtpm:/, 'libtss2-tcti-swtpm.so.0:'),
    deadlineMs: 20_000,
    onSessionsFlushed: (count) => flushed.push(count),
  });

beforeEach(async () => {
  h = await startHost({ proxy: 'managed', eks: 'none' });
  await h.tpm.close();
  flushed = [];
  tpm = await open();
  identity = await createIdentity(tpm, { dir: h.dir }, random);
});
afterEach(async () => {
  clearInterval(look);
  await tpm.close();
  await h.stop();
});

describe('when no session works any more', () => {
  test('idle ones of others are flushed, of either kind, and the quote comes', async () => {
    await sleeper('hmac');
    await sleeper('policy');
    await gap();
    await quote();
    expect(flushed).toEqual([2]);
    expect(await saved()).toEqual([]);
  });

  test('and none is idle, the failure is told and nothing is looked for without end', async () => {
    await tpm.close();
    tpm = await open();
    const before = h.proxy.seen(CC.startAuthSession);
    h.proxy.inject({ cc: CC.startAuthSession, eof: 'after' });
    await expect(quote()).rejects.toMatchObject({ code: 'TPM_UNAVAILABLE' });
    expect(flushed).toEqual([]);
    expect(h.proxy.seen(CC.startAuthSession) - before).toBeLessThan(10);
  });
});

test('what breaks for another reason costs nobody a session', async () => {
  await sleeper('policy');
  h.proxy.inject({ cc: CC.quote, truncate: 12, times: 3 });
  await quote();
  expect(flushed).toEqual([]);
  expect(await saved()).toHaveLength(1);
});
