/**
 * Fresh evidence: the answer to an auditor's nonce. A quote, and where there is one the counter, certified over the
 * nonce, the newest seal and its checkpoint; with genesis, boot and newest anchor, so that it stands on its own. Its
 * bytes are exactly the RFC 8785 form. It is not a seal and cannot pass for one: the tag differs (binding.ts).
 */
import { AttestdError } from '../core/errors.ts';
import { FRESH_MEDIA_TYPE } from '../core/namespace.ts';
import { checkRising } from './bundle.ts';
import { parseFile, printFile } from './jsonfile.ts';
import { type Fresh, FreshSchema, MAX_BUNDLE } from './schema/bundle.ts';

/** Reads fresh evidence; what is accepted prints back to the same bytes. @throws TOO_LARGE, MALFORMED */
export function parseFresh(bytes: Uint8Array): Fresh {
  const fresh = parseFile('fresh evidence', FreshSchema, bytes, MAX_BUNDLE);
  checkOrder(fresh);
  return fresh;
}

/** The bytes of fresh evidence. @throws MALFORMED when it does not fit its schema, TOO_LARGE */
export function printFresh(content: Omit<Fresh, 'mediaType'>): Uint8Array {
  checkOrder(content);
  const bytes = printFile('fresh evidence', FreshSchema, { ...content, mediaType: FRESH_MEDIA_TYPE });
  if (bytes.length > MAX_BUNDLE) {
    throw new AttestdError('TOO_LARGE', `the fresh evidence has over ${MAX_BUNDLE} bytes`);
  }
  return bytes;
}

function checkOrder(content: Omit<Fresh, 'mediaType'>): void {
  for (const name of ['measurements', 'keyChanges'] as const) checkRising('fresh evidence', content, name);
}
