/**
 * Follows the kernel's list through a boot: reads on where it stopped, replays what is new, and keeps it compressed. Many
 * may ask at once; the list is read by one of them at a time.
 */

import { createImaReader, type ImaReader } from '../../evidence/eventlog/ima/reader.ts';
import { IMA_PCR } from '../../evidence/eventlog/ima/replay.ts';
import type { PcrValues } from '../../evidence/tpm/pcr.ts';
import type { ImaSource } from '../../measure/ima.ts';
import { type Chunks, createChunks, type Snapshot } from './chunks.ts';
import { createTrail, type Trail } from './trail.ts';

export interface ImaFollower {
  /** Reads on to where the list ends now. Never throws: see `trouble`. */
  catchUp(): Promise<void>;
  /** Why the list could not be read or understood the last time; undefined where it could. */
  readonly trouble: Error | undefined;
  /**
   * The values with the one of PCR 10 under which they are those that were quoted: the kernel may extend it at any time.
   * @param fits whether values hash to the quoted digest
   */
  settle(values: PcrValues, fits: (values: PcrValues) => boolean): Promise<PcrValues | undefined>;
  /** The list from entry 0 as far as this value of PCR 10 or further; undefined where it does not lead there. */
  covering(value: string): Promise<Snapshot | undefined>;
  /** Makes what was read durable and stops. */
  stop(): Promise<void>;
}

/** @param dir of this boot's list */
export function createImaFollower(source: ImaSource, dir: string): ImaFollower {
  let chunks: Chunks | undefined;
  const trail: Trail = createTrail();
  const reader: ImaReader = createImaReader((entry) => trail.add(entry), { format: 'binary' });
  let offset = 0;
  /** Entries that are in the newest snapshot. */
  let settled = 0;
  let trouble: Error | undefined;
  /** A list that is not understood stays so. */
  let lost = false;
  let reading: Promise<void> | undefined;
  /** The list that went out last, and how many entries it has: the next bundle takes the same where that is enough. */
  let shared: { snapshot: Snapshot; entries: number } | undefined;

  async function readOn(): Promise<void> {
    try {
      for await (const piece of source.from(offset)) {
        chunks ??= createChunks(dir);
        chunks.append(piece);
        offset += piece.length;
        try {
          reader.push(piece);
        } catch (e) {
          lost = true;
          throw e;
        }
      }
      chunks?.settle();
      settled = trail.entries;
      if (!lost) trouble = undefined;
    } catch (e) {
      trouble = e as Error;
    }
  }

  function catchUp(): Promise<void> {
    if (lost) return Promise.resolve();
    // Who comes while it is read wants what was written up to now, so it is read once more.
    const next: Promise<void> = (reading ?? Promise.resolve()).then(readOn).finally(() => {
      if (reading === next) reading = undefined;
    });
    reading = next;
    return next;
  }

  return {
    catchUp,
    get trouble() {
      return trouble;
    },
    async settle(values, fits) {
      // The first reading may take seconds, and a quote does not wait for it.
      if (reading !== undefined) return undefined;
      await catchUp();
      for (const value of trail.recent()) {
        const tried = { ...values, sha256: { ...values.sha256, [String(IMA_PCR)]: value } };
        if (fits(tried)) return tried;
      }
      return undefined;
    },
    async covering(value) {
      let entries = trail.find(value);
      if (entries === undefined) {
        await catchUp();
        entries = trail.find(value);
      }
      if (entries === undefined) return undefined;
      if (shared === undefined || shared.entries < entries) {
        if (settled < entries) await catchUp();
        const snapshot = chunks?.snapshot;
        if (snapshot === undefined || settled < entries) return undefined;
        shared = { snapshot, entries: settled };
      }
      return shared.snapshot;
    },
    async stop() {
      await catchUp();
      await source.close();
    },
  };
}
