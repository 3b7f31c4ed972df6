/** Files beside a bundle that it names by their digest: what is too long to stand inside. */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AttestdError } from '../core/errors.ts';
import type { Attachments } from '../verify/ima/facts.ts';

/** The place of an attachment beside this bundle; the working directory for stdin. */
const attachmentPath = (bundle: string, sha256: string): string =>
  join(bundle === '-' ? '.' : dirname(bundle), sha256);

/** The attachments beside a bundle. */
export function attachmentsBeside(bundle: string): Attachments {
  return (sha256) => {
    const path = attachmentPath(bundle, sha256);
    return existsSync(path) ? createReadStream(path, { highWaterMark: 256 * 1024 }) : undefined;
  };
}

/**
 * Writes the attachment that evidence names, before the evidence itself; nothing where it names none.
 * @param out where the evidence goes
 * @throws USAGE for stdout, beside which there is no place; IMA_UNAVAILABLE where it is not to be had
 */
export async function writeBeside(
  out: string,
  ima: { readonly sha256: string; readonly size: number; readonly data?: string } | undefined,
  attachment: (sha256: string) => AsyncIterable<Uint8Array> | undefined,
): Promise<{ readonly file: string; readonly size: number } | undefined> {
  if (ima === undefined || ima.data !== undefined) return undefined;
  if (out === '-') {
    throw new AttestdError('USAGE', 'the IMA list is a file beside the evidence: give that a name with -o');
  }
  const pieces = attachment(ima.sha256);
  if (pieces === undefined) throw new AttestdError('IMA_UNAVAILABLE', 'the list that is named is not there');
  return { file: await writeAttachment(out, ima, pieces), size: ima.size };
}

/**
 * Writes an attachment beside a bundle, unless it is there already: other bundles share it.
 * @returns its path
 * @throws MALFORMED where the pieces are not what the bundle names, USAGE where it cannot be written
 */
async function writeAttachment(
  bundle: string,
  { sha256, size }: { readonly sha256: string; readonly size: number },
  pieces: AsyncIterable<Uint8Array>,
): Promise<string> {
  const path = attachmentPath(bundle, sha256);
  if (statSync(path, { throwIfNoEntry: false })?.size === size) return path;
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx', 0o644);
    try {
      const hash = createHash('sha256');
      for await (const piece of pieces) {
        hash.update(piece);
        await file.write(piece);
      }
      if (hash.digest('hex') !== sha256) {
        throw new AttestdError('MALFORMED', 'the list that came is not the one that the bundle names');
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    return path;
  } catch (cause) {
    await unlink(temporary).catch(() => undefined);
    if (cause instanceof AttestdError) throw cause;
    throw new AttestdError('USAGE', `${path}: ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
}
