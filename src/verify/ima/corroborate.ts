/**
 * Whether the kernel bears out what the daemon says of a file that it loaded. A daemon that measures itself can lie if it
 * was replaced; the kernel's quoted list cannot be, by the same means. It bears a file out only where nothing in the list
 * leaves room for another: no violation, whose name nothing covers; no other digest under the path; and no program that
 * the auditor does not know, because that could have been the one that ran.
 */
import { choose, machineOf } from '../appraisal/choose.ts';
import type { Evidence } from '../evidence.ts';
import type { Trust } from '../trust.ts';

/** Why the list does not bear out that this file had this content (SHA-256 in hex); undefined where it does. */
export type Doubt = (path: string, sha256: string) => string | undefined;

/** What the list of this evidence bears out, under the policies of this trust file. */
export function doubtsOf(e: Evidence, trust: Trust): Doubt {
  const all = doubtAll(e, trust);
  if (all !== undefined) return () => all;
  return (path, sha256) => {
    const found = e.ima.digests(path);
    if (found.size === 0) return 'the IMA list does not name it';
    if (found.size > 1) return 'the IMA list has another content under its path too';
    return found.has(`sha256:${sha256}`) ? undefined : 'the IMA list has another content under its path';
  };
}

function doubtAll(e: Evidence, trust: Trust): string | undefined {
  const { list } = e.ima;
  if (list.state === 'none') return 'no IMA list is given';
  if (list.state !== 'led') return 'the IMA list is not shown to be the one of the quote';
  if (list.violations > 0) return 'the IMA list has violations, whose names nothing covers';
  const machine = machineOf(e);
  if (!machine.ok) return machine.why;
  const judged = choose(machine.value, trust).filter(({ policy }) => policy.ima !== undefined);
  if (judged.length === 0) return 'no policy of the trust file speaks of IMA';
  const known = judged.some(({ findings }) =>
    findings.every((f) => f.section !== 'ima' || f.verdict === 'allowed' || f.verdict === 'ignored'),
  );
  return known ? undefined : 'the IMA list has files that no policy knows';
}
