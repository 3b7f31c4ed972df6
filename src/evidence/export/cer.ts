/**
 * A record as a NexArt Certified Execution Record, `cer.ai.execution.v1` of protocol 1.2.0 (@nexart/ai-execution 0.1).
 * The link to our record stands in the snapshot, under certificateHash; inputs and outputs are commitments unless the
 * auditor is meant to read them. Such a bundle proves integrity alone: key, environment and order are in ours.
 */
import { fromBase64, toBase64Url, toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { type Json, type JsonObject, jcsBytes } from '../../core/json.ts';
import { disclosureDigest, parseDisclosure } from '../disclosure.ts';
import { recordDigest } from '../dsse.ts';
import type { Bundle } from '../schema/bundle.ts';
import { predicateType, readStatement } from '../statement.ts';

/** Scheme of a commitment: SHA-256 over the RFC 8785 form of the group's salted digests. */
export const CER_REDACTION = 'attestd-sd-v1';

const hashOf = (value: unknown): string => `sha256:${toHex(sha256(jcsBytes(value as Json)))}`;

type Group = { readonly _sd: readonly string[] } & Readonly<Record<string, unknown>>;

/** The parts of a bundle that a CER is made from. */
export interface CerSource {
  readonly record: Pick<Bundle['record'], 'entry'>;
  readonly disclosures: readonly string[];
}

/**
 * The CER of an execution record.
 * @param bundle the evidence of the record
 * @param plaintext puts the values that the bundle discloses in place of commitments
 * @returns UTF-8 JSON
 * @throws USAGE for a record that is no execution, MALFORMED
 */
export function printCer(bundle: CerSource, plaintext: boolean): Uint8Array {
  const entry = fromBase64(bundle.record.entry);
  const { kind, predicate } = readStatement(entry);
  if (kind !== 'execution') throw new AttestdError('USAGE', `a ${kind} record is not an execution`);
  const opened = plaintext ? openings(bundle.disclosures) : undefined;
  const input = content(predicate.inputs as Group | undefined, opened);
  const output = content(predicate.outputs as Group | undefined, opened);
  const snapshot = {
    type: 'ai.execution.v1',
    protocolVersion: '1.2.0',
    executionSurface: 'ai',
    executionId: predicate.id,
    timestamp: predicate.time,
    provider: 'attestd',
    model: predicate.action.name,
    modelVersion: null,
    prompt: `attestd:${predicate.action.type}`,
    input,
    inputHash: hashOf(input),
    parameters: { temperature: 0, maxTokens: 0, topP: null, seed: null },
    output,
    outputHash: hashOf(output),
    sdkVersion: null,
    appId: null,
    attestd: {
      predicateType: predicateType('execution'),
      recordDigest: toHex(recordDigest(entry)),
      log: predicate.log,
    },
  };
  const hashed = { bundleType: 'cer.ai.execution.v1', createdAt: predicate.time, snapshot, version: '0.1' };
  const cer = { ...hashed, certificateHash: hashOf(hashed), meta: { source: 'attestd' } };
  return jcsBytes(cer as unknown as Json);
}

/** Values by the digest of their disclosure. */
function openings(disclosures: readonly string[]): ReadonlyMap<string, { name: string; value: Json }> {
  return new Map(
    disclosures.map((text) => {
      const { name, value } = parseDisclosure(text);
      return [toBase64Url(disclosureDigest(text)), { name, value }];
    }),
  );
}

function content(group: Group | undefined, opened: ReturnType<typeof openings> | undefined): JsonObject {
  const { _sd: digests, ...plain } = group ?? { _sd: [] };
  if (opened === undefined) {
    return { _redacted: true, scheme: CER_REDACTION, commitment: hashOf([...digests]) };
  }
  const values: JsonObject = { ...(plain as JsonObject) };
  for (const digest of digests) {
    const found = opened.get(digest);
    if (found !== undefined) values[found.name] = found.value;
  }
  return values;
}
