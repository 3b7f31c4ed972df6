/** What the tests of the store share: logs in fresh directories, entries, seals made without a TPM, a disk that breaks. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { utf8, ZERO32 } from '../../src/core/bytes.ts';
import { ulid } from '../../src/core/ulid.ts';
import { encodeSeal } from '../../src/evidence/seal.ts';
import { printCheckpoint } from '../../src/log/checkpoint.ts';
import { printNote } from '../../src/log/note.ts';
import type { Item } from '../../src/store/batch.ts';
import { createLog, openStore, type StoreOptions } from '../../src/store/open.ts';
import type { Sealed } from '../../src/store/seal.ts';
import type { Store } from '../../src/store/store.ts';

export const ORIGIN = 'fleet/host/7';
export const SMALL: StoreOptions = { segmentBytes: 1 << 18 };

/** A directory that goes away with the test. */
export function freshDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'attestd-store-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Numbers that look random and are the same each time. */
export function randomizer(seed: number): () => number {
  let s = seed >>> 0 || 1;
  return () => {
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    s >>>= 0;
    return s;
  };
}

/** Entry `i`: its number as text, filled up to `bytes`. */
export const entryOf = (i: number, bytes = 40): Uint8Array => utf8(`entry ${i} `.padEnd(bytes, 'x'));

const T0 = 1_790_000_000_000;

/** A ULID for entry `i`. */
export const idOf = (i: number): string => ulid(T0 + i, utf8(String(i).padStart(10, '0')));

export const digestOf = (kind: string, i: number): Uint8Array => utf8(`${kind} ${i}`.padEnd(32, '.'));

/** Item `i` with everything that the store keeps. */
export function itemOf(i: number, bytes?: number): Item {
  return {
    entry: entryOf(i, bytes),
    id: idOf(i),
    uid: 1000 + (i % 3),
    opening: utf8(`["salt","secret of ${i}"]`),
    idempotency: { key: digestOf('key', i), body: digestOf('body', i) },
  };
}

/** A new log with a genesis entry; its directory. */
export async function newLog(options: StoreOptions = SMALL): Promise<string> {
  const dir = join(freshDir(), 'log', '7');
  await createLog(dir, ORIGIN, { entry: entryOf(0), mark: { kind: 'boot' } }, options);
  return dir;
}

/** Opens a log that is closed when the test ends. */
export async function opened(dir: string, options: StoreOptions = SMALL): Promise<Store> {
  const store = await openStore(dir, options);
  onTestFinished(() => store.close());
  return store;
}

/** A sealed note with a quote that is none; good for everything the store looks at. */
export function noteOf(
  head: { size: number; root: Uint8Array },
  last: Sealed | undefined,
  changes: { bootIndex?: number; timeMs?: number; seq?: number; prevSeal?: Uint8Array } = {},
): Uint8Array {
  const seq = (last?.seq ?? 0) + 1;
  const header = {
    timeMs: T0 + seq,
    seq,
    bootIndex: last?.bootIndex ?? 0,
    anchorCtr: 0n,
    prevSeal: last?.digest ?? ZERO32,
    ...changes,
  };
  const signature = encodeSeal(header, utf8('attest'), utf8('signature'));
  const text = printCheckpoint({ origin: ORIGIN, ...head });
  return utf8(printNote({ text, signatures: [{ name: ORIGIN, keyId: utf8('seal'), signature }] }));
}

/** Seals what is durable now. */
export async function sealNow(store: Store): Promise<Sealed> {
  return store.appendSeal(noteOf(store.head(), store.lastSeal()));
}
