/** A record that a command names by its id or by a file that holds it. */
import { existsSync } from 'node:fs';
import { equal, fromBase64 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { parseBundle } from '../evidence/bundle.ts';
import { readStatement } from '../evidence/statement.ts';
import type { Input } from './command.ts';
import { readInput } from './files.ts';

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

/** A record by id, and its entry where a bundle gave it. */
export interface NamedRecord {
  readonly id: string;
  readonly entry?: Uint8Array;
}

/** Whether a name is a file, and not the id of a record. */
export const isFile = (name: string): boolean => name === '-' || (!ULID.test(name) && existsSync(name));

/** The record that the first argument names. @throws MALFORMED when it is a file and no bundle */
export async function namedRecord(input: Input): Promise<NamedRecord> {
  const name = input.args[0] as string;
  if (!isFile(name)) return { id: name };
  return recordOf(await readInput(name, input.io));
}

/** The record in an evidence bundle. @throws MALFORMED */
export function recordOf(bundle: Uint8Array): NamedRecord {
  const entry = fromBase64(parseBundle(bundle).record.entry);
  return { id: readStatement(entry).predicate.id, entry };
}

/** Holds what the daemon gave against what the bundle holds. @throws REJECTED when they are two records of one id */
export function holdEntry({ id, entry }: NamedRecord, given: Uint8Array): void {
  if (entry === undefined || equal(entry, given)) return;
  throw new AttestdError('REJECTED', `the log of this host has another record ${id} than the bundle`);
}
