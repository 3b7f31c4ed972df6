/** Bundles from a state directory whose daemon is stopped: the log holds all that evidence needs. */
import { AttestdError } from '../core/errors.ts';
import { openStore } from '../store/open.ts';
import { createBootLogFiles } from './bootlog.ts';
import { makeBundle } from './bundle.ts';
import { createCertificates } from './certificate.ts';
import { createCosigs } from './cosigs.ts';
import { readHostKeys } from './hostkeys.ts';
import { epochOf, layoutOf, readCurrent } from './layout.ts';
import { createPcrFiles } from './pcrfile.ts';
import { createStamps } from './stamps.ts';

/**
 * The bundle of a record.
 * @throws NOT_INITIALISED, NOT_FOUND, NOT_ENROLLED, SEAL_PENDING; STORE_LOCKED while the daemon runs
 */
export async function bundleFromState(stateDir: string, id: string): Promise<Uint8Array> {
  const layout = layoutOf(stateDir);
  const certificates = createCertificates(layout);
  certificates.read();
  const dir = layout.log(epochOf(readCurrent(layout).origin));
  const log = await openStore(dir);
  try {
    const found = log.lookup(id);
    if (found === undefined) throw new AttestdError('NOT_FOUND', `there is no record ${id} in ${log.origin}`);
    const reader = { uid: found.uid, admin: true };
    return await makeBundle({
      log,
      certificates,
      keys: await readHostKeys(log, dir),
      pcrs: createPcrFiles(layout.pcrs),
      cosigs: createCosigs({ kept: layout.timestamps }),
      stamps: createStamps({ kept: layout.timestamps }),
      bootLogs: createBootLogFiles(layout.bootLogs),
      index: found.index,
      reader,
    });
  } finally {
    await log.close();
  }
}
