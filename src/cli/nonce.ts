/** The nonce of an auditor, as a person types it. */
import { fromHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';

/** A nonce in hexadecimal, 16 to 64 bytes. @throws USAGE */
export function readNonce(hex: string): Uint8Array {
  if (!/^(?:[0-9a-f]{2}){16,64}$/.test(hex)) {
    throw new AttestdError('USAGE', 'a nonce is 16 to 64 bytes in lower-case hexadecimal', {
      field: '--nonce',
    });
  }
  return fromHex(hex);
}
