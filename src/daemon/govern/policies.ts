/**
 * The directory of policies: `*.cedar`, `entities.json` if there are any, and `policy.json`, the manifest that the
 * operator's policy key signed (DSSE). What is not in the manifest, or not as it says, keeps the set from coming into
 * force. Trusted? Who can write the directory can keep policies from loading, not change what they say.
 */
import { createPublicKey, verify } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { fromBase64, fromUtf8, toHex, utf8 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { jcsBytes, parseJson } from '../../core/json.ts';
import { POLICY_PAYLOAD_TYPE } from '../../core/namespace.ts';
import { pae } from '../../evidence/dsse.ts';
import { parseFile } from '../../evidence/jsonfile.ts';
import { base64, closed, Hex32, text } from '../../evidence/schema/field.ts';
import { MAX_MANIFEST } from '../../evidence/schema/governance.ts';
import { createDecider, type Decider } from './cedar.ts';
import { type Entity, POLICY_SCHEMA } from './vocabulary.ts';

/** Name of the signed manifest. */
export const MANIFEST_FILE = 'policy.json';
const ENTITIES_FILE = 'entities.json';
/** Most bytes of one file of a policy set: 100,000 entities fit. */
const MAX_FILE = 64 * 1024 * 1024;

/** What is signed: the name of the set, and each of its files by digest, in the order of their names. */
export const Manifest = closed({
  schema: Type.Literal('attestd.dev/policy/v1'),
  id: text(128),
  files: Type.Array(
    closed({
      name: Type.String({ pattern: '^(?:[A-Za-z0-9._-]{1,100}\\.cedar|entities\\.json)$' }),
      sha256: Hex32,
    }),
    { maxItems: 256 },
  ),
});
/** The file: the manifest and its signature, a DSSE envelope with one signature. */
export const SignedManifest = closed({
  payloadType: Type.Literal(POLICY_PAYLOAD_TYPE),
  payload: base64(MAX_MANIFEST),
  signatures: Type.Array(closed({ sig: base64(80) }), { minItems: 1, maxItems: 1 }),
});
export type Manifest = Static<typeof Manifest>;

/** A policy set that may come into force. */
export interface PolicySet {
  readonly id: string;
  /** Hexadecimal SHA-256 of the manifest. */
  readonly sha256: string;
  readonly manifest: Uint8Array;
  /** DER. */
  readonly signature: Uint8Array;
  /** The key that verified it, SubjectPublicKeyInfo. */
  readonly key: Uint8Array;
  readonly decider: Decider;
}

/** SHA-256 of the Cedar schema, hexadecimal. */
export const schemaDigest = (): string => toHex(sha256(utf8(POLICY_SCHEMA)));

const invalid = (detail: string, cause?: unknown) => new AttestdError('CONFIG_INVALID', detail, { cause });

/** Files of a set as they are on disk, in order. @throws CONFIG_INVALID */
export function readFiles(directory: string): { readonly name: string; readonly bytes: Uint8Array }[] {
  try {
    return readdirSync(directory)
      .filter((n) => n.endsWith('.cedar') || n === ENTITIES_FILE)
      .sort()
      .map((name) => {
        const bytes = new Uint8Array(readFileSync(join(directory, name)));
        if (bytes.length > MAX_FILE) throw new Error(`${name} has over ${MAX_FILE} bytes`);
        return { name, bytes };
      });
  } catch (e) {
    throw invalid(`${directory}: ${(e as Error).message}`, e);
  }
}

/** The canonical bytes of the manifest of these files. */
export function manifestOf(id: string, files: readonly { name: string; bytes: Uint8Array }[]): Uint8Array {
  return jcsBytes({
    schema: 'attestd.dev/policy/v1',
    id,
    files: files.map(({ name, bytes }) => ({ name, sha256: toHex(sha256(bytes)) })),
  });
}

/** Policies and entities of these files, checked. @throws CONFIG_INVALID naming the file */
export function compile(files: readonly { name: string; bytes: Uint8Array }[]): Promise<Decider> {
  const policies = files
    .filter((f) => f.name.endsWith('.cedar'))
    .map(({ name, bytes }) => ({ name, text: fromUtf8(bytes) }));
  const stored = files.find((f) => f.name === ENTITIES_FILE);
  return createDecider(policies, stored === undefined ? [] : readEntities(stored.bytes));
}

function readEntities(bytes: Uint8Array): Entity[] {
  const json = parseJson(bytes);
  if (!Array.isArray(json)) throw invalid('entities.json is not a list');
  return json.map((e, i) => {
    const { uid, attrs, parents } = (e ?? {}) as { uid?: unknown; attrs?: unknown; parents?: unknown };
    const isUid = (u: unknown) => {
      const { type, id } = (u ?? {}) as { type?: unknown; id?: unknown };
      return typeof type === 'string' && typeof id === 'string';
    };
    if (!isUid(uid) || typeof attrs !== 'object' || !Array.isArray(parents) || !parents.every(isUid))
      throw invalid(`entities.json, entity ${i}: not {uid: {type, id}, attrs, parents}`);
    return e as unknown as Entity;
  });
}

/**
 * Loads the set in a directory.
 * @param keys PEM files of public keys, one of which must have signed
 * @throws CONFIG_INVALID, MALFORMED
 */
export async function loadPolicies(directory: string, keys: readonly string[]): Promise<PolicySet> {
  let file: Uint8Array;
  try {
    file = readFileSync(join(directory, MANIFEST_FILE));
  } catch (e) {
    throw invalid(
      `${join(directory, MANIFEST_FILE)}: ${(e as Error).message}; attestctl policy sign makes it`,
      e,
    );
  }
  const envelope = parseFile('policy manifest', SignedManifest, file, 2 * MAX_MANIFEST);
  const manifest = fromBase64(envelope.payload);
  const signature = fromBase64(envelope.signatures[0]?.sig ?? '');
  const { id, files: listed } = parseFile('policy manifest', Manifest, manifest, MAX_MANIFEST);
  const signed = pae(POLICY_PAYLOAD_TYPE, manifest);
  const key = keys.map(readKey).find((k) => verify('sha256', signed, k, signature));
  if (key === undefined) throw invalid('no configured policy key has signed the policies');
  const files = readFiles(directory);
  const found = files.map(({ name, bytes }) => ({ name, sha256: toHex(sha256(bytes)) }));
  const odd = [...found, ...listed].find(
    (f) => ![found, listed].every((l) => l.some((x) => x.name === f.name && x.sha256 === f.sha256)),
  );
  if (odd !== undefined || found.length !== listed.length)
    throw invalid(`${odd?.name ?? directory} is not what was signed`);
  const decider = await compile(files);
  const spki = new Uint8Array(key.export({ format: 'der', type: 'spki' }));
  return { id, sha256: toHex(sha256(manifest)), manifest, signature, key: spki, decider };
}

function readKey(file: string) {
  try {
    const key = createPublicKey(readFileSync(file));
    if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new Error('not an ECDSA P-256 key');
    return key;
  } catch (e) {
    throw invalid(`policy key ${file}: ${(e as Error).message}`, e);
  }
}
