/** Which removals an audit finds in order: announced below the bound, sealed, and by the run that announced it. */
import { expect, it } from 'vitest';
import type { Predicate } from '../../src/evidence/statement.ts';
import { Findings } from '../../src/verify/audit/findings.ts';
import { Removal } from '../../src/verify/audit/removal.ts';

type Step = ['gone', number] | ['says', number, number] | ['boot', number] | ['seal', number];
const gone = (index: number): Step => ['gone', index];
const says = (index: number, before: number): Step => ['says', index, before];
const boot = (index: number): Step => ['boot', index];
const seal = (size: number): Step => ['seal', size];

/** What is found; interrupted and gone on with before step `cut`. */
function found(steps: readonly Step[], cut = -1): number[] {
  let removal = new Removal();
  let run = 1;
  for (const [i, [what, index, before = 0]] of steps.entries()) {
    if (i === cut) {
      const kept = JSON.parse(JSON.stringify(removal.save()));
      removal = new Removal();
      removal.restore(kept);
    }
    if (what === 'gone') removal.take(index);
    else if (what === 'boot') run = index;
    else if (what === 'seal') removal.sealed(index, run);
    else removal.announce(index, run, { retention: { before } } as Predicate<'tombstone'>);
  }
  const findings = new Findings();
  removal.finish(findings);
  return findings.all.map((f) => (f.id === 'entry-removed' ? f.at : -1));
}

it.each<[string, Step[], number[]]>([
  ['nothing is gone', [seal(9)], []],
  ['announced and sealed', [gone(3), gone(5), says(8, 6), seal(9)], []],
  ['the bound is behind what is gone', [gone(3), gone(6), says(8, 6), seal(9)], [6]],
  ['never announced', [gone(3), seal(9)], [3]],
  ['announced and not sealed', [gone(3), seal(8), says(8, 6)], [3]],
  ['sealed up to the tombstone only', [gone(3), says(8, 6), seal(8)], [3]],
  ['sealed with a later one', [gone(3), says(8, 6), says(9, 2), seal(10)], []],
  ['by the run after it', [gone(3), says(8, 6), boot(9), seal(10)], [3]],
  ['by the run after it, which says less', [gone(3), says(8, 6), boot(9), says(10, 2), seal(11)], [3]],
  ['by the run after it, which says so itself', [gone(3), says(8, 6), boot(9), says(10, 4), seal(11)], []],
  ['announced for less', [says(2, 2), seal(3), gone(5), says(8, 4), seal(9)], [5]],
  ['of what stands behind it', [says(4, 9), seal(5), gone(6)], [6]],
])('%s', (_, steps, at) => {
  for (let cut = -1; cut < steps.length; cut++) expect([cut, found(steps, cut)]).toEqual([cut, at]);
});
