/**
 * Appraisal policies and the envelope that their owner signs (DSSE v1.0.2 over the RFC 8785 bytes of the policy, by an
 * Ed25519 or P-256 key). Reading decides nothing about trust: whose key counts is said in the trust file.
 */
import { equal, fromBase64, toBase64, toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { pae } from './dsse.ts';
import { verifyEd25519 } from './ed25519.ts';
import { IMA_PCR } from './eventlog/ima/replay.ts';
import { imaKey } from './eventlog/ima/signature.ts';
import { parseFile, printFile } from './jsonfile.ts';
import {
  type AppraisalPolicy,
  AppraisalSchema,
  type Envelope,
  EnvelopeSchema,
  type ImaPolicy,
  MAX_APPRAISAL,
} from './schema/appraisal.ts';
import { ecdsaRaw, verifyEcdsa } from './x509/signature.ts';

const PAYLOAD_TYPE = 'application/vnd.attestd.appraisal+json';
const MAX_ENVELOPE = 2 * MAX_APPRAISAL;
/** SubjectPublicKeyInfo up to the key itself (RFC 8410; RFC 5480, uncompressed P-256). */
const ED25519 = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00);
const P256 = Uint8Array.of(
  ...[0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a],
  ...[0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04],
);

/** Reads a policy; what is accepted prints back to the same bytes. @throws TOO_LARGE, MALFORMED naming the field */
export function parsePolicy(bytes: Uint8Array): AppraisalPolicy {
  const policy = parseFile('appraisal policy', AppraisalSchema, bytes, MAX_APPRAISAL);
  const both = policy.ignore.pcrs.find((pcr) => policy.pcrs[String(pcr)] !== undefined);
  if (both !== undefined) throw fault('/ignore/pcrs', `PCR ${both} has values too`);
  if (policy.ima !== undefined) checkIma(policy, policy.ima);
  return policy;
}

function checkIma({ ignore, pcrs }: AppraisalPolicy, { files, keys }: ImaPolicy): void {
  if (ignore.pcrs.includes(IMA_PCR) || pcrs[String(IMA_PCR)] !== undefined) {
    throw fault('/ima', `PCR ${IMA_PCR} is judged elsewhere too`);
  }
  const unsorted = files.findIndex(({ path }, i) => i > 0 && path <= (files[i - 1]?.path ?? ''));
  if (unsorted >= 0) throw fault(`/ima/files/${unsorted}`, 'the paths do not rise');
  keys.forEach((key, i) => {
    if (imaKey(fromBase64(key)) === undefined) {
      throw fault(`/ima/keys/${i}`, 'neither RSA of 2048 to 8192 bits nor ECDSA on P-256 or P-384');
    }
  });
}

const fault = (field: string, why: string): AttestdError =>
  new AttestdError('MALFORMED', `appraisal policy, ${field}: ${why}`, { field });

/** The bytes of a policy. @throws MALFORMED when it does not fit its schema */
export function printPolicy(policy: AppraisalPolicy): Uint8Array {
  return printFile('appraisal policy', AppraisalSchema, policy);
}

/** Reads an envelope. @throws TOO_LARGE, MALFORMED naming the field */
export function parseEnvelope(bytes: Uint8Array): Envelope {
  return parseFile('envelope', EnvelopeSchema, bytes, MAX_ENVELOPE);
}

/** The policy in an envelope; nothing is verified. @throws MALFORMED */
export function policyOf(envelope: Envelope): AppraisalPolicy {
  return parsePolicy(fromBase64(envelope.payload));
}

/**
 * Puts a policy into an envelope.
 * @param policy its canonical bytes
 * @param key SubjectPublicKeyInfo of the owner
 * @param sign over the pre-authentication encoding: 64 bytes of Ed25519, or DER of ECDSA P-256 with SHA-256
 * @throws MALFORMED for a policy that is none
 */
export function sealPolicy(
  policy: Uint8Array,
  key: Uint8Array,
  sign: (message: Uint8Array) => Uint8Array,
): Uint8Array {
  parsePolicy(policy);
  keyKind(key);
  const sig = toBase64(sign(pae(PAYLOAD_TYPE, policy)));
  return printFile('envelope', EnvelopeSchema, {
    payload: toBase64(policy),
    payloadType: PAYLOAD_TYPE,
    signatures: [{ keyid: toHex(sha256(key)), sig }],
  });
}

/** What kind of key this is. @throws MALFORMED for any other */
export function keyKind(spki: Uint8Array): 'ed25519' | 'p256' {
  if (spki.length === 44 && equal(spki.subarray(0, ED25519.length), ED25519)) return 'ed25519';
  if (spki.length === 91 && equal(spki.subarray(0, P256.length), P256)) return 'p256';
  throw new AttestdError('MALFORMED', 'the key is neither Ed25519 nor ECDSA P-256');
}

/** Whether one of the signatures is by this key. Never throws. */
export async function envelopeSigned(envelope: Envelope, spki: Uint8Array): Promise<boolean> {
  try {
    const kind = keyKind(spki);
    const message = pae(PAYLOAD_TYPE, fromBase64(envelope.payload));
    for (const { sig } of envelope.signatures) {
      const bytes = fromBase64(sig);
      if (
        kind === 'ed25519'
          ? await verifyEd25519(spki.subarray(ED25519.length), bytes, message)
          : await p256(spki, bytes, message)
      )
        return true;
    }
    return false;
  } catch {
    return false;
  }
}

async function p256(spki: Uint8Array, der: Uint8Array, message: Uint8Array): Promise<boolean> {
  const raw = ecdsaRaw(der, 32);
  return raw !== undefined && verifyEcdsa(spki, 'P-256', 'SHA-256', message, raw);
}
