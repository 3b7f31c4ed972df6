/** How far witnesses cosigned a log: by what is in the files that are kept, never by how they are named. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createCosigs } from '../../src/daemon/cosigs.ts';
import { printSignature } from '../../src/log/note.ts';
import type { Sealed } from '../../src/store/seal.ts';
import type { Store } from '../../src/store/store.ts';
import { cosign, makeWitness, noteText } from '../kit/witness.ts';
import { freshDir, itemOf, newLog, opened, sealNow } from '../store/kit.ts';

const witness = makeWitness('witness.example/one');
const lineOver = (seal: Sealed) =>
  `${witness.vkey}\n${printSignature(cosign(witness, noteText(seal.note), 1_800_000_000))}`;
/** Over something else. */
const strange = printSignature(cosign(witness, 'x\n', 1));

async function sealedLog(): Promise<{ store: Store; seals: Sealed[]; kept: string; folder: string }> {
  const store = await opened(await newLog());
  const seals: Sealed[] = [];
  for (let i = 1; i <= 3; i++) {
    await store.commit([itemOf(i)]);
    seals.push(await sealNow(store));
  }
  const kept = freshDir();
  const folder = join(kept, '7');
  mkdirSync(folder);
  return { store, seals, kept, folder };
}

it('a kept file counts for the checkpoint that its line is over, and for none where it is over another', async () => {
  const { store, seals, kept, folder } = await sealedLog();
  const [first, second, third] = seals as [Sealed, Sealed, Sealed];
  const newest = () => createCosigs({ kept }).newest(store);
  const put = (name: string, text: string) => writeFileSync(join(folder, name), text);
  expect(await newest()).toBeUndefined();
  put(`${first.size}-1.one.cosig`, lineOver(first));
  expect(await newest()).toBe(first.size);
  // Under the name of a later checkpoint, of one that there is not, and with something else in it.
  put(`${third.size}-3.one.cosig`, lineOver(first));
  put('999999-9.one.cosig', lineOver(third));
  put(`${second.size}-2.two.cosig`, 'noise');
  put(`${second.size}-2.three.cosig`, `${witness.vkey}\n${strange}`);
  expect(await newest()).toBe(first.size);
  put(`${second.size}-2.four.cosig`, lineOver(second));
  expect(await newest()).toBe(second.size);
});

it('where files are kept and none of them verifies, nothing is cosigned: that is no log without witnesses', async () => {
  const { store, seals, kept, folder } = await sealedLog();
  const [first] = seals as [Sealed];
  const cosigs = createCosigs({ kept });
  writeFileSync(join(folder, `${first.size}-1.one.cosig`), 'noise');
  expect(await cosigs.newest(store)).toBe(0);
  // However many there are.
  for (let i = 0; i < 200; i++) writeFileSync(join(folder, `${100 + i}-${i}.one.cosig`), lineOver(first));
  expect(await createCosigs({ kept }).newest(store)).toBe(0);
  rmSync(folder, { recursive: true });
  expect(await createCosigs({ kept }).newest(store)).toBeUndefined();
});
