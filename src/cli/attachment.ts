/** Files beside a bundle that it names by their digest: what is too long to stand inside. */
import { createReadStream, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Attachments } from '../verify/ima/facts.ts';

/** The place of an attachment beside this bundle; the working directory for stdin. */
export const attachmentPath = (bundle: string, sha256: string): string =>
  join(bundle === '-' ? '.' : dirname(bundle), sha256);

/** The attachments beside a bundle. */
export function attachmentsBeside(bundle: string): Attachments {
  return (sha256) => {
    const path = attachmentPath(bundle, sha256);
    return existsSync(path) ? createReadStream(path, { highWaterMark: 256 * 1024 }) : undefined;
  };
}
