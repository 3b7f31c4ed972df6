/** `delegation`: a grant that was taken out of another is narrower in everything, and its holder's own doing. */
import { parseTime } from '../../core/time.ts';
import type { GrantEntry } from '../grant/chain.ts';
import { type Delegable, stranger, widens } from '../grant/scope.ts';
import { blocked, type CheckDefinition, fail, pass } from '../outcome.ts';
import { governed } from './grant.ts';

const measure = ({ predicate: g }: GrantEntry): Delegable => ({
  ...g,
  notBefore: parseTime(g.notBefore),
  notAfter: parseTime(g.notAfter),
});

export const delegation: CheckDefinition = {
  id: 'delegation',
  level: 1,
  run: (e) =>
    governed(e, ({ grants }) => {
      if (!grants.ok) return blocked(grants);
      for (const [i, child] of grants.value.entries()) {
        const parent = grants.value[i + 1];
        if (parent === undefined) break;
        const wide = widens(measure(child), measure(parent));
        if (wide !== undefined) return fail(`A delegated grant is wider than the one above it: ${wide}.`);
        if (child.predicate.maxUses !== child.predicate.delegation?.use.count)
          return fail('A delegated grant has other uses than were taken for it.');
        const other = stranger(parent.predicate.holder, child.predicate.caller.observed);
        if (other !== undefined) return fail(`A grant was delegated by another than its holder: ${other}.`);
      }
      const depth = grants.value.length - 1;
      return pass(depth < 1 ? 'Nothing was delegated.' : `Each of ${depth} delegations narrows.`);
    }),
};
