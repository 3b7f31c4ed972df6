/**
 * A state approval: the operator's word that the record keys of a fleet may be used while these registers have these
 * values. A TPM enforces it: the signature is over what TPM2_PolicyAuthorize asks for (TPM 2.0 Library part 3 §23.16), the
 * policy digest of the values and a reference that holds purpose and fleet.
 */
import { Type } from 'typebox';
import { concat, equal, fromBase64, toBase64, utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { keyKind } from './appraisal.ts';
import { parseFile, printFile } from './jsonfile.ts';
import { base64, closed, Hex32 } from './schema/field.ts';
import { ALG_ECDSA, ALG_SHA256 } from './tpm/algorithm.ts';
import { makeAttributes } from './tpm/attributes.ts';
import type { PcrSelection } from './tpm/pcr.ts';
import { policyApproved, policyPcr } from './tpm/policy.ts';
import { CURVE_P256, printPublic, publicName } from './tpm/public.ts';
import { ecdsaRaw, verifyEcdsa } from './x509/signature.ts';

/** Largest file, in bytes. */
export const MAX_STATE_APPROVAL = 8192;
const TAG = 'attestd.dev/record-policy/v1\n';
const POINT = 64;

const Schema = closed({
  schema: Type.Literal('attestd.dev/state-approval/v1'),
  fleet: Type.String({ pattern: '^[a-z0-9.-]{1,63}$' }),
  /** SubjectPublicKeyInfo of the operator, P-256. */
  key: base64(124),
  /** SHA-256 bank, by index. */
  pcrs: Type.Record(Type.String({ pattern: '^(?:[0-9]|1[0-9]|2[0-3])$' }), Hex32, {
    additionalProperties: false,
    minProperties: 1,
  }),
  /** DER ECDSA-Sig-Value. */
  signature: base64(100),
});

export interface StateApproval {
  readonly fleet: string;
  readonly key: Uint8Array;
  /** Lower-case hex by index. */
  readonly pcrs: Readonly<Record<string, string>>;
  /** r ‖ s over `approvalMessage`. */
  readonly signature: Uint8Array;
}

/** TPMT_PUBLIC under which a TPM takes the operator's key; its Name is in every policy. @throws MALFORMED */
export function operatorPublic(spki: Uint8Array): Uint8Array {
  if (keyKind(spki) !== 'p256') throw new AttestdError('MALFORMED', 'the key of the operator is not P-256');
  const point = spki.subarray(spki.length - POINT);
  return printPublic({
    type: 'ecc',
    nameAlg: ALG_SHA256,
    attributes: makeAttributes('userWithAuth', 'sign'),
    authPolicy: new Uint8Array(),
    symmetric: null,
    scheme: { alg: ALG_ECDSA, hash: ALG_SHA256 },
    curve: CURVE_P256,
    kdf: null,
    x: point.slice(0, POINT / 2),
    y: point.slice(POINT / 2),
  });
}

/** The policyRef of approvals for a fleet. */
export const approvalRef = (fleet: string): Uint8Array => sha256(utf8(TAG + fleet));

/** The authPolicy of record keys that this operator approves states for. @throws MALFORMED */
export const recordPolicy = (spki: Uint8Array, fleet: string): Uint8Array =>
  policyApproved(publicName(operatorPublic(spki)), approvalRef(fleet));

/** The registers of an approval, as a TPM selects them. */
export const approvedSelection = ({ pcrs }: Pick<StateApproval, 'pcrs'>): PcrSelection => ({
  hash: ALG_SHA256,
  pcrs: Object.keys(pcrs)
    .map(Number)
    .sort((a, b) => a - b),
});

/** The policy digest that is approved. */
export const approvedPolicy = (a: Pick<StateApproval, 'pcrs'>): Uint8Array =>
  policyPcr(approvedSelection(a), { sha256: a.pcrs });

/** What the operator signs with ECDSA and SHA-256. */
export const approvalMessage = (a: Pick<StateApproval, 'pcrs' | 'fleet'>): Uint8Array =>
  concat(approvedPolicy(a), approvalRef(a.fleet));

/** Reads an approval; whether it is signed is another question. @throws TOO_LARGE, MALFORMED naming the field */
export function parseStateApproval(bytes: Uint8Array): StateApproval {
  const { fleet, key, pcrs, signature } = parseFile('state approval', Schema, bytes, MAX_STATE_APPROVAL);
  const spki = fromBase64(key);
  operatorPublic(spki);
  return { fleet, key: spki, pcrs, signature: rawSignature(fromBase64(signature)) };
}

function rawSignature(der: Uint8Array): Uint8Array {
  let raw: Uint8Array | undefined;
  try {
    raw = ecdsaRaw(der, POINT / 2);
  } catch {
    raw = undefined;
  }
  if (raw !== undefined) return raw;
  throw new AttestdError('MALFORMED', 'state approval, /signature: no ECDSA signature', {
    field: '/signature',
  });
}

/**
 * Writes an approval.
 * @param sign DER ECDSA with SHA-256 over the message
 * @throws MALFORMED
 */
export function printStateApproval(
  { fleet, key, pcrs }: Omit<StateApproval, 'signature'>,
  sign: (message: Uint8Array) => Uint8Array,
): Uint8Array {
  const made = { schema: 'attestd.dev/state-approval/v1' as const, fleet, key: toBase64(key), pcrs };
  return printFile('state approval', Schema, {
    ...made,
    signature: toBase64(sign(approvalMessage({ fleet, pcrs }))),
  });
}

/** Whether the key in it signed it. Never throws. */
export const isSignedApproval = (a: StateApproval): Promise<boolean> =>
  verifyEcdsa(a.key, 'P-256', 'SHA-256', approvalMessage(a), a.signature);

/** Whether it approves for a key of this authPolicy. */
export const approvesFor = (a: StateApproval, authPolicy: Uint8Array): boolean =>
  equal(recordPolicy(a.key, a.fleet), authPolicy);
