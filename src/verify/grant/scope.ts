/**
 * What a scope covers, and whether one scope lies within another. The daemon decides by these functions and the
 * verifier decides again by them, so that there is one reading of a scope (design §7).
 */
import type { Json, JsonObject } from '../../core/json.ts';
import type { Asked, Constraint, ScopeRow } from '../../evidence/schema/governance.ts';

/** What is done. */
export interface Act {
  readonly type: string;
  readonly name: string;
  readonly target?: string;
}

const open = (pattern: string): boolean => pattern.endsWith('*');
const stem = (pattern: string): string => (open(pattern) ? pattern.slice(0, -1) : pattern);

function matches(pattern: string, value: string): boolean {
  return open(pattern) ? value.startsWith(stem(pattern)) : value === pattern;
}

/** Whether everything that `inner` stands for, `outer` stands for too. */
function within(inner: string, outer: string): boolean {
  return open(outer) ? stem(inner).startsWith(stem(outer)) : inner === outer;
}

/** Why the scope does not cover the act with these plain parameters; undefined when a row does. */
export function outside(scope: readonly ScopeRow[], act: Act, plain: JsonObject): string | undefined {
  const named = scope.filter((row) => namesAct(row, act));
  if (named.length === 0) return 'no row of the scope covers this action and target';
  const wrong: string[] = [];
  for (const row of named) {
    const name = Object.entries(row.parameters ?? {}).find(([n, c]) => !meets(plain, n, c))?.[0];
    if (name === undefined) return undefined;
    wrong.push(name);
  }
  return `the plain parameter ${wrong[0]} is not what the scope demands`;
}

function namesAct(row: ScopeRow, act: Act): boolean {
  if (!matches(row.type, act.type) || !matches(row.name, act.name)) return false;
  if (row.target === undefined) return act.target === undefined;
  return row.target === '*' || (act.target !== undefined && matches(row.target, act.target));
}

function meets(plain: JsonObject, name: string, c: Constraint): boolean {
  if (!Object.hasOwn(plain, name)) return false;
  return allows(c, plain[name] as Json);
}

function allows(c: Constraint, value: Json): boolean {
  if ('oneOf' in c) return c.oneOf.some((v) => v === value);
  if (typeof value !== 'number') return false;
  if ('min' in c && value < c.min) return false;
  return !('max' in c && value > c.max);
}

/** Whether every act that `inner` covers, `outer` covers too. */
export function scopeWithin(inner: readonly ScopeRow[], outer: readonly ScopeRow[]): boolean {
  return inner.every((row) => outer.some((o) => rowWithin(row, o)));
}

function rowWithin(inner: ScopeRow, outer: ScopeRow): boolean {
  if (!within(inner.type, outer.type) || !within(inner.name, outer.name)) return false;
  if (outer.target !== '*') {
    if (inner.target === undefined || outer.target === undefined) {
      if (inner.target !== outer.target) return false;
    } else if (!within(inner.target, outer.target)) return false;
  }
  return Object.entries(outer.parameters ?? {}).every(([name, c]) => {
    const own = inner.parameters;
    return own !== undefined && Object.hasOwn(own, name) && constraintWithin(own[name] as Constraint, c);
  });
}

function constraintWithin(inner: Constraint, outer: Constraint): boolean {
  if ('oneOf' in inner) return inner.oneOf.every((v) => allows(outer, v));
  if ('oneOf' in outer) return false;
  if ('min' in outer && !('min' in inner && inner.min >= outer.min)) return false;
  return !('max' in outer) || ('max' in inner && inner.max <= outer.max);
}

/** What a grant leaves to be delegated, as far as narrowing is asked about. */
export interface Delegable extends Pick<Asked, 'scope' | 'holder' | 'delegable' | 'environment'> {
  readonly notBefore: number;
  readonly notAfter: number;
}

/** How `child` is wider than the grant that it was taken out of; undefined when it is not. */
export function widens(child: Delegable, parent: Delegable): string | undefined {
  if (parent.delegable === undefined) return 'the grant above does not allow delegation';
  if ((child.delegable?.depth ?? 0) >= parent.delegable.depth) return 'it may be delegated further than that';
  if (!scopeWithin(child.scope, parent.scope)) return 'its scope is wider';
  if (child.notBefore < parent.notBefore || child.notAfter > parent.notAfter) return 'its window is longer';
  // It is there to be handed to somebody else; what that one executes stays what it was.
  const { exeSha256 } = parent.holder;
  if (exeSha256 !== undefined && child.holder.exeSha256 !== exeSha256)
    return 'it is not bound to the executable';
  const needs = parent.environment ?? {};
  const has = child.environment ?? {};
  const pcrs = Object.entries(needs.pcrs?.sha256 ?? {});
  if (pcrs.some(([i, v]) => has.pcrs?.sha256[i] !== v)) return 'it demands less of the machine';
  if (needs.boot !== undefined && has.boot !== needs.boot) return 'it is not bound to the run';
  if (needs.sealed === true && has.sealed !== true) return 'it need not be sealed';
  return undefined;
}

/** How a caller differs from the one that a grant is bound to; undefined when it does not. */
export function stranger(
  holder: Asked['holder'],
  caller: {
    readonly uid: number;
    readonly unit?: string;
    readonly cgroup: string;
    readonly exe: { readonly path: string; readonly sha256: string } | 'unreadable';
  },
): string | undefined {
  if (caller.uid !== holder.uid) return `uid ${caller.uid}, and the grant is for uid ${holder.uid}`;
  if (holder.unit !== undefined && caller.unit !== holder.unit)
    return `unit ${caller.unit ?? 'none'}, and the grant is for ${holder.unit}`;
  if (holder.cgroup !== undefined && caller.cgroup !== holder.cgroup)
    return `control group ${caller.cgroup}, and the grant is for ${holder.cgroup}`;
  if (holder.exeSha256 !== undefined) {
    const runs = caller.exe === 'unreadable' ? 'unreadable' : caller.exe.sha256;
    if (runs !== holder.exeSha256) return `executable ${runs}, and the grant is for ${holder.exeSha256}`;
  }
  return undefined;
}
