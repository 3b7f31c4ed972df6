/** Handles that nobody flushed: the collector frees their slots, of which this TPM has three. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadAddon } from '../../src/native/addon.ts';
import type { TpmContext } from '../../src/native/tpm.ts';
import { type Swtpm, startSwtpm } from '../kit/swtpm.ts';
import * as wire from './wire.ts';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;
const addon = loadAddon();
let swtpm: Swtpm;

beforeAll(async () => {
  swtpm = await startSwtpm({ eks: 'none' });
});
afterAll(async () => {
  await swtpm.stop();
});

const open = (): Promise<TpmContext> => addon.openTpm({ tcti: swtpm.tcti, queue: 8, deadlineMs: 30_000 });

/** Collects until the TPM holds nothing of ours; a leak makes this run into the test's time limit. */
async function collected(tpm: TpmContext): Promise<void> {
  for (;;) {
    gc();
    // The command orders itself after the flushes that the collector asked for.
    await tpm.readClock();
    if (tpm.state().objects + tpm.state().sessions === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('abandoned handles', () => {
  it('free their slots when they are collected', async () => {
    const tpm = await open();
    for (let round = 0; round < 10; round++) {
      await (async () => {
        for (let i = 0; i < 3; i++) {
          await tpm.createPrimary({ hierarchy: 'null', public: wire.AK });
          await (i === 0 ? tpm.startSession({ type: 'policy' }) : tpm.startSession({ type: 'hmac' }));
        }
      })();
      await collected(tpm);
    }
    await tpm.close();
  });

  it('free their slots after a command that failed half-way, too', async () => {
    const tpm = await open();
    for (let i = 0; i < 12; i++) {
      const session = await tpm.startSession({ type: 'policy' });
      const { handle } = await tpm.createPrimary({ hierarchy: 'null', public: wire.AK });
      await expect(tpm.unseal(handle, { auth: session })).rejects.toMatchObject({ code: 'TPM_ERROR' });
      await tpm.flush(session);
      await tpm.flush(handle);
    }
    expect(tpm.state()).toMatchObject({ objects: 0, sessions: 0 });
    await tpm.close();
  });
});

describe('an abandoned context', () => {
  it('gives its connection back, with everything flushed', async () => {
    // swtpm serves one connection: the next open only succeeds when the one before has gone.
    for (let i = 0; i < 3; i++) {
      await (async () => {
        const tpm = await open();
        await tpm.createPrimary({ hierarchy: 'null', public: wire.AK });
      })();
      gc();
      await new Promise((resolve) => setTimeout(resolve, 20));
      gc();
    }
    const tpm = await open();
    for (let i = 0; i < 3; i++) await tpm.createPrimary({ hierarchy: 'null', public: wire.AK });
    await tpm.close();
  });
});
