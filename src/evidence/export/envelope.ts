/**
 * A record as a DSSE envelope (DSSE v1.0.2 envelope.md): the payload is the statement as it stands in the log, and the
 * signature, by the record key, is over exactly the bytes of the entry, because an entry is the PAE of its statement.
 */
import { type Static, Type } from 'typebox';
import { concat, fromBase64, toBase64, u32, utf8 } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import { PAYLOAD_TYPE } from '../../core/namespace.ts';
import { MAX_ENTRY, makeEntry, parseEntry } from '../dsse.ts';
import { parseFile, printFile } from '../jsonfile.ts';
import { base64, closed } from '../schema/field.ts';

/** Media type of an envelope on its own. */
export const ENVELOPE_MEDIA_TYPE = 'application/vnd.dsse.envelope.v1+json';
/** Most bytes of an envelope: base64 of the largest entry, and the signature. */
export const MAX_ENVELOPE = 131_072;

/** An OpenSSH fingerprint. */
export const KeyId = Type.String({ pattern: '^SHA256:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]$' });

/** One payload, one signature: a Sigstore bundle holds no more. */
export const EnvelopeSchema = closed({
  payloadType: Type.Literal(PAYLOAD_TYPE),
  payload: base64(MAX_ENTRY),
  signatures: Type.Array(closed({ keyid: KeyId, sig: base64(80) }), { minItems: 1, maxItems: 1 }),
});
export type Envelope = Static<typeof EnvelopeSchema>;

/** What an envelope says, in bytes. */
export interface SignedEntry {
  /** The entry: what the signature is over. */
  readonly entry: Uint8Array;
  /** ECDSA-Sig-Value, DER. */
  readonly signature: Uint8Array;
  /** Name of the signer's key, see `exportKeyId`: a hint which key to try. */
  readonly keyId: string;
}

const CURVE = 'nistp256';
const sshText = (b: Uint8Array): Uint8Array => concat(u32(b.length), b);

/**
 * The name of a key in our exports: its OpenSSH fingerprint, `SHA256:` and base64 without padding, as `ssh-keygen -l`
 * prints it and as the reference implementation of DSSE names keys; that one tries no key of another name.
 * @param spki DER SubjectPublicKeyInfo of a P-256 key, which ends with its 65-byte point
 */
export function exportKeyId(spki: Uint8Array): string {
  const blob = concat(sshText(utf8(`ecdsa-sha2-${CURVE}`)), sshText(utf8(CURVE)), sshText(spki.slice(-65)));
  return `SHA256:${toBase64(sha256(blob)).replace('=', '')}`;
}

/** The envelope of an entry. @throws MALFORMED when the entry is none */
export function envelopeOf({ entry, signature, keyId }: SignedEntry): Envelope {
  const { payload } = parseEntry(entry);
  return {
    payloadType: PAYLOAD_TYPE,
    payload: toBase64(payload),
    signatures: [{ keyid: keyId, sig: toBase64(signature) }],
  };
}

/** Reads what an envelope holds; the payload must be a statement as our log holds it. @throws MALFORMED, TOO_LARGE */
export function openEnvelope(envelope: Envelope): SignedEntry {
  const entry = makeEntry(fromBase64(envelope.payload));
  parseEntry(entry);
  const [{ keyid, sig }] = envelope.signatures as [Envelope['signatures'][number]];
  return { entry, signature: fromBase64(sig), keyId: keyid };
}

/** The bytes of an envelope, RFC 8785. @throws MALFORMED */
export const printEnvelope = (signed: SignedEntry): Uint8Array =>
  printFile('envelope', EnvelopeSchema, envelopeOf(signed));

/** Reads an envelope file. @throws MALFORMED, TOO_LARGE */
export const parseEnvelope = (bytes: Uint8Array): SignedEntry =>
  openEnvelope(parseFile('envelope', EnvelopeSchema, bytes, MAX_ENVELOPE));
