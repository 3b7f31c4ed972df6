/**
 * A NexArt CER held against everything that can be known of it without NexArt: one verdict for the daemon that imports
 * it, for the command line and for the verifier that checks the import again. It never throws, and what it finds never
 * says more than the CER proves by itself.
 */
import { type Json, type JsonObject, jcs, parseJson } from '../../core/json.ts';
import { type Cer, objectOf, type Refused, readCer, refused } from './cer.ts';
import { type Asserted, judgeNode, type NodeKey, type NodeParts } from './node.ts';

/** Largest CER that is read, in bytes of UTF-8. */
export const MAX_CER = 196_608;

/** What it proves: that it was not changed since it was sealed, or also that a node signed its hash and content. */
export type Proved = 'integrity-only' | 'node-signed';

export interface CerFacts {
  readonly cer: Cer;
  readonly proved: Proved;
  readonly receipt: 'pass' | 'absent';
  readonly envelope: 'pass' | 'absent';
  readonly assertedBy?: Asserted;
}
export type CerVerdict = ({ readonly ok: true } & CerFacts) | ({ readonly ok: false } & Refused);

const PACKAGE = [
  'cer',
  'receipt',
  'signature',
  'attestation',
  'verificationEnvelope',
  'verificationEnvelopeSignature',
];

/**
 * The verdict.
 * @param text the file: a bundle, or the package around one
 * @param keys keys of nodes that the user pins
 * @param expected the certificateHash that the user has from elsewhere
 */
export async function judgeCer(
  text: Uint8Array | string,
  keys: readonly NodeKey[],
  expected?: string,
): Promise<CerVerdict> {
  const no = (r: Refused): CerVerdict => ({ ok: false, ...r });
  try {
    if (text.length > MAX_CER) return no(refused('too-large', `more than ${MAX_CER} bytes`));
    const value = parseJson(text);
    const root = objectOf(value);
    const packed = root !== undefined && root.cer !== undefined;
    if (packed && Object.keys(root).some((n) => !PACKAGE.includes(n))) {
      return no(refused('unknown-member', 'the package has a member that is not known'));
    }
    const cer = readCer(packed ? (root.cer as Json) : value);
    if ('fault' in cer) return no(cer);
    if (expected !== undefined && expected !== cer.certificateHash) {
      return no(refused('expected-hash', 'the hash holds, and is another than the one that was recorded'));
    }
    const inside = insideOf(cer);
    if ('fault' in inside) return no(inside);
    const outside = packed ? outsideOf(root) : {};
    const parts = oneOf(inside, outside);
    if ('fault' in parts) return no(parts);
    const node = await judgeNode(cer, parts, keys);
    if (node !== undefined && 'fault' in node) return no(node);
    return {
      ok: true,
      cer,
      proved: node?.envelope === true ? 'node-signed' : 'integrity-only',
      receipt: node === undefined ? 'absent' : 'pass',
      envelope: node?.envelope === true ? 'pass' : 'absent',
      ...(node === undefined ? {} : { assertedBy: node }),
    };
  } catch (e) {
    return no(refused('json', (e as Error).message));
  }
}

/** What a node added under `meta`. */
function insideOf({ meta }: Cer): NodeParts | Refused {
  const { attestation, verificationEnvelope, verificationEnvelopeSignature } = meta ?? {};
  const o = objectOf(attestation);
  if (attestation !== undefined && o === undefined) {
    return refused('attestation-form', 'meta.attestation is no object');
  }
  const { receipt, signatureB64Url, signature = signatureB64Url, ...copies } = o ?? {};
  return parts({
    receipt,
    signature,
    envelope: verificationEnvelope,
    envelopeSignature: verificationEnvelopeSignature,
    copies: o === undefined ? undefined : copies,
  });
}

function outsideOf(root: JsonObject): NodeParts {
  return parts({
    receipt: root.receipt,
    signature: root.signature,
    envelope: root.verificationEnvelope,
    envelopeSignature: root.verificationEnvelopeSignature,
    copies: objectOf(root.attestation),
  });
}

/** Without the members that are not there. */
function parts(given: { readonly [K in keyof NodeParts]: NodeParts[K] | undefined }): NodeParts {
  return Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined));
}

/** The parts of the package, or else of the bundle; where both have one they must not differ. */
function oneOf(inside: NodeParts, outside: NodeParts): NodeParts | Refused {
  for (const name of ['receipt', 'signature', 'envelope', 'envelopeSignature'] as const) {
    const [a, b] = [inside[name], outside[name]];
    if (a !== undefined && b !== undefined && jcs(a) !== jcs(b)) {
      return refused('two-attestations', `${name} stands in the bundle and in the package, and differs`);
    }
  }
  const copies = { ...inside.copies };
  for (const [name, value] of Object.entries(outside.copies ?? {})) {
    if (copies[name] !== undefined && jcs(copies[name]) !== jcs(value)) {
      return refused('two-attestations', `${name} stands in the bundle and in the package, and differs`);
    }
    copies[name] = value;
  }
  const claimed = inside.copies !== undefined || outside.copies !== undefined;
  return { ...inside, ...outside, ...(claimed ? { copies } : {}) };
}
