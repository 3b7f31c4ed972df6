/** Reading NV indices that others have written: endorsement certificates, nonces, templates. */
import { concat } from '../core/bytes.ts';
import { parseNvPublic } from '../evidence/tpm/nv.ts';
import type { Entity } from '../native/tpm.ts';
import { isRefusal } from './fault.ts';
import { nvBufferMax } from './property.ts';
import type { Work } from './work.ts';

/** Larger than any certificate a TPM vendor writes. */
const MAX_NV = 16_384;

/**
 * The content of an index, or null where it cannot be read: not written yet, or closed to both the owner and an empty
 * auth (some virtual TPMs take one, some the other).
 */
export async function readNv(w: Work, nvIndex: number): Promise<Uint8Array | null> {
  const { handle } = await w.ctx.nvIndex(nvIndex, w.plain());
  w.keep(handle);
  const { dataSize, attributes } = parseNvPublic((await w.ctx.nvReadPublic(handle, w.plain())).public);
  if (dataSize === 0 || dataSize > MAX_NV || !attributes.written) return null;
  const entities: Entity[] = [];
  if (attributes.ownerRead) entities.push('owner');
  if (attributes.authRead) entities.push(handle);
  const chunk = await nvBufferMax(w);
  for (const entity of entities) {
    try {
      const parts: Uint8Array[] = [];
      for (let offset = 0; offset < dataSize; offset += chunk) {
        const size = Math.min(chunk, dataSize - offset);
        parts.push(await w.ctx.nvRead({ entity, index: handle, size, offset }, w.plain()));
      }
      return concat(...parts);
    } catch (e) {
      // Only a refusal lets the next authorisation be tried; everything else is for the failure table.
      if (!isRefusal(e)) throw e;
    }
  }
  return null;
}
