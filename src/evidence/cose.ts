/**
 * COSE_Sign1 (RFC 9052 §4.2, §4.4): four parts, and the bytes that its signature is over. Whether tag 18 stands before
 * it is the application's own rule: AWS leaves it away. The algorithm comes from the protected header alone.
 */
import { AttestdError } from '../core/errors.ts';
import { type Cbor, type CborLimits, decodeCbor, encodeCbor } from './cbor.ts';

const TAG_SIGN1 = 0xd2;
/** Label of the algorithm in a header, and the algorithms of RFC 9053 §2.1. */
export const COSE_ALG = 1;
export const COSE_ES384 = -35;

export interface CoseSign1 {
  /** As it stands in the message. */
  readonly protectedBytes: Uint8Array;
  readonly protectedHeader: ReadonlyMap<Cbor, Cbor>;
  readonly unprotectedHeader: ReadonlyMap<Cbor, Cbor>;
  readonly payload: Uint8Array;
  /** r ‖ s for ECDSA. */
  readonly signature: Uint8Array;
}

const malformed = (why: string) => new AttestdError('MALFORMED', `COSE_Sign1: ${why}`);

/**
 * Reads a message that fills `bytes`.
 * @param tag whether tag 18 must stand before it, or must not
 * @throws MALFORMED, TOO_LARGE
 */
export function parseSign1(bytes: Uint8Array, tag: 'tagged' | 'untagged', limits: CborLimits): CoseSign1 {
  const tagged = bytes[0] !== undefined && bytes[0] >> 5 === 6;
  if (tagged && bytes[0] !== TAG_SIGN1) throw malformed('the tag is another');
  if (tagged !== (tag === 'tagged'))
    throw malformed(tagged ? 'a tag stands before it' : 'the tag is missing');
  const parts = decodeCbor(tagged ? bytes.subarray(1) : bytes, limits);
  if (!Array.isArray(parts) || parts.length !== 4) throw malformed('it has not four parts');
  const [protectedBytes, unprotectedHeader, payload, signature] = parts as readonly Cbor[];
  if (!(protectedBytes instanceof Uint8Array)) throw malformed('the protected header is no byte string');
  if (!(unprotectedHeader instanceof Map)) throw malformed('the unprotected header is no map');
  if (!(payload instanceof Uint8Array)) throw malformed('the payload is detached or no byte string');
  if (!(signature instanceof Uint8Array)) throw malformed('the signature is no byte string');
  const header = protectedBytes.length === 0 ? new Map<Cbor, Cbor>() : decodeCbor(protectedBytes, limits);
  if (!(header instanceof Map)) throw malformed('the protected header is no map');
  for (const label of header.keys()) {
    if (unprotectedHeader.has(label)) throw malformed('a label stands in both headers');
  }
  return { protectedBytes, protectedHeader: header, unprotectedHeader, payload, signature };
}

/** What the signature is over; an empty protected header counts as no bytes. `external` is the application's own. */
export function sign1Input(message: CoseSign1, external: Uint8Array = new Uint8Array()): Uint8Array {
  const header = message.protectedHeader.size === 0 ? new Uint8Array() : message.protectedBytes;
  return encodeCbor(['Signature1', header, external, message.payload]);
}
