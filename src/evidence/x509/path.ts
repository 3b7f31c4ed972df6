/**
 * Certification paths from a leaf through given intermediates to given roots (RFC 5280 §6, without policy processing
 * and name constraints: a certificate that carries constraints nobody here understands ends the path). Nothing is
 * fetched and no clock is read. Several issuers may fit a name; all are tried, within a bound on signatures.
 */
import { equal } from '../../core/bytes.ts';
import type { Certificate } from './certificate.ts';
import { OID } from './extension.ts';
import type { SignatureVerifier } from './signature.ts';

/** Longest path, and most signatures verified while looking for one. */
const MAX_PATH = 8;
const MAX_SIGNATURES = 64;

export interface PathQuestion {
  readonly leaf: Certificate;
  readonly intermediates: readonly Certificate[];
  readonly roots: readonly Certificate[];
  /** Milliseconds since 1970 at which every certificate must be valid; absent: validity is not looked at. */
  readonly at?: number;
  readonly verify: SignatureVerifier;
}

export type PathAnswer =
  /** Leaf first, root last. */
  | { readonly found: true; readonly path: readonly Certificate[] }
  /** What stood in the way, one sentence per candidate. */
  | { readonly found: false; readonly reasons: readonly string[] };

/** Looks for a path. Never throws for what the certificates say. */
export async function buildPath(question: PathQuestion): Promise<PathAnswer> {
  const reasons: string[] = [];
  let budget = MAX_SIGNATURES;
  const extend = async (path: readonly Certificate[]): Promise<readonly Certificate[] | undefined> => {
    const child = path[path.length - 1] as Certificate;
    // A trust root may be the leaf of nothing: a path needs at least one signature.
    for (const candidates of [question.roots, question.intermediates]) {
      for (const issuer of candidates) {
        if (!equal(issuer.subject, child.issuer) || path.some((c) => equal(c.der, issuer.der))) continue;
        const why = mayIssue(issuer, path.length - 1, question.at);
        if (why !== undefined) {
          reasons.push(why);
          continue;
        }
        if (budget-- <= 0) return undefined;
        if (
          !(await question.verify(
            { spki: issuer.spki, facts: issuer.key },
            child.algorithm,
            child.tbs,
            child.signature,
          ))
        ) {
          reasons.push(
            child.algorithm.kind === 'refused'
              ? `a signature is refused: ${child.algorithm.why}`
              : 'an issuer of the right name did not sign the certificate',
          );
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
  if (own !== undefined) return { found: false, reasons: [own] };
  const path = await extend([question.leaf]);
  if (path !== undefined) return { found: true, path };
  if (reasons.length === 0) reasons.push('no certificate given has the name of the issuer');
  return { found: false, reasons };
}

/** Why `issuer` may not issue below itself with `below` intermediates between it and the leaf. */
function mayIssue(issuer: Certificate, below: number, at: number | undefined): string | undefined {
  if (issuer.basicConstraints?.ca !== true) return 'an issuer is not a CA';
  if (issuer.keyUsage !== undefined && !issuer.keyUsage.includes('keyCertSign')) {
    return 'an issuer may not sign certificates';
  }
  const limit = issuer.basicConstraints.pathLength;
  if (limit !== undefined && below > limit) return 'the path is longer than an issuer allows';
  return unusable(issuer, at);
}

function unusable(c: Certificate, at: number | undefined): string | undefined {
  if (c.unknownCritical.length > 0)
    return `a critical extension is not understood: ${c.unknownCritical.join(', ')}`;
  if (c.extensions.some((e) => e.oid === OID.nameConstraints)) return 'name constraints are not understood';
  if (at !== undefined && !isValidAt(c, at)) return 'a certificate is not valid at that time';
  return undefined;
}

/** Whether `at` (milliseconds since 1970) lies inside the validity, both ends included. */
export function isValidAt(c: Certificate, at: number): boolean {
  // notAfter names a whole second (RFC 5280 §4.1.2.5).
  return at >= c.notBefore && at < c.notAfter + 1000;
}
