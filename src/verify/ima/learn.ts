/** Makes the part of a policy that speaks of IMA out of the lists of golden machines. */
import { AttestdError } from '../../core/errors.ts';
import type { ImaPolicy } from '../../evidence/schema/appraisal.ts';
import type { GoldenMachine } from '../appraisal/learn.ts';
import { fits } from '../appraisal/pattern.ts';

export interface LearnImaOptions {
  /** SubjectPublicKeyInfo in base64: what these keys signed is allowed by its signature and not listed. */
  readonly keys?: readonly string[];
  /** Patterns of paths that are not judged. */
  readonly ignore?: readonly string[];
  readonly ignoreViolations?: boolean;
}

export interface LearntIma {
  readonly ima: ImaPolicy;
  /** What was decided, for people. */
  readonly why: readonly string[];
}

/**
 * The policy's part; undefined where a machine has no list that leads to its PCR 10, so that it cannot be judged by one.
 * @throws MALFORMED for entries that a policy cannot name
 */
export function learnIma(
  machines: readonly GoldenMachine[],
  { keys = [], ignore = [], ignoreViolations = false }: LearnImaOptions = {},
): LearntIma | undefined {
  const files = new Map<string, Set<string>>();
  let violations = 0;
  let entries = 0;
  for (const { ima, files: found } of machines) {
    if (ima.list.state !== 'led' || found === undefined) return undefined;
    if (found.unnamed > 0) {
      throw new AttestdError(
        'MALFORMED',
        `${found.unnamed} entries of an IMA list have no name or no digest`,
      );
    }
    violations += ima.list.violations;
    entries += ima.list.entries;
    for (const [path, digests] of found.files) {
      if (ignore.some((p) => fits(p, path))) continue;
      files.set(path, new Set([...(files.get(path) ?? []), ...digests]));
    }
  }
  const listed = [...files].sort(([a], [b]) => (a < b ? -1 : 1));
  const ima: ImaPolicy = {
    files: listed.map(([path, digests]) => ({ path, digests: [...digests].sort() })),
    keys: [...keys],
    ignore: [...ignore],
    violations: ignoreViolations ? 'ignore' : 'refuse',
  };
  const why = [`${entries} entries; ${files.size} files by path and digest, ${keys.length} keys`];
  for (const pattern of ignore) why.push(`ignored: ${pattern}`);
  if (violations > 0) {
    const kept = ignoreViolations ? 'ignored' : 'refused; --ima-ignore-violations lets them pass';
    why.push(`${violations} violations, ${kept}`);
  }
  return { ima, why };
}
