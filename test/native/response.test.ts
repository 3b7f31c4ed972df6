/** Every proper prefix of a response is refused: by a fault of the transport, never by a wrong answer. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadAddon } from '../../src/native/addon.ts';
import type { TpmContext } from '../../src/native/tpm.ts';
import { type Swtpm, startSwtpm } from '../kit/swtpm.ts';
import { CC } from '../kit/wire.ts';
import * as wire from './wire.ts';

const HEADER = 10;
let swtpm: Swtpm;
const open = (): Promise<TpmContext> =>
  loadAddon().openTpm({ tcti: swtpm.tcti, queue: 4, deadlineMs: 30_000 });

beforeAll(async () => {
  swtpm = await startSwtpm({ eks: 'none', proxy: true });
});
afterAll(async () => {
  await swtpm.stop();
});

interface Case {
  readonly cc: number;
  /** Bytes of the whole response. */
  readonly length: number;
  readonly stride: number;
  readonly run: (tpm: TpmContext) => Promise<unknown>;
}

const cases: Record<string, Case> = {
  GetRandom: { cc: CC.getRandom, length: 10 + 2 + 16, stride: 1, run: (tpm) => tpm.getRandom(16) },
  ReadClock: { cc: CC.readClock, length: 10 + 25, stride: 1, run: (tpm) => tpm.readClock() },
  'PCR_Read of two': {
    cc: CC.pcrRead,
    length: 10 + 4 + 10 + 4 + 2 * 34,
    stride: 1,
    run: (tpm) => tpm.pcrRead(wire.selection([0, 1])),
  },
  // Each of these leaves an object behind that the poisoned context cannot flush; the TPM has three slots.
  CreatePrimary: {
    cc: CC.createPrimary,
    length: 10 + 4 + 4 + (2 + 88) + (2 + 55) + (2 + 32) + (8 + 64) + (2 + 34) + 5,
    stride: 7,
    run: (tpm) => tpm.createPrimary({ hierarchy: 'endorsement', public: wire.AK }),
  },
  'Quote under a password': {
    cc: CC.quote,
    length: 10 + 4 + (2 + 145) + (4 + 34 + 34) + 5,
    stride: 5,
    run: async (tpm) => {
      const { handle: key } = await tpm.createPrimary({ hierarchy: 'endorsement', public: wire.AK });
      const qualifyingData = Buffer.alloc(32, 1);
      return tpm.quote({ key, qualifyingData, selection: wire.selection([0]) });
    },
  },
};

describe('a response cut short', () => {
  for (const [name, c] of Object.entries(cases)) {
    it(`of ${name} is refused at every length`, async () => {
      for (let n = c.cc === CC.createPrimary ? HEADER + 4 : HEADER; n < c.length; n += c.stride) {
        const tpm = await open();
        swtpm.proxy?.inject({ cc: c.cc, times: 1, truncate: n });
        await expect(c.run(tpm), `${n} bytes`).rejects.toMatchObject({
          layer: 'tcti',
          rcBase: 'TSS2_TCTI_RC_MALFORMED_RESPONSE',
        });
        await tpm.close();
      }
      const tpm = await open();
      // Whole, it is taken: it was the cut that was refused.
      await c.run(tpm);
      await tpm.close();
    });
  }
});
