/**
 * Name constraints (RFC 5280 §4.2.1.10, §6.1.3 b–c): a CA that may only speak for some names. Every constraint of every
 * CA holds for all certificates below it. A kind of name that is constrained but not understood here refuses the path,
 * and so does a name that cannot be held against its constraint. Distinguished names are compared as raw bytes.
 */
import { equal, fromUtf8 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import type { Certificate } from './certificate.ts';
import { type Der, expect, readDer, TAG } from './der.ts';
import type { GeneralName } from './name.ts';

/** Tags of GeneralName. */
const EMAIL = 0x81;
const DNS = 0x82;
const DIRECTORY = 0xa4;
const URI = 0x86;
const ADDRESS = 0x87;

export interface NameConstraints {
  readonly permitted: readonly GeneralName[];
  readonly excluded: readonly GeneralName[];
}

/** Reads the extension. @throws MALFORMED, also for subtrees with a minimum or maximum, which RFC 5280 forbids */
export function readNameConstraints(value: Uint8Array, deviations: string[]): NameConstraints {
  const outer = expect(readDer(value, deviations), TAG.sequence, 'nameConstraints');
  const permitted: GeneralName[] = [];
  const excluded: GeneralName[] = [];
  for (const part of outer.children) {
    const into = part.tag === 0xa0 ? permitted : part.tag === 0xa1 ? excluded : undefined;
    if (into === undefined) throw new AttestdError('MALFORMED', 'DER: an unknown part of nameConstraints');
    for (const subtree of part.children) {
      const [base, ...rest] = subtree.children;
      if (base === undefined || rest.length > 0) {
        throw new AttestdError('MALFORMED', 'DER: a subtree of nameConstraints is not a base alone');
      }
      into.push({ tag: base.tag, content: base.content });
    }
  }
  return { permitted, excluded };
}

/** Every name that a certificate bears: its subject, where there is one, and its alternative names. */
function namesOf(c: Certificate): GeneralName[] {
  const subject = c.subjectAttributes.length === 0 ? [] : [{ tag: DIRECTORY, content: c.subject }];
  return [...subject, ...(c.alternativeNames?.all ?? [])];
}

/**
 * Why these constraints refuse this certificate; undefined where they do not.
 * @param c any certificate below the CA that set them
 */
export function violates(constraints: NameConstraints, c: Certificate): string | undefined {
  try {
    for (const name of namesOf(c)) {
      if (constraints.excluded.some((base) => base.tag === name.tag && within(name, base))) {
        return 'a name is one that an issuer excludes';
      }
      const same = constraints.permitted.filter((base) => base.tag === name.tag);
      if (same.length > 0 && !same.some((base) => within(name, base))) {
        return 'a name is none of those that an issuer permits';
      }
    }
    return undefined;
  } catch (e) {
    return `a name cannot be held against a constraint: ${(e as Error).message}`;
  }
}

function within(name: GeneralName, base: GeneralName): boolean {
  switch (name.tag) {
    case DIRECTORY:
      return directoryWithin(name.content, base.content);
    case DNS:
      return hostWithin(lower(name), lower(base), true);
    case URI:
      return hostWithin(hostOf(lower(name)), lower(base), false);
    case EMAIL:
      return emailWithin(lower(name), lower(base));
    case ADDRESS:
      return addressWithin(name.content, base.content);
    default:
      throw new AttestdError('MALFORMED', `names of tag 0x${name.tag.toString(16)} are not understood`);
  }
}

const lower = (n: GeneralName): string => fromUtf8(n.content).toLowerCase();

/** RDNs of the base are the first ones of the name. */
function directoryWithin(name: Uint8Array, base: Uint8Array): boolean {
  const rdns = (bytes: Uint8Array): readonly Der[] =>
    expect(readDer(bytes, []), TAG.sequence, 'directoryName').children;
  const own = rdns(name);
  return rdns(base).every((rdn, i) => own[i] !== undefined && equal(rdn.bytes, own[i].bytes));
}

/** `example.com` allows itself and, for DNS names, what is below; `.example.com` only what is below. */
function hostWithin(host: string, base: string, below: boolean): boolean {
  if (base === '') return true;
  if (base.startsWith('.')) return host.endsWith(base) && host.length > base.length;
  return host === base || (below && host.endsWith(`.${base}`));
}

/** The host of a URI. A constraint cannot be applied to a URI without one, and then refuses it (§4.2.1.10). */
function hostOf(uri: string): string {
  const m = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#:@[\]]+)(?::\d*)?(?:[/?#]|$)/.exec(uri);
  if (m === null) throw new AttestdError('MALFORMED', 'a URI has no host');
  return m[1] as string;
}

function emailWithin(address: string, base: string): boolean {
  if (base.includes('@')) return address === base;
  return hostWithin(address.slice(address.lastIndexOf('@') + 1), base, false);
}

/** The base is address ‖ mask. */
function addressWithin(address: Uint8Array, base: Uint8Array): boolean {
  const n = address.length;
  if (base.length !== 2 * n) return false;
  return address.every(
    (x, i) => (x & (base[n + i] as number)) === ((base[i] as number) & (base[n + i] as number)),
  );
}
