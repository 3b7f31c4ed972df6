/** `node/kid=x`: how the key of a NexArt node is written on the command line. */
import { fromBase64Url } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import type { NodeKey } from '../evidence/import/node.ts';

/** @throws USAGE */
export function nodeKeyOf(value: string): NodeKey {
  const m = /^([^/=]{1,256})\/([^/=]{1,128})=([A-Za-z0-9_-]{43})$/.exec(value);
  try {
    if (m !== null && fromBase64Url(m[3] as string).length === 32) {
      return { nodeId: m[1] as string, kid: m[2] as string, x: m[3] as string };
    }
  } catch {
    // Falls through to the sentence below.
  }
  throw new AttestdError('USAGE', '--node-key is not node/kid=x with 32 bytes in base64url', {
    field: '--node-key',
  });
}
