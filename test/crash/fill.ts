/** Brings a log to the end of its segment, so that the next group of records begins another one. */
import { expect } from 'vitest';
import { readLog } from '../../src/store/reader.ts';
import { SEGMENT_BYTES } from '../../src/store/segments.ts';
import type { ProcessHost } from '../kit/host.ts';
import type { Ledger } from './ledger.ts';
import { ask, newBody } from './load.ts';

/** The end of a segment is kept for seals and the like (src/store/segments.ts). */
const RECORDS_END = SEGMENT_BYTES - 64 * 1024;
/** A boot entry is larger than this, and so is the room that a small record asks for. */
const BOOT_BYTES = 1800;
/** What a record with 40,000 bytes to disclose takes, for they are kept in base64. */
const LARGE = 58_000;

async function end(dir: string): Promise<{ ordinal: number; offset: number; size: number }> {
  const frames = readLog(dir).frames();
  for (;;) {
    const { value, done } = await frames.next();
    if (done) return { ...value.cursor.place, size: value.size };
  }
}

/** @returns entries in the log; its daemon was killed, and its next entry begins segment 1 */
export async function fillSegment(host: ProcessHost, ledger: Ledger): Promise<number> {
  const daemon = host.start();
  await daemon.ready();
  const record = async (bytes: number) => {
    const { status, json } = await ask(host.socket, '/v1/records?wait=durable', { body: newBody(bytes) });
    expect(status).toBe(201);
    ledger.add([{ receipt: json }]);
  };
  const room = async () => {
    const { ordinal, offset } = await end(host.logDir);
    expect(ordinal, 'the segment that is being filled').toBe(0);
    return RECORDS_END - offset;
  };
  for (let left = await room(); left > 250_000; left = await room()) {
    const count = Math.max(1, Math.min(64, Math.floor((left - 150_000) / LARGE)));
    await Promise.all(Array.from({ length: count }, () => record(40_000)));
  }
  for (let left = await room(); left > BOOT_BYTES; left = await room()) {
    await record(left > LARGE + 5000 ? 40_000 : left > 6000 ? Math.floor((left - 5000) * 0.7) : 0);
  }
  await daemon.kill();
  await ledger.check(host);
  await room();
  return (await end(host.logDir)).size;
}
