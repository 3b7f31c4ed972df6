/** Bundles from a state directory whose daemon is stopped: the log holds all that evidence needs. */
import { AttestdError } from '../core/errors.ts';
import { openStore } from '../store/open.ts';
import { makeBundle } from './bundle.ts';
import { createCertificates } from './certificate.ts';
import { createCosigs } from './cosigs.ts';
import { readHostKeys } from './hostkeys.ts';
import { epochOf, layoutOf, readCurrent } from './layout.ts';
import type { Snapshot } from './machine/chunks.ts';
import { createShelf } from './machine/shelf.ts';
import { openMeasuredPlaces } from './measured/places.ts';
import { createPcrFiles } from './pcrfile.ts';
import { createStamps } from './stamps.ts';

/**
 * The bundle of a record, and the attachments that it names.
 * @param options.ima with the IMA list
 * @throws NOT_INITIALISED, NOT_FOUND, NOT_ENROLLED, SEAL_PENDING, IMA_UNAVAILABLE; STORE_LOCKED while the daemon runs
 */
export async function bundleFromState(
  stateDir: string,
  id: string,
  { ima = false }: { readonly ima?: boolean } = {},
): Promise<{ readonly bytes: Uint8Array; attachment(sha256: string): Snapshot | undefined }> {
  const layout = layoutOf(stateDir);
  const certificates = createCertificates(layout);
  certificates.read();
  const dir = layout.log(epochOf(readCurrent(layout).origin));
  const log = await openStore(dir);
  try {
    const found = log.lookup(id);
    if (found === undefined) throw new AttestdError('NOT_FOUND', `there is no record ${id} in ${log.origin}`);
    const reader = { uid: found.uid, admin: true };
    const shelf = createShelf(layout);
    const bytes = await makeBundle({
      log,
      certificates,
      keys: await readHostKeys(log, dir),
      pcrs: createPcrFiles(layout.pcrs),
      cosigs: createCosigs({ kept: layout.timestamps }),
      stamps: createStamps({ kept: layout.timestamps }),
      shelf,
      places: openMeasuredPlaces(layout.measured(epochOf(log.origin)), log),
      index: found.index,
      reader,
      ima,
    });
    return { bytes, attachment: (sha256) => shelf.attachment(sha256) };
  } finally {
    await log.close();
  }
}
