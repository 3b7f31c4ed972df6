/**
 * Whose reference values these are (RFC 9334 §7.8, Reference Value Provider): a signed manifest counts under a key or
 * root that the owner of the policy names, an unsigned one only where he says that he has it from a trusted hand.
 */

import { toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { formatTime } from '../../core/time.ts';
import { type Corim, parseCorim } from '../../evidence/corim/manifest.ts';
import { isSigned, parseSignedCorim, type SignedCorim } from '../../evidence/corim/signed.ts';
import { holdsAt, type Validity } from '../../evidence/corim/validity.ts';
import { coseSigned, isKnownCose } from '../../evidence/cosesignature.ts';
import { type Certificate, parseCertificate } from '../../evidence/x509/certificate.ts';
import { buildPath } from '../../evidence/x509/path.ts';
import { verifySignature } from '../../evidence/x509/signature.ts';

export interface ProviderTrust {
  /** DER SubjectPublicKeyInfo. */
  readonly keys: readonly Uint8Array[];
  readonly roots: readonly Certificate[];
  /** A file that nobody signed is taken too. */
  readonly unsigned: boolean;
  /** Milliseconds since 1970 at which manifest, signature and certificates must be valid. */
  readonly at: number;
}

export interface Provided {
  readonly corim: Corim;
  /** Absent where nobody signed. `name` is the signer's own word, `key` is SHA-256 of the SubjectPublicKeyInfo. */
  readonly signer?: { readonly name: string; readonly key: string };
}

const refuse = (why: string): AttestdError => new AttestdError('REFERENCE_UNTRUSTED', why);

/** Reads a manifest whose origin is trusted. @throws REFERENCE_UNTRUSTED, MALFORMED, TOO_LARGE */
export async function readProvided(bytes: Uint8Array, trust: ProviderTrust): Promise<Provided> {
  const wantsSignature = trust.keys.length > 0 || trust.roots.length > 0;
  if (isSigned(bytes)) {
    const message = parseSignedCorim(bytes);
    if (!wantsSignature)
      throw refuse(`it is signed by "${message.signer}", and no key or root is given to hold it against`);
    const spki = await signerOf(message, trust);
    mustHold(message.validity, trust.at, 'the signature');
    const corim = parseCorim(message.payload);
    mustHold(corim.validity, trust.at, 'the manifest');
    return { corim, signer: { name: message.signer, key: toHex(sha256(spki)) } };
  }
  const corim = parseCorim(bytes);
  if (wantsSignature) throw refuse('nobody signed it, and a key or root is given');
  if (!trust.unsigned) throw refuse('nobody signed it');
  mustHold(corim.validity, trust.at, 'the manifest');
  return { corim };
}

function mustHold(validity: Validity | undefined, at: number, what: string): void {
  if (validity === undefined || holdsAt(validity, at)) return;
  const { notBefore, notAfter } = validity;
  const from = notBefore === undefined ? '' : ` from ${formatTime(notBefore)}`;
  const until = notAfter === undefined ? '' : ` until ${formatTime(notAfter)}`;
  throw refuse(`${what} is valid${from}${until}, and not at ${formatTime(at)}`);
}

/** The key that signed: one of those given, or that of a certificate under a root given. */
async function signerOf(message: SignedCorim, trust: ProviderTrust): Promise<Uint8Array> {
  const { algorithm, signed, signature } = message;
  if (!isKnownCose(algorithm))
    throw refuse(`the signature is by COSE algorithm ${algorithm}, which is not accepted`);
  for (const key of trust.keys) if (await coseSigned(algorithm, key, signed, signature)) return key;
  if (trust.roots.length === 0) throw refuse('its signature is by none of the keys given');
  const [leaf, ...others] = message.chain.map((der) => parseCertificate(der));
  if (leaf === undefined)
    throw refuse('its signature is by none of the keys given, and it has no certificates');
  const path = await buildPath({
    leaf,
    intermediates: others,
    roots: trust.roots,
    at: trust.at,
    verify: verifySignature,
  });
  if (!path.found) throw refuse(`its certificate leads to no root given: ${path.reasons[0] ?? 'no path'}`);
  if (leaf.keyUsage !== undefined && !leaf.keyUsage.includes('digitalSignature')) {
    throw refuse('its certificate is not for signing');
  }
  if (!(await coseSigned(algorithm, leaf.spki, signed, signature))) {
    throw refuse('its signature is not by the key of its certificate');
  }
  return leaf.spki;
}
