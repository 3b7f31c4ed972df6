/**
 * Certification paths from a leaf through given intermediates to given roots (RFC 5280 §6 without policy processing:
 * a critical policy constraint ends the path). Nothing is fetched and no clock is read. Several certificates may fit
 * the name of an issuer (cross-certificates, a CA with a new key): those that the key identifier points at come first,
 * all are tried, within a bound on signatures.
 */
import { equal } from '../../core/bytes.ts';
import type { Certificate } from './certificate.ts';
import { violates } from './constraints.ts';
import type { SignatureVerifier } from './signature.ts';

/** Longest path, and most signatures verified while looking for one. */
const MAX_PATH = 8;
const MAX_SIGNATURES = 64;
const ANY_PURPOSE = '2.5.29.37.0';

export interface PathQuestion {
  readonly leaf: Certificate;
  readonly intermediates: readonly Certificate[];
  readonly roots: readonly Certificate[];
  /** Milliseconds since 1970 at which every certificate must be valid; absent: validity is not looked at. */
  readonly at?: number;
  /** What the leaf is for: an intermediate that limits its purposes must include it (or any). */
  readonly purpose?: string;
  readonly verify: SignatureVerifier;
}

/** What stands in the way of a path, one word per condition. */
export type PathFault =
  | 'issuer-missing'
  | 'issuer-not-ca'
  | 'issuer-usage'
  | 'issuer-purpose'
  | 'path-length'
  | 'not-valid-then'
  | 'critical-extension'
  | 'name-constraints'
  | 'weak-signature'
  | 'weak-key'
  | 'bad-signature'
  | 'too-many-issuers';

export type PathAnswer =
  /** Leaf first, root last. */
  | { readonly found: true; readonly path: readonly Certificate[] }
  | {
      readonly found: false;
      /** What stood in the way, one sentence per candidate. */
      readonly reasons: readonly string[];
      /** The condition met on the way that came farthest. */
      readonly fault: PathFault;
    };

interface Refusal {
  readonly fault: PathFault;
  readonly sentence: string;
}
const refuse = (fault: PathFault, sentence: string): Refusal => ({ fault, sentence });

/** Looks for a path. Never throws for what the certificates say. */
export async function buildPath(question: PathQuestion): Promise<PathAnswer> {
  const met: (Refusal & { readonly depth: number })[] = [];
  let budget = MAX_SIGNATURES;
  const note = (depth: number, r: Refusal) => met.push({ ...r, depth });

  const extend = async (path: readonly Certificate[]): Promise<readonly Certificate[] | undefined> => {
    const child = path[path.length - 1] as Certificate;
    // A trust root may be the leaf of nothing: a path needs at least one signature.
    for (const candidates of [question.roots, question.intermediates]) {
      for (const issuer of likeliest(child, candidates)) {
        if (!equal(issuer.subject, child.issuer) || path.some((c) => sameEntity(c, issuer))) continue;
        const why = mayIssue(issuer, path, question);
        if (why !== undefined) {
          note(path.length, why);
          continue;
        }
        if (budget-- <= 0) {
          note(path.length, refuse('too-many-issuers', 'too many issuers have the same name'));
          return undefined;
        }
        const unsigned = await signed(issuer, child, question.verify);
        if (unsigned !== undefined) {
          note(path.length, unsigned);
          continue;
        }
        const longer = [...path, issuer];
        if (candidates === question.roots) return longer;
        const found = longer.length < MAX_PATH ? await extend(longer) : undefined;
        if (found !== undefined) return found;
      }
    }
    return undefined;
  };
  const own = unusable(question.leaf, question.at);
  if (own !== undefined) return { found: false, reasons: [own.sentence], fault: own.fault };
  const path = await extend([question.leaf]);
  if (path !== undefined) return { found: true, path };
  if (met.length === 0) note(0, refuse('issuer-missing', 'no certificate given has the name of the issuer'));
  // Of several hindrances the farthest up says most: up to there everything held.
  const last = met.reduce((a, b) => (b.depth > a.depth ? b : a));
  return { found: false, reasons: met.map((m) => m.sentence), fault: last.fault };
}

const sameEntity = (a: Certificate, b: Certificate): boolean =>
  equal(a.der, b.der) || (equal(a.subject, b.subject) && equal(a.spki, b.spki));

/** Those whose key identifier is the one that the child names first; a hint only (RFC 5280 §4.2.1.1). */
function likeliest(child: Certificate, candidates: readonly Certificate[]): readonly Certificate[] {
  const wanted = child.authorityKeyId;
  if (wanted === undefined) return candidates;
  const fits = (c: Certificate) => c.subjectKeyId !== undefined && equal(c.subjectKeyId, wanted);
  return [...candidates.filter(fits), ...candidates.filter((c) => !fits(c))];
}

async function signed(
  issuer: Certificate,
  child: Certificate,
  verify: SignatureVerifier,
): Promise<Refusal | undefined> {
  const { algorithm } = child;
  if (algorithm.kind === 'refused') {
    return refuse('weak-signature', `a signature is refused: ${algorithm.why}`);
  }
  if (issuer.key.kind === 'rsa' && issuer.key.bits < 2048) {
    return refuse('weak-key', `an issuer has an RSA key of ${issuer.key.bits} bits`);
  }
  const key = { spki: issuer.spki, facts: issuer.key };
  return (await verify(key, algorithm, child.tbs, child.signature))
    ? undefined
    : refuse('bad-signature', 'an issuer of the right name did not sign the certificate');
}

/** Why `issuer` may not stand above the certificates of `path`, leaf first. */
function mayIssue(
  issuer: Certificate,
  path: readonly Certificate[],
  { at, purpose }: PathQuestion,
): Refusal | undefined {
  if (issuer.basicConstraints?.ca !== true) return refuse('issuer-not-ca', 'an issuer is not a CA');
  if (issuer.keyUsage !== undefined && !issuer.keyUsage.includes('keyCertSign')) {
    return refuse('issuer-usage', 'an issuer may not sign certificates');
  }
  // Self-issued certificates, which roll a key over, do not count (RFC 5280 §4.2.1.9).
  const below = path.slice(1).filter((c) => !equal(c.subject, c.issuer)).length;
  const limit = issuer.basicConstraints.pathLength;
  if (limit !== undefined && below > limit) {
    return refuse('path-length', 'the path is longer than an issuer allows');
  }
  const purposes = issuer.extendedKeyUsage;
  if (
    purpose !== undefined &&
    purposes !== undefined &&
    !purposes.includes(purpose) &&
    !purposes.includes(ANY_PURPOSE)
  ) {
    return refuse('issuer-purpose', 'an issuer may not issue certificates for this purpose');
  }
  const { nameConstraints } = issuer;
  if (nameConstraints !== undefined) {
    for (const [i, c] of path.entries()) {
      if (i > 0 && equal(c.subject, c.issuer)) continue;
      const why = violates(nameConstraints, c);
      if (why !== undefined) return refuse('name-constraints', why);
    }
  }
  return unusable(issuer, at);
}

function unusable(c: Certificate, at: number | undefined): Refusal | undefined {
  if (c.unknownCritical.length > 0) {
    const list = c.unknownCritical.join(', ');
    return refuse('critical-extension', `a critical extension is not understood: ${list}`);
  }
  if (at !== undefined && !isValidAt(c, at)) {
    return refuse('not-valid-then', 'a certificate is not valid at that time');
  }
  return undefined;
}

/** Whether `at` (milliseconds since 1970) lies inside the validity, both ends included. */
export function isValidAt(c: Certificate, at: number): boolean {
  // notAfter names a whole second (RFC 5280 §4.1.2.5).
  return at >= c.notBefore && at < c.notAfter + 1000;
}
