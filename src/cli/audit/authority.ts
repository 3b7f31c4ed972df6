/** Feeds the audit of an authority from its folder: the entry bundles under `log/`, as any tlog reader would. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AttestdError, ERRORS } from '../../core/errors.ts';
import { type Certificate, parseCertificate } from '../../evidence/x509/certificate.ts';
import { parseCheckpoint } from '../../log/checkpoint.ts';
import { parseEntries } from '../../log/entries.ts';
import { parseNote } from '../../log/note.ts';
import { printTilePath, TILE_WIDTH } from '../../log/tile.ts';
import { AuthorityAudit, type AuthorityReport } from '../../verify/audit/authority.ts';
import { readCertificates } from '../certificates.ts';
import type { Io } from '../io.ts';

/**
 * @param ca file with the authority's own certificate; that of its folder when absent, which then is taken on trust
 * @throws NOT_FOUND where nothing is signed yet
 */
export async function auditAuthority(dir: string, ca: string | undefined, io: Io): Promise<AuthorityReport> {
  const note = await readIfThere(join(dir, 'log', 'checkpoint'));
  if (note === undefined)
    throw new AttestdError('NOT_FOUND', `the log of the authority in ${dir} is not signed`);
  const audit = new AuthorityAudit(await certificateOf(dir, ca, io));
  let size = 0;
  try {
    size = parseCheckpoint(parseNote(note).text).size;
  } catch {
    // The audit says what is wrong with the checkpoint.
  }
  for (let n = 0; n * TILE_WIDTH < size; n++) {
    const width = Math.min(TILE_WIDTH, size - n * TILE_WIDTH);
    const bundle = await readIfThere(join(dir, 'log', printTilePath({ level: 'entries', n, width })));
    if (bundle === undefined) break;
    for (const entry of entriesOf(bundle, width)) audit.entry(entry);
  }
  return audit.finish(note);
}

/** What cannot be taken apart counts as no entries: the size then does not fit, and the audit says so. */
function entriesOf(bundle: Uint8Array, width: number): Uint8Array[] {
  try {
    return parseEntries(bundle, width);
  } catch {
    return [];
  }
}

async function certificateOf(dir: string, ca: string | undefined, io: Io): Promise<Certificate> {
  const given = ca === undefined ? await ownFile(dir) : ca;
  const [first] = await readCertificates([given], io);
  return parseCertificate(first as Uint8Array);
}

async function ownFile(dir: string): Promise<string> {
  const subordinate = join(dir, 'certificate.pem');
  return (await readIfThere(subordinate)) === undefined ? join(dir, 'root.pem') : subordinate;
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw e;
  }
}

/** @returns the exit status */
export function reportAuthority(io: Io, report: AuthorityReport): number {
  if (io.json) io.out(`${JSON.stringify(report)}\n`);
  else {
    const events = Object.entries(report.events).map(([event, n]) => `${n} ${event}`);
    io.out(`${io.style('bold', report.origin)}  ${report.entries} entries: ${events.join(', ')}\n`);
    for (const f of report.findings) {
      io.out(`  ${io.style('red', '✗ fail')}  ${f.id} at ${f.at}: ${f.sentence}\n`);
    }
    const colour = { verified: 'green', rejected: 'red', indeterminate: 'yellow' } as const;
    io.out(`${io.style(colour[report.verdict], report.verdict.toUpperCase())}\n`);
  }
  if (report.verdict === 'verified') return 0;
  return ERRORS[report.verdict === 'rejected' ? 'REJECTED' : 'INDETERMINATE'].exit;
}
