/**
 * `governed.json` beside the log: from where the next run reads it, so that it need not read all. Put forward by somebody, the
 * grants before it are unknown, and what is unknown is refused.
 */
import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';

/** Where the last run left word to begin reading, and which policy change was the newest; the beginning where it left none. */
export function readHint(
  file: string,
  origin: string,
  size: number,
): { readonly from: number; readonly policy?: string } {
  try {
    const hint = JSON.parse(readFileSync(file, 'utf8')) as {
      log?: unknown;
      from?: unknown;
      policy?: unknown;
    };
    const { log, from, policy } = hint;
    if (log === origin && typeof from === 'number' && Number.isSafeInteger(from) && from >= 0 && from <= size)
      return { from, ...(typeof policy === 'string' ? { policy } : {}) };
  } catch {
    // An older word, or none: reading begins earlier, which costs time and nothing else.
  }
  return { from: 0 };
}

/** Leaves word for the next run. */
export async function writeHint(
  file: string,
  origin: string,
  from: number,
  policy: string | undefined,
): Promise<void> {
  const word = { log: origin, from, ...(policy === undefined ? {} : { policy }) };
  await writeFile(`${file}.tmp`, `${JSON.stringify(word)}\n`, { mode: 0o600 });
  await rename(`${file}.tmp`, file);
}
