/**
 * PCR values by the digest that a quote signs. They seldom change, so each set is one small file named by its digest,
 * durable before the first seal that speaks of it is published. PCR 10 is the exception: where the kernel measures files
 * it moves all the time, so a set that differs from another in that register alone is a line of a journal:
 *
 *     moved    of 96 bytes each: digest ‖ digest of the set that it differs from ‖ PCR 10
 *
 * Trusted? No: an attacker who can modify a file can only make its values miss the digest, which every reader checks.
 */
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { concat, fromHex, toHex } from '../core/bytes.ts';
import { jcs, parseJson } from '../core/json.ts';
import { IMA_PCR } from '../evidence/eventlog/ima/replay.ts';
import type { PcrValues } from '../evidence/tpm/pcr.ts';
import { writeDurably } from './layout.ts';

export interface PcrFiles {
  /** Keeps the values behind a quoted digest. @throws when they cannot be written */
  keep(digest: Uint8Array, values: PcrValues): void;
  /** The values behind a digest; undefined where they were racing or are not kept. The caller checks them. */
  find(digest: Uint8Array): PcrValues | undefined;
}

const LINE = 96;
const KEY = String(IMA_PCR);

/** Where PCR 10 stood, and beside which other values. */
interface Moved {
  readonly base: string;
  readonly value: string;
}

/** @param dir made when the first values are kept */
export function createPcrFiles(dir: string): PcrFiles {
  const kept = new Set<string>();
  const journal = join(dir, 'moved');
  const pathOf = (name: string) => join(dir, `${name}.json`);
  let moved: Map<string, Moved> | undefined;
  /** The set that was written whole last, and what it is but for PCR 10. */
  let base: { readonly name: string; readonly rest: string } | undefined;

  function lines(): Map<string, Moved> {
    moved ??= readJournal(journal);
    return moved;
  }

  function append(digest: Uint8Array, name: string, value: string): void {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const fd = openSync(journal, 'a', 0o600);
    try {
      writeSync(fd, concat(digest, fromHex(name), fromHex(value)));
      fdatasyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  return {
    keep(digest, values) {
      const name = toHex(digest);
      if (kept.has(name)) return;
      const value = values.sha256?.[KEY];
      const rest = value === undefined ? undefined : jcs(without(values));
      if (value !== undefined && rest !== undefined && rest === base?.rest) {
        if (!lines().has(name)) append(digest, base.name, value);
        lines().set(name, { base: base.name, value });
      } else {
        if (!existsSync(pathOf(name))) writeDurably(pathOf(name), jcs(values));
        if (rest !== undefined) base = { name, rest };
      }
      kept.add(name);
    },
    find(digest) {
      const name = toHex(digest);
      const whole = readValues(pathOf(name));
      if (whole !== undefined) return whole;
      const line = lines().get(name);
      const other = line === undefined ? undefined : readValues(pathOf(line.base));
      return line === undefined || other === undefined
        ? undefined
        : { ...other, sha256: { ...other.sha256, [KEY]: line.value } };
    },
  };
}

function without(values: PcrValues): PcrValues {
  const sha256 = { ...values.sha256 };
  delete sha256[KEY];
  return { ...values, sha256 };
}

function readValues(path: string): PcrValues | undefined {
  try {
    return parseJson(readFileSync(path)) as unknown as PcrValues;
  } catch {
    return undefined;
  }
}

/** Reads the journal; what a crash left of its last line is cut off. */
function readJournal(path: string): Map<string, Moved> {
  const out = new Map<string, Moved>();
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch {
    return out;
  }
  const whole = bytes.length - (bytes.length % LINE);
  if (whole < bytes.length) truncateSync(path, whole);
  for (let at = 0; at < whole; at += LINE) {
    const part = (from: number) => toHex(bytes.subarray(at + from, at + from + 32));
    out.set(part(0), { base: part(32), value: part(64) });
  }
  return out;
}
