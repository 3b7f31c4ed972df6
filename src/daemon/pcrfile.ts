/**
 * PCR values by the digest that a quote signs. They seldom change, so each set is one small file named by its digest,
 * durable before the first seal that speaks of it is published.
 *
 * Trusted? No: an attacker who can modify a file can only make its values miss the digest, which every reader checks.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { toHex } from '../core/bytes.ts';
import { jcs, parseJson } from '../core/json.ts';
import type { PcrValues } from '../evidence/tpm/pcr.ts';
import { writeDurably } from './layout.ts';

export interface PcrFiles {
  /** Keeps the values behind a quoted digest. @throws when they cannot be written */
  keep(digest: Uint8Array, values: PcrValues): void;
  /** The values behind a digest; undefined where they were racing or are not kept. The caller checks them. */
  find(digest: Uint8Array): PcrValues | undefined;
}

/** @param dir made when the first values are kept */
export function createPcrFiles(dir: string): PcrFiles {
  const kept = new Set<string>();
  const pathOf = (name: string) => join(dir, `${name}.json`);
  return {
    keep(digest, values) {
      const name = toHex(digest);
      if (kept.has(name)) return;
      if (!existsSync(pathOf(name))) writeDurably(pathOf(name), jcs(values));
      kept.add(name);
    },
    find(digest) {
      try {
        return parseJson(readFileSync(pathOf(toHex(digest)))) as unknown as PcrValues;
      } catch {
        return undefined;
      }
    },
  };
}
