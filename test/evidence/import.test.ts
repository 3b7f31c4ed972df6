/**
 * NexArt CERs coming in. Each vector breaks one rule and names the condition that must refuse it; those that the package
 * of NexArt accepts or throws at are marked, because they are why the rules are there.
 */
import { type CerAiExecutionBundle, toCanonicalJson, verifyCer } from '@nexart/ai-execution';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toHex, utf8 } from '../../src/core/bytes.ts';
import { sha256 } from '../../src/core/hash.ts';
import { type Json, type JsonObject, jcs, jcsBytes } from '../../src/core/json.ts';
import { type CerVerdict, judgeCer, MAX_CER } from '../../src/evidence/import/judge.ts';
import { runs } from '../fuzz/runs.ts';
import { type Change, certified, makeNode, packed, resealed, sealed, textOf } from '../kit/cer.ts';

const node = makeNode();
const stranger = makeNode('nexart-node-1', 'k1');
const good = sealed();
const keys = [node.key];

/** The whole CER changed and its hashes made again: what anybody can do to a CER without a key. */
const reseal = (change: Change, createdAt?: string) => resealed(good, change, createdAt);
const top = (change: JsonObject): JsonObject => ({ ...good, ...change });
const without = (o: JsonObject, ...names: string[]): JsonObject =>
  Object.fromEntries(Object.entries(o).filter(([n]) => !names.includes(n)));
const set =
  (change: JsonObject): Change =>
  (s) => ({ ...s, ...change });
/** Hashes as later kits of NexArt make them, over the optional members as well. */
function hashed(cer: JsonObject): JsonObject {
  const { certificateHash: _, meta, declaration, ...covered } = cer;
  const certificateHash = `sha256:${toHex(sha256(jcsBytes(covered)))}`;
  return {
    ...covered,
    certificateHash,
    ...(meta === undefined ? {} : { meta }),
    ...(declaration === undefined ? {} : { declaration }),
  };
}

const ACCEPTED: readonly [name: string, value: Json, proved: string][] = [
  ['sealed by the package', good, 'integrity-only'],
  [
    'with objects for input and output',
    sealed({ input: { a: 1 }, output: { b: [null, 1.5] } }),
    'integrity-only',
  ],
  [
    'of protocol 1.3.1',
    hashed(top({ snapshot: set({ protocolVersion: '1.3.1' })(good.snapshot as JsonObject) })),
    'integrity-only',
  ],
  ['with a context that the hash covers', hashed(top({ context: { signals: [] } })), 'integrity-only'],
  [
    'with a field of the snapshot that nobody knows',
    reseal(set({ workflowId: 'w', stepIndex: 0 })),
    'integrity-only',
  ],
  [
    'with a commitment for content',
    reseal(
      set({
        input: { _redacted: true, scheme: 'hmac-sha256-v1', commitment: 'x' },
        inputHash: `sha256:${toHex(sha256(jcsBytes({ _redacted: true, scheme: 'hmac-sha256-v1', commitment: 'x' })))}`,
      }),
    ),
    'integrity-only',
  ],
  ['in the package of a node', packed(node, good), 'node-signed'],
  ['certified by a node', certified(node, good), 'node-signed'],
  [
    'with the whole envelope spelt out',
    packed(node, good, {
      envelope: (e) => ({
        ...e,
        kid: 'k1',
        algorithm: 'Ed25519',
        canonicalization: 'jcs',
        envelopeType: 'nexart.verification.envelope.v2',
        bundle: without(good, 'certificateHash'),
        signedFields: {
          bundle: ['bundleType', 'createdAt', 'snapshot', 'version'],
          attestation: ['attestationId', 'attestedAt', 'kid', 'nodeRuntimeHash', 'protocolVersion'],
        },
      }),
    }),
    'node-signed',
  ],
  [
    'with a receipt and no envelope',
    without(packed(node, good), 'verificationEnvelope', 'verificationEnvelopeSignature'),
    'integrity-only',
  ],
];

/** `nexart` says what verifyCer does with the same file. */
type Refusal = readonly [fault: string, name: string, value: Json | string, nexart?: 'accepts' | 'throws'];
const REFUSED: readonly Refusal[] = [
  ['json', 'a name that stands twice', textOf(good).replace('{', '{"version":"0.1",'), 'accepts'],
  ['json', 'a lone surrogate', textOf(good).replace('What is', 'What \\ud800 is')],
  ['json', 'an integer that loses digits', textOf(good).replace('1024', '9007199254740993')],
  ['json', 'what is no JSON', '{"bundleType":'],
  ['json', 'bytes that are no UTF-8', 'utf8'],
  ['json', 'nesting without end', `${'['.repeat(5000)}${']'.repeat(5000)}`],
  ['too-large', 'more than is read', ' '.repeat(MAX_CER + 1)],
  ['no-object', 'null', null, 'throws'],
  ['no-object', 'a list', [good]],
  ['bundle-type', 'another type of bundle', top({ bundleType: 'cer.code.execution.v1' })],
  [
    'bundle-type',
    'a project bundle, whose hash leaves out what it embeds',
    { bundleType: 'cer.project.bundle.v1', embeddedBundles: {}, integrity: { projectHash: 'sha256:0' } },
  ],
  ['bundle-type', 'a governed step', { bundleType: 'cer.governed.execution.step.v1', version: '1' }],
  ['version', 'version 1.0', top({ version: '1.0' })],
  ['unknown-member', 'a member that no hash covers', top({ verdict: 'VERIFIED' }), 'accepts'],
  ['unknown-member', 'a package with more in it', { ...packed(node, good), note: 'trust me' }],
  ['created-at', 'createdAt is text and no time', reseal((s) => s, 'today'), 'accepts'],
  [
    'certificate-hash-form',
    'digits in capitals',
    top({ certificateHash: String(good.certificateHash).toUpperCase().replace('SHA256', 'sha256') }),
  ],
  ['meta', 'meta is a text', top({ meta: 'x' }), 'accepts'],
  ['snapshot', 'no snapshot', without(good, 'snapshot')],
  ['snapshot-type', 'another type of snapshot', reseal(set({ type: 'ai.execution.v2' }))],
  ['protocol', 'a protocol that is not known', reseal(set({ protocolVersion: '1.4.0' }))],
  ['surface', 'another surface', reseal(set({ executionSurface: 'code' }))],
  ['execution-id', 'an empty executionId', reseal(set({ executionId: '' }))],
  ['execution-id', 'an executionId with a newline', reseal(set({ executionId: 'a\nb' })), 'accepts'],
  ['timestamp', 'a timestamp that is no time', reseal(set({ timestamp: 'yesterday' })), 'accepts'],
  ['timestamp', 'a day that is none', reseal(set({ timestamp: '2026-02-30T10:00:00Z' })), 'accepts'],
  ['provider', 'an empty provider', reseal(set({ provider: '' }))],
  ['model', 'an empty model', reseal(set({ model: '' }))],
  ['optional-text', 'a modelVersion that is a number', reseal(set({ modelVersion: 4 })), 'accepts'],
  ['prompt', 'an empty prompt', reseal(set({ prompt: '' }))],
  ['input', 'no input, as a redacted reseal has it', reseal((s) => without(s, 'input')), 'throws'],
  ['input', 'null for input', reseal(set({ input: null }))],
  ['output', 'no output', reseal((s) => without(s, 'output')), 'throws'],
  ['parameters', 'no parameters', reseal((s) => without(s, 'parameters')), 'throws'],
  [
    'parameters',
    'a temperature that is text',
    reseal(set({ parameters: { temperature: '0', maxTokens: 1, topP: null, seed: null } })),
  ],
  ['time-order', 'created before what it records', reseal((s) => s, '2026-09-17T09:59:59.000Z'), 'accepts'],
  ['input-hash', 'another input under its old hash', reseal(set({ input: 'What is 3+3?' }))],
  ['output-hash', 'another output under its old hash', reseal(set({ output: 'The answer is 5.' }))],
  [
    'certificate-hash',
    'another model under its old hash',
    top({ snapshot: set({ model: 'gpt-9' })(good.snapshot as JsonObject) }),
  ],
  [
    'certificate-hash',
    'a context that the hash does not cover',
    top({ context: { signals: [] } }),
    'accepts',
  ],
  [
    'certificate-hash',
    'a policy evaluation that the hash does not cover',
    top({ policyEvaluation: { outcome: 'ALLOW' } }),
    'accepts',
  ],
  [
    'link',
    'a link to an attestd record that is none',
    reseal(set({ attestd: { recordDigest: 'x', log: 'a/b/1' } })),
    'accepts',
  ],
  [
    'receipt-hash',
    'sealed again with another output under the receipt of the first',
    {
      ...packed(node, good),
      cer: resealed(good, (s) => ({ ...s, output: 'no', outputHash: `sha256:${toHex(sha256(utf8('no')))}` })),
    },
  ],
  [
    'receipt-missing',
    'said to be attested without a receipt',
    top({ meta: { attestation: { attestationId: 'a', protocolVersion: '1.3.1' } } }),
    'accepts',
  ],
  ['receipt-missing', 'a signature without a receipt', without(packed(node, good), 'receipt')],
  ['receipt-unsigned', 'a receipt without a signature', without(packed(node, good), 'signature')],
  [
    'envelope-half',
    'an envelope without a signature',
    without(packed(node, good), 'verificationEnvelopeSignature'),
  ],
  ['envelope-half', 'a signature without an envelope', without(packed(node, good), 'verificationEnvelope')],
  [
    'receipt-form',
    'the four fields that the documents name',
    packed(node, good, {
      receipt: (r) =>
        without(r, 'nodeId', 'receiptVersion', 'timestampType', 'nodeRuntimeHash', 'protocolVersion'),
    }),
  ],
  [
    'receipt-form',
    'a receipt with a field more',
    packed(node, good, { receipt: set({ verdict: 'VERIFIED' }) }),
  ],
  ['receipt-form', 'a receipt as text', { ...packed(node, good), receipt: 'x' }],
  [
    'receipt-version',
    'another version of receipt',
    packed(node, good, { receipt: set({ receiptVersion: 'attestation.receipt.v2' }) }),
  ],
  [
    'receipt-protocol',
    'a receipt for another protocol',
    packed(node, good, { receipt: set({ protocolVersion: '1.3.1' }) }),
  ],
  ['attested-at', 'attestedAt is no time', packed(node, good, { receipt: set({ attestedAt: 'now' }) })],
  [
    'attested-before',
    'a receipt that is older than the CER',
    packed(node, good, { receipt: set({ attestedAt: '2026-09-17T09:00:00.000Z' }) }),
  ],
  ['unknown-key', 'a key ID that nobody gave', packed(node, good, { receipt: set({ attestorKeyId: 'k2' }) })],
  [
    'unknown-key',
    'the same key ID of another node',
    packed(node, good, { receipt: set({ nodeId: 'nexart-node-2' }) }),
  ],
  ['receipt-signature', 'a key of somebody else under a known name', packed(stranger, good)],
  ['receipt-signature', 'a signature that is no base64url', { ...packed(node, good), signature: '!' }],
  [
    'copy-contradicts',
    'another protocol beside the receipt, outside of every hash',
    { ...packed(node, good), attestation: { protocolVersion: '1.3.1' } },
  ],
  [
    'copy-contradicts',
    'another hash beside the receipt',
    { ...packed(node, good), attestation: { hash: `sha256:${'0'.repeat(64)}` } },
  ],
  ['attestation-form', 'meta.attestation is a text', top({ meta: { attestation: 'yes' } }), 'accepts'],
  [
    'two-attestations',
    'two signatures that differ',
    { ...packed(node, good), cer: certified(stranger, good) },
  ],
  [
    'envelope-form',
    'an envelope with a member that is not known',
    packed(node, good, { envelope: set({ verdict: 'VERIFIED' }) }),
  ],
  [
    'envelope-contradicts',
    'an envelope that says another time',
    packed(node, good, {
      envelope: (e) => ({
        attestation: { ...(e.attestation as JsonObject), attestedAt: '2027-01-01T00:00:00.000Z' },
      }),
    }),
  ],
  [
    'envelope-bundle',
    'an envelope that shows another bundle than is signed',
    packed(node, good, { envelope: set({ bundle: {} }) }),
  ],
  [
    'envelope-algorithm',
    'an envelope that names another algorithm',
    packed(node, good, { envelope: set({ algorithm: 'none' }) }),
  ],
  [
    'envelope-scope',
    'an envelope that signs less',
    packed(node, good, { envelope: set({ signedFields: { bundle: ['version'], attestation: ['kid'] } }) }),
  ],
  [
    'envelope-signature',
    'signed with the type of the envelope, as the documents have it',
    packed(node, good, { message: set({ envelopeType: 'nexart.verification.envelope.v2' }) }),
  ],
  ['envelope-signature', 'signed over another bundle', packed(node, good, { message: set({ bundle: {} }) })],
];

const bytesOf = (v: Json | string, fault: string): Uint8Array | string =>
  fault === 'json' && v === 'utf8' ? Uint8Array.of(0x7b, 0xff) : typeof v === 'string' ? v : textOf(v);
const brief = (v: CerVerdict) => (v.ok ? 'accepted' : v.fault);

describe('a CER', () => {
  test.each(ACCEPTED)(
    '%s is accepted, and said to prove no more than it does',
    async (_name, value, proved) => {
      const verdict = await judgeCer(textOf(value), keys);
      expect(verdict).toMatchObject({ ok: true, proved });
    },
  );

  test.each(REFUSED)('%s: %s', async (fault, _name, value, nexart) => {
    const verdict = await judgeCer(bytesOf(value as string, fault as string), keys);
    expect(brief(verdict)).toBe(fault);
    if (nexart === undefined) return;
    const given = (typeof value === 'string' ? JSON.parse(value) : value) as CerAiExecutionBundle;
    if (nexart === 'throws') expect(() => verifyCer(given)).toThrow();
    else expect(verifyCer(given).ok).toBe(true);
  });

  test('sealed again, it is refused where the hash is recorded elsewhere, and only there', async () => {
    const forged = textOf(
      resealed(good, (s) => ({ ...s, output: 'no', outputHash: `sha256:${toHex(sha256(utf8('no')))}` })),
    );
    expect(verifyCer(JSON.parse(forged))).toEqual({ ok: true, errors: [] });
    expect(brief(await judgeCer(forged, keys, String(good.certificateHash)))).toBe('expected-hash');
    // Without any record of the first one nothing tells them apart: so it is said to prove integrity alone.
    expect(await judgeCer(forged, keys)).toMatchObject({ ok: true, proved: 'integrity-only' });
  });

  test('with node signatures and no pinned key is refused, not taken for unsigned', async () => {
    expect(brief(await judgeCer(textOf(packed(node, good)), []))).toBe('unknown-key');
  });

  test('every condition has a vector', async () => {
    const { readdirSync, readFileSync } = await import('node:fs');
    const dir = new URL('../../src/evidence/import/', import.meta.url);
    const sources = readdirSync(dir).map((f) => readFileSync(new URL(f, dir), 'utf8'));
    const named = sources.flatMap((s) => [
      ...s.matchAll(/refused\(\s*'([a-z-]+)'/g),
      ...s.matchAll(/^ {2}\[\s*'([a-z-]+)',/gm),
    ]);
    const seen = new Set([...REFUSED.map(([f]) => f), 'expected-hash']);
    expect(named.length).toBeGreaterThan(40);
    expect(named.map((m) => m[1]).filter((f) => !seen.has(f as string))).toEqual([]);
  });
});

describe('whatever the file is', () => {
  const paths: (readonly (string | number)[])[] = [];
  const walk = (v: Json, at: readonly (string | number)[]): void => {
    paths.push(at);
    if (v !== null && typeof v === 'object')
      for (const [k, x] of Object.entries(v)) walk(x as Json, [...at, k]);
  };
  const whole = packed(node, good);
  walk(whole, []);

  test('nothing is thrown, and a change anywhere in a signed package is noticed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), fc.jsonValue(), async (path, value) => {
        const changed = structuredClone(whole) as Json;
        let at = changed as JsonObject;
        for (const k of path.slice(0, -1)) at = at[k] as JsonObject;
        const last = path.at(-1);
        if (last === undefined) return;
        if (JSON.stringify(at[last]) === JSON.stringify(value)) return;
        at[last] = value as Json;
        const verdict = await judgeCer(JSON.stringify(changed), keys);
        // Only what stands outside of everything may change: a member of the envelope that repeats nothing.
        expect(verdict.ok).toBe(false);
      }),
      { numRuns: runs(300) },
    );
  });

  test('nothing is thrown at noise', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 64 }), fc.json(), fc.string()), async (noise) => {
        expect((await judgeCer(noise, keys)).ok).toBe(false);
      }),
      { numRuns: runs(200) },
    );
  });
});

test('its canonical form and RFC 8785 are one for everything that we read', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 3 }), (v) => {
      let ours: string;
      try {
        ours = jcs(v as Json);
      } catch {
        return;
      }
      expect(toCanonicalJson(v)).toBe(ours);
    }),
    { numRuns: runs(100) },
  );
});
