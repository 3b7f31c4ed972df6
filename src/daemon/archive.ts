/**
 * What is read from a log beside the log itself: keys, PCR values, logs of the machine, places of measurements, the newest
 * published checkpoint. An engine has all of it; where none runs (no TPM, no room, lost continuity) it is opened for
 * reading alone, and needs neither.
 */
import { join } from 'node:path';
import type { Store } from '../store/store.ts';
import type { Keys } from '../verify/keys.ts';
import { readHostKeys } from './hostkeys.ts';
import { epochOf, type Layout } from './layout.ts';
import { createShelf, type Shelf } from './machine/shelf.ts';
import { type MeasuredPlaces, openMeasuredPlaces } from './measured/places.ts';
import { createPcrFiles, type PcrFiles } from './pcrfile.ts';
import { readNote } from './published.ts';

export interface Archive {
  readonly origin: string;
  /** Every key of the host that was in force in this log. */
  readonly hostKeys: Keys;
  readonly pcrs: Pick<PcrFiles, 'find'>;
  readonly shelf: Shelf;
  /** Where measurements are in the log. */
  readonly places: Pick<MeasuredPlaces, 'between' | 'known'>;
  readonly published: { readonly note: Uint8Array | undefined };
}

/** Opens it for reading. @throws STORE_CORRUPT where the keys of the log do not follow from each other */
export async function openArchive(store: Store, layout: Layout): Promise<Archive> {
  const { origin } = store;
  const epoch = epochOf(origin);
  return {
    origin,
    hostKeys: await readHostKeys(store, layout.log(epoch)),
    pcrs: createPcrFiles(layout.pcrs),
    shelf: createShelf(layout),
    places: openMeasuredPlaces(layout.measured(epoch), store),
    published: { note: readNote(join(layout.log(epoch), 'published')) },
  };
}

/** Opened once for each size of the log: a start that fails half-way may have appended to it. */
export function keepArchive(layout: Layout): (store: Store) => Promise<Archive> {
  let kept: { readonly store: Store; readonly size: number; readonly archive: Promise<Archive> } | undefined;
  return (store) => {
    const { size } = store;
    if (kept?.store !== store || kept.size !== size) {
      const archive = openArchive(store, layout);
      kept = { store, size, archive };
      // One that failed is tried again.
      archive.catch(() => {
        if (kept?.archive === archive) kept = undefined;
      });
    }
    return kept.archive;
  };
}
