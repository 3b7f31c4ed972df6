/** Files that a step is told to name in its record: what goes in, and what comes out. */
import { Check } from 'typebox/value';
import type { RecordRequest } from '../../client/client.ts';
import { AttestdError } from '../../core/errors.ts';
import { type Files, MAX_FILES } from '../../evidence/schema/ci.ts';
import { MAX_MEMBERS } from '../../evidence/schema/execution.ts';
import { Artefact } from '../../evidence/schema/request.ts';
import { digestFile } from '../executable.ts';
import type { Made } from '../recordedrun.ts';

/** Shorter than a name may be, so that it can be said that it is missing. */
const MAX_NAME = 240;

/** Refuses, before anything is started, names that no record could hold. @throws USAGE */
function checkNames(option: string, names: readonly string[], most: number): void {
  const bad = (why: string) => new AttestdError('USAGE', `${option} ${why}`, { field: option });
  if (names.length > most) throw bad(`is given ${names.length} times, at most ${most}`);
  for (const [i, name] of names.entries()) {
    if (name.length > MAX_NAME || !Check(Artefact.properties.name, name)) {
      throw bad(`${JSON.stringify(name)} is no name of a file for a record`);
    }
    if (names.indexOf(name) !== i) throw bad(`${name} is given twice`);
  }
}

/** Digests of the input files, as they are now. @throws USAGE when one cannot be read */
export async function readInputs(names: readonly string[]): Promise<Files> {
  checkNames('--input', names, MAX_FILES);
  const files: { name: string; sha256: string }[] = [];
  for (const name of names) {
    try {
      files.push({ name, sha256: await digestFile(name) });
    } catch (cause) {
      throw new AttestdError('USAGE', `--input ${name}: ${(cause as NodeJS.ErrnoException).code}`, {
        cause,
        field: '--input',
      });
    }
  }
  return files;
}

/**
 * What to do about artefacts once the command has ended.
 * @param missing told of one that cannot be read; the record says that it is left out
 * @throws USAGE for names that no record could hold
 */
export function artefactReader(
  names: readonly string[],
  salted: boolean,
  missing: (name: string, code: string) => void,
): () => Promise<Made> {
  checkNames('--artefact', names, MAX_MEMBERS - 8);
  return async () => {
    const artefacts: NonNullable<RecordRequest['artefacts']>[number][] = [];
    const omitted: string[] = [];
    for (const name of names) {
      try {
        artefacts.push({ name, sha256: await digestFile(name), ...(salted ? {} : { plain: true }) });
      } catch (fault) {
        missing(name, (fault as NodeJS.ErrnoException).code ?? 'unknown');
        omitted.push(`artefact ${name}`);
      }
    }
    return artefacts.length === 0 ? { omitted } : { artefacts, omitted };
  };
}
