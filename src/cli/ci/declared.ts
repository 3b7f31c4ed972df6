/** Files that a step is told to name in its record: what goes in, and what comes out. */
import { stat } from 'node:fs/promises';
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

/** SHA-256 of a regular file: a pipe would be waited for without end, and be empty for the command. */
async function digestOf(name: string): Promise<string> {
  if (!(await stat(name)).isFile()) throw Object.assign(new Error(name), { code: 'no regular file' });
  return digestFile(name);
}

/** Digests of the input files, as they are now. @throws USAGE when one cannot be read */
export async function readInputs(names: readonly string[]): Promise<Files> {
  checkNames('--input', names, MAX_FILES);
  const files: { name: string; sha256: string }[] = [];
  for (const name of names) {
    try {
      files.push({ name, sha256: await digestOf(name) });
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
        artefacts.push({ name, sha256: await digestOf(name), ...(salted ? {} : { plain: true }) });
      } catch (fault) {
        missing(name, (fault as NodeJS.ErrnoException).code ?? 'unknown');
        omitted.push(`artefact ${name}`);
      }
    }
    return artefacts.length === 0 ? { omitted } : { artefacts, omitted };
  };
}
