/**
 * A signed CoRIM (draft-ietf-rats-corim, Signed CoRIM): COSE_Sign1 with tag 18 over an unsigned one. Read, not verified:
 * whose signature counts is for the caller to say. Hash envelopes and detached payloads are refused by name.
 */
import { AttestdError } from '../../core/errors.ts';
import type { Cbor } from '../cbor.ts';
import { COSE_ALG, type CoseSign1, parseSign1, sign1Input } from '../cose.ts';
import { CORIM_LIMITS, corimFault, fieldsOf, listOf, readItem, textOf } from './fields.ts';
import { readValidity, type Validity } from './validity.ts';

export interface SignedCorim {
  /** The signer's own word (`signer-name`, or the issuer of the CWT claims). */
  readonly signer: string;
  /** COSE algorithm. */
  readonly algorithm: number;
  readonly validity?: Validity;
  /** DER of the certificates in x5chain, the signer's first; empty where there are none. Nothing vouches for them. */
  readonly chain: readonly Uint8Array[];
  /** The unsigned CoRIM. */
  readonly payload: Uint8Array;
  /** What the signature is over, and the signature. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

const CRITICAL = 2;
const CONTENT_TYPE = 3;
const META = 8;
const CLAIMS = 15;
const X5CHAIN = 33;
const HASH_ENVELOPE = [258, 259, 260];
const MAX_CHAIN = 8;

/** Reads a file that begins with tag 18. @throws MALFORMED, TOO_LARGE */
export function parseSignedCorim(bytes: Uint8Array): SignedCorim {
  const message = parseSign1(bytes, 'tagged', CORIM_LIMITS);
  const header = message.protectedHeader;
  if (header.has(CRITICAL)) throw corimFault('the header names critical parameters, of which none is known');
  if (HASH_ENVELOPE.some((label) => header.has(label))) {
    throw corimFault('it is a hash envelope, which holds a digest and not the manifest');
  }
  if (header.get(CONTENT_TYPE) !== 'application/rim+cbor') {
    throw corimFault('the content type in the protected header is not application/rim+cbor');
  }
  const algorithm = header.get(COSE_ALG);
  if (typeof algorithm !== 'number') throw corimFault('the protected header names no algorithm');
  return {
    ...readSigner(header),
    algorithm,
    chain: readChain(message),
    payload: message.payload,
    signed: sign1Input(message),
    signature: message.signature,
  };
}

/** Whether these bytes begin like one. */
export const isSigned = (bytes: Uint8Array): boolean => bytes[0] === 0xd2;

function readSigner(header: ReadonlyMap<Cbor, Cbor>): Pick<SignedCorim, 'signer' | 'validity'> {
  const meta = header.get(META);
  const claims = header.get(CLAIMS);
  if (meta === undefined && claims === undefined) throw corimFault('the protected header names no signer');
  const a = meta === undefined ? undefined : readMeta(meta);
  const b = claims === undefined ? undefined : readClaims(claims);
  if (a !== undefined && b !== undefined) {
    const same =
      a.signer === b.signer &&
      a.validity?.notBefore === b.validity?.notBefore &&
      a.validity?.notAfter === b.validity?.notAfter;
    if (!same) throw corimFault('corim-meta and CWT-Claims do not say the same');
  }
  return (a ?? b) as Pick<SignedCorim, 'signer' | 'validity'>;
}

function readMeta(bytes: Cbor): Pick<SignedCorim, 'signer' | 'validity'> {
  if (!(bytes instanceof Uint8Array)) throw corimFault('corim-meta is no byte string');
  const fields = fieldsOf(readItem(bytes), 'corim-meta');
  const signer = textOf(
    fieldsOf(fields.need(0, 'signer'), 'the signer').need(0, 'name'),
    "the signer's name",
  );
  const validity = fields.take(1);
  return validity === undefined
    ? { signer }
    : { signer, validity: readValidity(validity, 'the validity of the signature') };
}

function readClaims(value: Cbor): Pick<SignedCorim, 'signer' | 'validity'> {
  const fields = fieldsOf(value, 'CWT-Claims');
  const signer = textOf(fields.need(1, 'issuer'), 'the issuer');
  const [notAfter, notBefore] = [fields.take(4), fields.take(5)].map((t) => {
    if (t === undefined) return undefined;
    if (typeof t !== 'number' || !Number.isInteger(t) || Math.abs(t) > 8.64e12) {
      throw corimFault('a time of CWT-Claims is none in whole seconds');
    }
    return t * 1000;
  });
  if (notAfter === undefined && notBefore === undefined) return { signer };
  const validity = {
    ...(notBefore === undefined ? {} : { notBefore }),
    ...(notAfter === undefined ? {} : { notAfter }),
  };
  return { signer, validity };
}

/** One certificate or a list of them (RFC 9360 §2), in either header: it is a hint, the path is what counts. */
function readChain({ protectedHeader, unprotectedHeader }: CoseSign1): Uint8Array[] {
  const value = protectedHeader.get(X5CHAIN) ?? unprotectedHeader.get(X5CHAIN);
  if (value === undefined) return [];
  const list = value instanceof Uint8Array ? [value] : listOf(value, 'x5chain');
  if (list.length > MAX_CHAIN) throw new AttestdError('TOO_LARGE', `CoRIM: over ${MAX_CHAIN} certificates`);
  return list.map((c) => {
    if (!(c instanceof Uint8Array)) throw corimFault('a certificate of x5chain is no byte string');
    return c.slice();
  });
}
