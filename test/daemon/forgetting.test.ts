/** Erasing openings, interrupted anywhere and asked for at once: what was announced is erased, once, and nothing else is. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { toHex } from '../../src/core/bytes.ts';
import type { Engine } from '../../src/daemon/engineface.ts';
import { type ForgettingInput, openForgetting } from '../../src/daemon/forgetting.ts';
import { createSequencer } from '../../src/daemon/sequencer.ts';
import { recordDigest } from '../../src/evidence/dsse.ts';
import { buildEntry, newFrame } from '../../src/evidence/record.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { openStore } from '../../src/store/open.ts';
import type { Store } from '../../src/store/store.ts';
import { itemOf, newLog, ORIGIN, SMALL } from '../store/kit.ts';

const random = (n: number) => new Uint8Array(randomBytes(n));
const build: Engine['build'] = (kind, body, artefacts = []) =>
  buildEntry(kind, body, newFrame({ log: ORIGIN, boot: '00'.repeat(32) }, Date.now(), random), artefacts);

/** What a run has; `crash` leaves it where it is, as SIGKILL would. */
async function run(dir: string, changes: (store: Store) => Partial<ForgettingInput> = () => ({})) {
  const store = await openStore(dir, SMALL);
  const onFailure = (e: Error): void => {
    throw e;
  };
  const sequencer = createSequencer({ store, size: store.size, onDurable: () => undefined, onFailure });
  const told: string[] = [];
  const warn = (message: string) => void told.push(message);
  const words = join(dir, 'forgetting');
  const forget = await openForgetting({
    store,
    sequencer,
    build,
    dir: words,
    journal: { warn },
    ...changes(store),
  });
  let open = true;
  const stop = async () => {
    if (open) await store.close();
    open = false;
  };
  onTestFinished(stop);
  return { store, forget, told, stop, words: () => readdirSync(words) };
}
const tombstones = (store: Store): string[] =>
  Array.from({ length: store.size }, (_, i) => store.entry(i)).flatMap((e) => {
    try {
      const { kind, predicate } = readStatement(e);
      return kind === 'tombstone' && 'record' in predicate ? [predicate.record as string] : [];
    } catch {
      return [];
    }
  });
const never = () => new Promise<never>(() => undefined);
async function logOfThree(): Promise<string> {
  const dir = await newLog();
  const store = await openStore(dir, SMALL);
  await store.commit([itemOf(1), itemOf(2), itemOf(3)]);
  await store.close();
  return dir;
}

it('what was announced and not erased is erased at the next start, and what waited beside it is not', async () => {
  const dir = await logOfThree();
  let announced: () => void = () => undefined;
  const reached = new Promise<void>((resolve) => {
    announced = resolve;
  });
  const first = await run(dir, (store) => ({
    store: {
      forget: () => {
        announced();
        return never();
      },
      openings: (i) => store.openings(i),
      entry: (i) => store.entry(i),
      lookup: (id) => store.lookup(id),
      origin: store.origin,
      size: store.size,
    },
  }));
  first.forget(2, 7, 'asked for');
  await reached;
  expect([first.words(), tombstones(first.store).length]).toEqual([['2'], 1]);
  await first.stop();

  const second = await run(dir);
  expect(second.store.openings(2)).toBe('erased');
  expect([1, 3].map((i) => second.store.openings(i)?.length)).toEqual([22, 22]);
  expect(tombstones(second.store)).toEqual([toHex(recordDigest(second.store.entry(2)))]);
  expect(second.told).toEqual(['openings were erased, as a run before this one had begun to']);
  expect(second.words()).toEqual([]);
});

it('what was not announced yet is not erased', async () => {
  const dir = await logOfThree();
  const first = await run(dir, () => ({ sequencer: { appendOne: never } }));
  first.forget(2, 7, undefined);
  expect(first.words()).toEqual(['2']);
  await first.stop();
  const second = await run(dir);
  expect([second.store.openings(2)?.length, second.words(), second.told]).toEqual([22, [], []]);
});

it('word that somebody left erases only what a tombstone in the log names', async () => {
  const dir = await logOfThree();
  const first = await run(dir);
  const { id } = JSON.parse(await first.forget(1, 7, undefined));
  await first.stop();
  mkdirSync(join(dir, 'forgetting'), { recursive: true });
  // The tombstone of another record, the id of a record, and no id.
  writeFileSync(join(dir, 'forgetting/2'), `${id}\n`);
  writeFileSync(join(dir, 'forgetting/3'), `${itemOf(3).id}\n`);
  writeFileSync(join(dir, 'forgetting/99'), 'x');
  const second = await run(dir);
  expect([2, 3].map((i) => second.store.openings(i)?.length)).toEqual([22, 22]);
});

it('asked for many times at once it is announced once, and every answer names that', async () => {
  const { forget, store, words } = await run(await logOfThree());
  const answers = await Promise.all(Array.from({ length: 10 }, () => forget(2, 7, undefined)));
  expect(new Set(answers).size).toBe(1);
  expect([tombstones(store).length, store.openings(2), words()]).toEqual([1, 'erased', []]);
});
