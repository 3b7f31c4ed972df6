/** CERs as NexArt's package seals them, and a node that signs them as the production node does. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createSnapshot, sealCer } from '@nexart/ai-execution';
import { type Json, type JsonObject, jcs, jcsBytes } from '../../src/core/json.ts';
import type { NodeKey } from '../../src/evidence/import/node.ts';

export type Change = (o: JsonObject) => JsonObject;

/** A sealed CER by the package itself. */
export function sealed(change: Partial<Parameters<typeof createSnapshot>[0]> = {}): JsonObject {
  const snapshot = createSnapshot({
    executionId: 'exec-001',
    timestamp: '2026-09-17T10:00:00.000Z',
    provider: 'openai',
    model: 'gpt-4o',
    prompt: 'You are a helpful assistant.',
    input: 'What is 2+2?',
    parameters: { temperature: 0.7, maxTokens: 1024, topP: null, seed: null },
    output: { answer: '4', steps: [1, 2] },
    ...change,
  });
  return sealCer(snapshot, { createdAt: '2026-09-17T10:00:01.000Z' }) as unknown as JsonObject;
}

/** The package seals whatever is in a snapshot: what a forger has at hand. */
export function resealed(cer: JsonObject, change: Change, createdAt = cer.createdAt as string): JsonObject {
  const snapshot = change(structuredClone(cer.snapshot) as JsonObject);
  const { meta } = cer;
  const again = sealCer(snapshot as never, { createdAt }) as unknown as JsonObject;
  return meta === undefined ? again : { ...again, meta };
}

export interface Node {
  readonly key: NodeKey;
  readonly privateKey: KeyObject;
}

export function makeNode(nodeId = 'nexart-node-1', kid = 'k1'): Node {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return { key: { nodeId, kid, x: publicKey.export({ format: 'jwk' }).x as string }, privateKey };
}

const signed = (node: Node, value: Json): string =>
  sign(null, jcsBytes(value), node.privateKey).toString('base64url');

export interface Wishes {
  readonly receipt?: Change;
  readonly envelope?: Change;
  /** What the signature of the envelope covers. */
  readonly message?: Change;
}

/** What the node answers for a CER: nine texts signed, and five of them with everything that the hash covers. */
export function attest(node: Node, cer: JsonObject, wishes: Wishes = {}): JsonObject {
  const same: Change = (o) => o;
  const receipt = (wishes.receipt ?? same)({
    attestationId: '3e0c5d2e-1b7a-4d8e-9a77-6c3c5f0f1a2b',
    attestedAt: '2026-09-17T10:46:21.000Z',
    attestorKeyId: node.key.kid,
    certificateHash: cer.certificateHash as Json,
    nodeId: node.key.nodeId,
    nodeRuntimeHash: `sha256:${'ab'.repeat(32)}`,
    protocolVersion: (cer.snapshot as JsonObject).protocolVersion as Json,
    receiptVersion: 'attestation.receipt.v1',
    timestampType: 'node-issued',
  });
  const members = { ...receipt, kid: receipt.attestorKeyId as Json };
  const attestation = Object.fromEntries(
    ['attestationId', 'attestedAt', 'kid', 'nodeRuntimeHash', 'protocolVersion'].map((n) => [
      n,
      (members as JsonObject)[n] ?? 'none',
    ]),
  );
  const covered = [
    'bundleType',
    'createdAt',
    'snapshot',
    'version',
    'context',
    'contextSummary',
    'policyEvaluation',
  ];
  const bundle = Object.fromEntries(
    covered.flatMap((n) => (cer[n] === undefined ? [] : [[n, cer[n]]])),
  ) as JsonObject;
  const message = (wishes.message ?? same)({ attestation, bundle });
  return {
    receipt,
    signature: signed(node, receipt),
    verificationEnvelope: (wishes.envelope ?? same)({ attestation }),
    verificationEnvelopeSignature: signed(node, message),
  };
}

/** The package form. */
export const packed = (node: Node, cer: JsonObject, wishes: Wishes = {}): JsonObject => ({
  cer,
  ...attest(node, cer, wishes),
});

/** The same under `meta`, where the node's own files have it. */
export function certified(node: Node, cer: JsonObject, wishes: Wishes = {}): JsonObject {
  const { receipt, signature, verificationEnvelope, verificationEnvelopeSignature } = attest(
    node,
    cer,
    wishes,
  );
  const { attestorKeyId, attestedAt, protocolVersion } = receipt as JsonObject;
  return {
    ...cer,
    meta: {
      attestation: {
        receipt,
        signatureB64Url: signature,
        attestorKeyId,
        attestedAt,
        protocolVersion,
      } as JsonObject,
      verificationEnvelope: verificationEnvelope as Json,
      verificationEnvelopeSignature: verificationEnvelopeSignature as Json,
    },
  };
}

export const textOf = (value: Json): string => jcs(value);
