/**
 * Salted disclosures (RFC 9901 §4.2): base64url of the JSON array [salt, name, value], and its digest over the ASCII of
 * that text. The digest stands in the record, the disclosure stays on the host and travels only where it is shown.
 */
import { fromBase64Url, fromUtf8, toBase64Url, utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { type Json, jcs, parseJson } from '../core/json.ts';

/** Bytes of salt in a disclosure, and in a predicate. */
export const SALT_BYTES = 16;
/** Longest disclosure that is read, in characters. */
export const MAX_DISCLOSURE = 1_048_576;

/** Characters of a SHA-256 in base64url. */
const DIGEST_CHARS = 43;

/** An opened disclosure. */
export interface Opening {
  /** 16 bytes in base64url. */
  readonly salt: string;
  readonly name: string;
  readonly value: Json;
}

/**
 * The disclosure of a value under a name, as text.
 * @param salt 16 random bytes, used once
 * @throws MALFORMED when the value is not I-JSON
 */
export function makeDisclosure(salt: Uint8Array, name: string, value: Json): string {
  if (salt.length !== SALT_BYTES) throw new AttestdError('MALFORMED', 'a salt is 16 bytes');
  return toBase64Url(utf8(jcs([toBase64Url(salt), name, value])));
}

/** Makes a disclosure: base64url of its digest, 43 characters, then its text. */
type MakeDisclosure = (salt: Uint8Array, rest: string) => string;

let make: MakeDisclosure = (salt, rest) => {
  const text = toBase64Url(utf8(`["${toBase64Url(salt)}",${rest}`));
  return toBase64Url(sha256(utf8(text))) + text;
};

/** Replaces what is behind `disclosureOf` by the platform's own. Only an entry point calls this; a test holds both equal. */
export function useDisclosure(f: MakeDisclosure): void {
  make = f;
}

/**
 * The same where thousands a second are made.
 * @param salt 16 random bytes, used once
 * @param rest what follows the salt and its comma: name, value and bracket in RFC 8785 form; not checked
 * @returns the digest in base64url, and the text
 */
export function disclosureOf(salt: Uint8Array, rest: string): { digest: string; text: string } {
  const both = make(salt, rest);
  return { digest: both.slice(0, DIGEST_CHARS), text: both.slice(DIGEST_CHARS) };
}

/** SHA-256 over the ASCII text of a disclosure; 32 bytes. */
export function disclosureDigest(disclosure: string): Uint8Array {
  return sha256(utf8(disclosure));
}

/** Opens a disclosure; what is accepted is made again from its parts. @throws MALFORMED, TOO_LARGE */
export function parseDisclosure(disclosure: string): Opening {
  if (disclosure.length > MAX_DISCLOSURE) {
    throw new AttestdError('TOO_LARGE', `a disclosure over ${MAX_DISCLOSURE} characters`);
  }
  const text = fromUtf8(fromBase64Url(disclosure));
  const json = parseJson(text);
  if (!Array.isArray(json) || json.length !== 3) {
    throw new AttestdError('MALFORMED', 'a disclosure is not an array of salt, name and value');
  }
  const [salt, name, value] = json as [Json, Json, Json];
  if (typeof salt !== 'string' || fromBase64Url(salt).length !== SALT_BYTES) {
    throw new AttestdError('MALFORMED', 'the salt of a disclosure is not 16 bytes in base64url');
  }
  if (typeof name !== 'string') throw new AttestdError('MALFORMED', 'the name in a disclosure is not text');
  if (jcs(json) !== text) throw new AttestdError('MALFORMED', 'a disclosure is not canonical (RFC 8785)');
  return { salt, name, value };
}

/** What a salted artefact's disclosure holds as its value. */
export const artefactValue = (sha256Hex: string): string => `sha256:${sha256Hex}`;

/**
 * Members as a record carries them: digests of salted disclosures, in sorted order, beside the plain ones.
 * @returns nothing where neither is given
 */
export function withhold(
  salted: Readonly<Record<string, unknown>> | undefined,
  plain: Readonly<Record<string, unknown>> | undefined,
  random: (n: number) => Uint8Array,
):
  | { readonly members: { _sd: string[]; [name: string]: unknown }; readonly disclosures: string[] }
  | undefined {
  if (salted === undefined && plain === undefined) return undefined;
  const disclosures = Object.entries(salted ?? {}).map(([name, value]) => {
    if (plain !== undefined && Object.hasOwn(plain, name))
      throw new AttestdError('INVALID_REQUEST', `${name} stands among what is withheld too`, {
        field: '/plain',
      });
    return makeDisclosure(random(SALT_BYTES), name, value as Json);
  });
  const _sd = disclosures.map((d) => toBase64Url(disclosureDigest(d))).sort();
  return { members: { ...plain, _sd }, disclosures };
}
