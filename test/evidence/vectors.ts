/** Vector files: one JSON document per format, with must-accept and must-reject cases. */
import { readFileSync } from 'node:fs';

/** Reads `test/vectors/evidence/<name>.json`. */
export function readVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/evidence/${name}.json`, import.meta.url), 'utf8')) as T;
}

/** What a must-reject case names. */
export interface Reject {
  readonly name: string;
  readonly code: string;
}
