/**
 * The IMA lists of a host's boots as bundles carry them: inside where they are short, else as an attachment that many
 * bundles share. The list of the boot that runs is read on; of boots before it there is what was kept.
 */
import { join } from 'node:path';
import { concat, toBase64 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { type ImaMember, MAX_IMA, MAX_IMA_INSIDE } from '../../evidence/schema/bundle.ts';
import { keptSnapshot, type Snapshot } from './chunks.ts';
import type { ImaFollower } from './follower.ts';

export interface ImaLists {
  /**
   * The list of a boot, from entry 0 as far as the quoted PCR 10 at least.
   * @param value of PCR 10 in hex
   * @throws IMA_UNAVAILABLE where there is none that leads there
   */
  member(bootId: string, value: string): Promise<ImaMember>;
  /** The attachment with this digest that a bundle named lately. */
  attachment(sha256: string): Snapshot | undefined;
}

/** Attachments that can be asked for after their bundle; each is a few numbers and the end of a list. */
const NAMED = 8;

/** Lists below `dir`; `live` follows that of the boot with `bootId`. */
export function createImaLists(
  dir: string,
  live?: { readonly bootId: string; readonly follower?: ImaFollower },
): ImaLists {
  const named = new Map<string, Snapshot>();
  const kept = new Map<string, Snapshot>();

  async function find(bootId: string, value: string): Promise<Snapshot | undefined> {
    if (live?.bootId === bootId && live.follower !== undefined) return live.follower.covering(value);
    const found = kept.get(bootId) ?? (await keptSnapshot(bootDir(dir, bootId)));
    // A boot that is over has the list that it has.
    if (found !== undefined) kept.set(bootId, found);
    return found;
  }

  return {
    async member(bootId, value) {
      const snapshot = await find(bootId, value);
      if (snapshot === undefined || snapshot.size > MAX_IMA) {
        const why = live?.bootId === bootId ? live.follower?.trouble?.message : undefined;
        throw new AttestdError(
          'IMA_UNAVAILABLE',
          why ?? 'no IMA list that leads to the quoted PCR 10 was kept of that boot',
        );
      }
      const { sha256, size } = snapshot;
      if (size <= MAX_IMA_INSIDE) {
        const parts: Uint8Array[] = [];
        for await (const piece of snapshot.pieces()) parts.push(piece);
        return { sha256, size, data: toBase64(concat(...parts)) };
      }
      named.delete(sha256);
      named.set(sha256, snapshot);
      for (const oldest of named.keys()) {
        if (named.size <= NAMED) break;
        named.delete(oldest);
      }
      return { sha256, size };
    },
    attachment: (sha256) => named.get(sha256),
  };
}

/** The directory of a boot's list. @throws MALFORMED for what is no boot id */
export function bootDir(dir: string, bootId: string): string {
  if (!/^[0-9a-f-]{32,36}$/.test(bootId)) throw new AttestdError('MALFORMED', 'no boot id');
  return join(dir, bootId);
}
