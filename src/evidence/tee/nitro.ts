/**
 * Attestation documents of AWS Nitro Enclaves (aws-nitro-enclaves-nsm-api, docs/attestation_process.md §2–3): an untagged
 * COSE_Sign1 with ES384 over a CBOR map. Every field has the bounds that AWS states; unknown ones are refused.
 */
import { AttestdError } from '../../core/errors.ts';
import { type Cbor, decodeCbor } from '../cbor.ts';
import { COSE_ALG, COSE_ES384, parseSign1, sign1Input } from '../cose.ts';
import { type Certificate, parseCertificate } from '../x509/certificate.ts';

/** Largest document that is read, in bytes. */
export const MAX_NITRO_DOCUMENT = 16_384;
const LIMITS = { bytes: MAX_NITRO_DOCUMENT, depth: 4, items: 256 };
const MAX_BUNDLE = 8;
const FIELDS: readonly string[] = [
  'module_id',
  'digest',
  'timestamp',
  'pcrs',
  'certificate',
  'cabundle',
  'public_key',
  'user_data',
  'nonce',
];

export interface NitroDocument {
  /** Instance and enclave. */
  readonly moduleId: string;
  /** Milliseconds since 1970, by the hypervisor's clock. */
  readonly timeMs: number;
  /** SHA-384 registers by index, 48 bytes each. */
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
  readonly certificate: Certificate;
  /** Root first, as AWS orders them. */
  readonly bundle: readonly Certificate[];
  readonly publicKey?: Uint8Array;
  readonly userData?: Uint8Array;
  readonly nonce?: Uint8Array;
  /** What the signature is over, and r ‖ s, 96 bytes. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

const malformed = (why: string) => new AttestdError('MALFORMED', `Nitro document: ${why}`);

/** Reads one document that fills `bytes`. @throws MALFORMED, TOO_LARGE */
export function parseNitroDocument(bytes: Uint8Array): NitroDocument {
  const message = parseSign1(bytes, 'untagged', LIMITS);
  const header = message.protectedHeader;
  if (header.size !== 1 || header.get(COSE_ALG) !== COSE_ES384) throw malformed('the algorithm is not ES384');
  if (message.unprotectedHeader.size !== 0) throw malformed('the unprotected header is not empty');
  if (message.signature.length !== 96) throw malformed('the signature is not 96 bytes');
  const map = decodeCbor(message.payload, LIMITS);
  if (!(map instanceof Map)) throw malformed('the payload is no map');
  for (const key of map.keys()) {
    if (typeof key !== 'string' || !FIELDS.includes(key))
      throw malformed(`the field ${String(key)} is not known`);
  }
  if (map.get('digest') !== 'SHA384') throw malformed('the digest is not SHA384');
  const optional = (name: string, max: number): Uint8Array | undefined => {
    const value = map.get(name);
    return value === undefined || value === null ? undefined : octets(value, name, 0, max);
  };
  const publicKey = optional('public_key', 1024);
  const userData = optional('user_data', 512);
  const nonce = optional('nonce', 512);
  return {
    moduleId: text(map.get('module_id')),
    timeMs: time(map.get('timestamp')),
    pcrs: registers(map.get('pcrs')),
    certificate: parseCertificate(octets(map.get('certificate'), 'certificate', 1, 1024)),
    bundle: certificates(map.get('cabundle')),
    ...(publicKey === undefined ? {} : { publicKey }),
    ...(userData === undefined ? {} : { userData }),
    ...(nonce === undefined ? {} : { nonce }),
    signed: sign1Input(message),
    signature: message.signature,
  };
}

function octets(value: Cbor | undefined, name: string, min: number, max: number): Uint8Array {
  if (!(value instanceof Uint8Array)) throw malformed(`${name} is no byte string`);
  if (value.length < min || value.length > max) throw malformed(`${name} has ${value.length} bytes`);
  return value.slice();
}

function text(value: Cbor | undefined): string {
  if (typeof value !== 'string' || value === '' || value.length > 256)
    throw malformed('module_id is no name');
  return value;
}

function time(value: Cbor | undefined): number {
  if (typeof value !== 'number' || value <= 0 || value > 8.64e15) throw malformed('timestamp is no time');
  return value;
}

function registers(value: Cbor | undefined): Map<number, Uint8Array> {
  if (!(value instanceof Map) || value.size < 1 || value.size > 32)
    throw malformed('pcrs is no map of registers');
  const out = new Map<number, Uint8Array>();
  for (const [index, register] of value) {
    if (typeof index !== 'number' || index < 0 || index > 31) throw malformed('a register has no index');
    out.set(index, octets(register, `PCR ${index}`, 48, 48));
  }
  return out;
}

function certificates(value: Cbor | undefined): Certificate[] {
  if (!Array.isArray(value) || value.length < 1 || value.length > MAX_BUNDLE) {
    throw malformed('cabundle is no list of certificates');
  }
  return (value as readonly Cbor[]).map((c) =>
    parseCertificate(octets(c, 'a certificate of cabundle', 1, 1024)),
  );
}
