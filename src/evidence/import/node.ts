/**
 * What a NexArt node signed of a CER: the receipt, Ed25519 over its RFC 8785 form, and the verification envelope over
 * five fields of it and everything that certificateHash covers. The forms are those of production receipts, which differ
 * from the published rules. Keys come from the user and from nowhere else; a key ID that is not among them is refused,
 * and so is one signature without the other's halves.
 */
import { Check } from 'typebox/value';
import { equal, fromBase64Url, utf8 } from '../../core/bytes.ts';
import { type Json, type JsonObject, jcs } from '../../core/json.ts';
import { verifyEd25519 } from '../ed25519.ts';
import { text } from '../schema/field.ts';
import { type Cer, instant, objectOf, type Refused, refused } from './cer.ts';

/** The key of a node that the user pins. */
export interface NodeKey {
  readonly nodeId: string;
  readonly kid: string;
  /** 32 bytes in base64url, as JWKs have it. */
  readonly x: string;
}

/** What a node asserts, once it is verified. */
export interface Asserted extends NodeKey {
  readonly attestationId: string;
  readonly attestedAt: string;
  /** Whether the envelope is there too, which covers the content and not only its hash. */
  readonly envelope: boolean;
}

/** The parts that a node adds, wherever they stand. */
export interface NodeParts {
  readonly receipt?: Json;
  readonly signature?: Json;
  readonly envelope?: Json;
  readonly envelopeSignature?: Json;
  /** Unsigned copies of what the receipt says. */
  readonly copies?: JsonObject;
}

const RECEIPT = [
  'attestationId',
  'attestedAt',
  'attestorKeyId',
  'certificateHash',
  'nodeId',
  'nodeRuntimeHash',
  'protocolVersion',
  'receiptVersion',
  'timestampType',
] as const;
type Receipt = Readonly<Record<(typeof RECEIPT)[number], string>>;
const SIGNED_ATTESTATION = [
  'attestationId',
  'attestedAt',
  'kid',
  'nodeRuntimeHash',
  'protocolVersion',
] as const;
const ENVELOPE = [
  'attestation',
  'bundle',
  'envelopeType',
  'kid',
  'algorithm',
  'canonicalization',
  'signedFields',
];

/** Verifies them; undefined where there is none. Never throws. */
export async function judgeNode(
  cer: Cer,
  parts: NodeParts,
  keys: readonly NodeKey[],
): Promise<Asserted | Refused | undefined> {
  const { receipt: given, signature, envelope, envelopeSignature, copies } = parts;
  const all = [given, signature, envelope, envelopeSignature];
  if (all.every((p) => p === undefined)) {
    return copies === undefined
      ? undefined
      : refused('receipt-missing', 'it says that a node attested it, and has no receipt');
  }
  if (given === undefined) return refused('receipt-missing', 'there is no receipt');
  if (signature === undefined) return refused('receipt-unsigned', 'the receipt has no signature');
  if ((envelope === undefined) !== (envelopeSignature === undefined)) {
    return refused('envelope-half', 'of the envelope and its signature one is missing');
  }
  const receipt = readReceipt(given, cer);
  if ('fault' in receipt) return receipt;
  const key = keys.find((k) => k.kid === receipt.attestorKeyId && k.nodeId === receipt.nodeId);
  if (key === undefined) {
    const { nodeId, attestorKeyId } = receipt;
    return refused('unknown-key', `no key ${attestorKeyId} of the node ${nodeId} was given`);
  }
  const contradiction = Object.entries(copies ?? {}).find(([n, v]) => contradicts(receipt, n, v));
  if (contradiction !== undefined) {
    return refused('copy-contradicts', `${contradiction[0]} beside the receipt is another than in it`);
  }
  if (!(await signedBy(key, signature, receipt))) {
    return refused('receipt-signature', 'the signature of the receipt does not verify');
  }
  if (envelope !== undefined) {
    const fault = envelopeFault(envelope, receipt, cer);
    if (fault !== undefined) return fault;
    const message = { attestation: attestationOf(receipt), bundle: cer.projection };
    if (!(await signedBy(key, envelopeSignature, message))) {
      return refused('envelope-signature', 'the signature of the envelope does not verify');
    }
  }
  const { attestationId, attestedAt } = receipt;
  return { ...key, attestationId, attestedAt, envelope: envelope !== undefined };
}

function readReceipt(value: Json, cer: Cer): Receipt | Refused {
  const o = objectOf(value);
  const names = Object.keys(o ?? {}).sort();
  const whole = names.length === RECEIPT.length && RECEIPT.every((n, i) => n === names[i]);
  const filled = Object.values(o ?? {}).every((v) => Check(text(256), v));
  if (o === undefined || !whole || !filled) {
    return refused('receipt-form', `the receipt has not exactly the texts ${RECEIPT.join(', ')}`);
  }
  const r = o as Receipt;
  if (r.receiptVersion !== 'attestation.receipt.v1' || r.timestampType !== 'node-issued') {
    return refused('receipt-version', 'the receipt is no attestation.receipt.v1 with a time of the node');
  }
  if (r.certificateHash !== cer.certificateHash) {
    return refused('receipt-hash', 'the receipt is for another certificateHash: this CER was sealed again');
  }
  if (r.protocolVersion !== cer.protocolVersion) {
    return refused('receipt-protocol', 'the receipt is for another protocol than the snapshot');
  }
  const at = instant(r.attestedAt);
  if (at === undefined) return refused('attested-at', 'attestedAt is no time');
  if (at < (instant(cer.createdAt) as number)) {
    return refused('attested-before', 'the receipt is older than what it attests');
  }
  return r;
}

/** Names under which the receipt's members are repeated beside it. */
const COPIES: Readonly<Record<string, keyof Receipt>> = {
  ...Object.fromEntries(RECEIPT.map((n) => [n, n])),
  kid: 'attestorKeyId',
  hash: 'certificateHash',
};

function contradicts(receipt: Receipt, name: string, value: Json): boolean {
  const member = Object.hasOwn(COPIES, name) ? COPIES[name] : undefined;
  return member !== undefined && value !== null && value !== receipt[member];
}

const attestationOf = (r: Receipt): JsonObject => ({
  attestationId: r.attestationId,
  attestedAt: r.attestedAt,
  kid: r.attestorKeyId,
  nodeRuntimeHash: r.nodeRuntimeHash,
  protocolVersion: r.protocolVersion,
});

const same = (a: Json | undefined, b: Json): boolean => a !== undefined && jcs(a) === jcs(b);
const sameNames = (v: Json | undefined, names: readonly string[]): boolean =>
  Array.isArray(v) && v.every((n) => typeof n === 'string') && same([...v].sort(), [...names].sort());

/** What the envelope says beside its signature must be what is signed, or else a reader believes the wrong one. */
function envelopeFault(value: Json, receipt: Receipt, cer: Cer): Refused | undefined {
  const o = objectOf(value);
  if (o === undefined || Object.keys(o).some((n) => !ENVELOPE.includes(n))) {
    return refused('envelope-form', 'the envelope is no object of the members that are known');
  }
  if (!same(o.attestation, attestationOf(receipt))) {
    return refused('envelope-contradicts', 'the envelope attests something else than the receipt');
  }
  if (o.bundle !== undefined && !same(o.bundle, cer.projection)) {
    return refused('envelope-bundle', 'the envelope holds another bundle than the CER');
  }
  const odd =
    (o.kid !== undefined && o.kid !== receipt.attestorKeyId) ||
    (o.algorithm !== undefined && o.algorithm !== 'Ed25519') ||
    (o.canonicalization !== undefined && o.canonicalization !== 'jcs');
  if (odd)
    return refused('envelope-algorithm', 'the envelope names another key, algorithm or canonical form');
  const fields = objectOf(o.signedFields);
  const scoped =
    o.signedFields === undefined ||
    (sameNames(fields?.bundle, Object.keys(cer.projection)) &&
      sameNames(fields?.attestation, SIGNED_ATTESTATION));
  return scoped
    ? undefined
    : refused('envelope-scope', 'the envelope does not sign all that the hash covers');
}

async function signedBy(key: NodeKey, signature: Json | undefined, message: JsonObject): Promise<boolean> {
  if (typeof signature !== 'string') return false;
  try {
    return await verifyEd25519(fromBase64Url(key.x), fromBase64Url(signature), utf8(jcs(message)));
  } catch {
    return false;
  }
}

/** Whether two keys are the same bytes under the same names. */
export function sameNodeKey(a: NodeKey, b: NodeKey): boolean {
  try {
    return a.nodeId === b.nodeId && a.kid === b.kid && equal(fromBase64Url(a.x), fromBase64Url(b.x));
  } catch {
    return false;
  }
}
