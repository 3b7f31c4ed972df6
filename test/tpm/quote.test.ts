import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { printPem } from '../../src/evidence/certfile.ts';
import { pcrDigest } from '../../src/evidence/tpm/pcr.ts';
import { pcrExtend, pcrRead, quoteSelection } from '../../src/tpm/pcr.ts';
import { createQuoter, takeQuote } from '../../src/tpm/quote.ts';
import { CC, extendCommand } from '../kit/wire.ts';
import { type Host, random, startHost } from './host.ts';

const run = promisify(execFile);
const SELECTION = quoteSelection(false);
let host: Host | null = null;
afterEach(async () => {
  await host?.stop();
  host = null;
});
const start = async (...o: Parameters<typeof startHost>) => {
  host = await startHost(...o);
  return host;
};

/** `tpm2_checkquote` on what a quote says; the nonce in hexadecimal. */
async function checkquote(
  dir: string,
  spki: Uint8Array,
  q: { attest: Uint8Array; signature: Uint8Array },
  nonce: Uint8Array,
) {
  const at = (f: string) => join(dir, f);
  writeFileSync(at('attest'), q.attest);
  writeFileSync(at('signature'), q.signature);
  writeFileSync(at('ak.pem'), printPem([{ label: 'PUBLIC KEY', der: spki }]));
  return run('tpm2_checkquote', [
    '-u',
    at('ak.pem'),
    '-m',
    at('attest'),
    '-s',
    at('signature'),
    '-q',
    toHex(nonce),
  ]);
}

describe('a quote', () => {
  test('is accepted by tpm2_checkquote, and refused with another nonce', async () => {
    const h = await start();
    const { ak } = await h.identity();
    const extraData = random(32);
    const quote = await takeQuote(h.tpm, ak, extraData, SELECTION);
    await checkquote(h.dir, ak.spki, quote, extraData);
    await expect(checkquote(h.dir, ak.spki, quote, random(32))).rejects.toThrow();
  });

  test('carries exactly the selected values, which hash to the quoted digest', async () => {
    const h = await start();
    const { ak } = await h.identity();
    const quote = await takeQuote(h.tpm, ak, random(32), SELECTION);
    const values = quote.pcrs ?? {};
    expect(Object.keys(values.sha256 ?? {}).map(Number)).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14,
    ]);
    expect(values.sha256?.['0']).not.toBe('0'.repeat(64));
    expect(quote.parsed.attested).toMatchObject({ pcrDigest: pcrDigest(SELECTION, values, 0x0b) });
    expect(await pcrRead(h.tpm, SELECTION)).toEqual(values);
  });

  test('reads the PCRs again only when they changed', async () => {
    const h = await start({ proxy: true });
    const { ak } = await h.identity();
    const quoter = createQuoter(h.tpm, ak, SELECTION);
    const first = await quoter.take(random(32));
    const reads = h.proxy.seen(CC.pcrRead);
    expect((await quoter.take(random(32))).pcrs).toEqual(first.pcrs);
    expect(h.proxy.seen(CC.pcrRead)).toBe(reads);
    await h.swtpm.send([extendCommand(12, random(32))]);
    const second = await quoter.take(random(32));
    expect(second.pcrs?.sha256?.['12']).not.toBe(first.pcrs?.sha256?.['12']);
    expect(h.proxy.seen(CC.pcrRead)).toBeGreaterThan(reads);
  });

  test('never carries wrong values while another process extends', async () => {
    const h = await start({ proxy: true });
    const { ak } = await h.identity();
    const quoter = createQuoter(h.tpm, ak, SELECTION);
    let extending = true;
    let extended = 0;
    const extender = (async () => {
      while (extending) {
        await h.swtpm.send([extendCommand(11 + (extended % 4), random(32))]);
        extended++;
      }
    })();
    let without = 0;
    for (let i = 0; i < 25; i++) {
      const { pcrs, parsed } = await quoter.take(random(32));
      if (pcrs === undefined) without++;
      else expect(parsed.attested).toMatchObject({ pcrDigest: pcrDigest(SELECTION, pcrs, 0x0b) });
    }
    extending = false;
    await extender;
    expect(extended).toBeGreaterThan(25);
    expect(without).toBeGreaterThan(0);
    expect((await quoter.take(random(32))).pcrs).toBeDefined();
  });

  test('of a bank that the TPM does not have is refused', async () => {
    const h = await start();
    const { ak } = await h.identity();
    const quote = takeQuote(h.tpm, ak, random(32), [{ hash: 0x0c, pcrs: [0] }]);
    await expect(quote).rejects.toMatchObject({ code: 'TPM_ERROR' });
  });
});

describe('a PCR of our own', () => {
  const ZERO = new Uint8Array(32);
  test('is extended once even when the response is lost', async () => {
    const h = await start({ proxy: true });
    const digest = random(32);
    h.proxy.inject({ cc: CC.pcrExtend, times: 1, eof: 'after' });
    const { done, value } = await pcrExtend(h.tpm, 13, ZERO, digest);
    expect(done).toBe(true);
    expect(h.proxy.seen(CC.pcrExtend)).toBe(1);
    const read = await pcrRead(h.tpm, [{ hash: 0x0b, pcrs: [13] }]);
    expect(fromHex(read.sha256?.['13'] ?? '')).toEqual(value);
  });

  test('is left alone when it does not have the value that the log expects', async () => {
    const h = await start({ proxy: true });
    await h.swtpm.send([extendCommand(13, random(32))]);
    expect(await pcrExtend(h.tpm, 13, ZERO, random(32))).toMatchObject({ done: false });
    expect(h.proxy.seen(CC.pcrExtend)).toBe(0);
  });
});
