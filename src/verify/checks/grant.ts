/**
 * The grant behind an execution, judged again from the bundle (design §7): it is there with everything it rests on
 * (`grant-given`), each stands in the log before what rests on it (`grant-order`), it was live (`grant-window`), covers
 * the action (`grant-scope`), is bound to this caller (`grant-caller`), demands what the machine was
 * (`grant-environment`), and nobody had withdrawn it (`grant-revoked`).
 */
import { toHex } from '../../core/bytes.ts';
import type { JsonObject } from '../../core/json.ts';
import { parseTime } from '../../core/time.ts';
import { edgesOf } from '../../evidence/edges.ts';
import { type EntryFacts, type Evidence, entriesOf } from '../evidence.ts';
import { type Governance, type GrantEntry, governanceOf } from '../grant/chain.ts';
import { outside, stranger } from '../grant/scope.ts';
import { blocked, type CheckDefinition, fail, type Outcome, pass, unknown } from '../outcome.ts';

/** Runs a check over the governance of the record; what has none passes with the reason. */
export function governed(
  e: Evidence,
  judge: (g: Governance) => Outcome | Promise<Outcome>,
): Outcome | Promise<Outcome> {
  const g = governanceOf(e);
  if (!g.ok) return blocked(g);
  return typeof g.value === 'string' ? pass(g.value) : judge(g.value);
}

/** The same for an execution whose attempt and grants are there. */
function used(
  e: Evidence,
  judge: (u: {
    readonly attempt: NonNullable<Governance['execution']>;
    readonly grant: GrantEntry;
    readonly grants: readonly GrantEntry[];
  }) => Outcome,
): Outcome | Promise<Outcome> {
  return governed(e, ({ execution, attempt, grants }) => {
    if (execution === undefined || attempt === undefined) return pass('The record uses no grant.');
    if (!attempt.ok) return blocked(attempt);
    if (!grants.ok) return blocked(grants);
    const { authorization } = attempt.value.predicate;
    const [grant] = grants.value;
    if (authorization === 'ungoverned' || grant === undefined)
      return unknown('cannot be judged: the attempt says that it is ungoverned');
    return judge({ attempt: { ...attempt.value, authorization }, grant, grants: grants.value });
  });
}

/** Entries that the record rests on through references and parents in this log, named in any entry reached. */
function missing(e: Evidence, log: unknown): string[] {
  const entries = entriesOf(e);
  const byDigest = new Map(entries.map((x) => [toHex(x.digest), x]));
  const [record] = entries;
  const seen = new Set<EntryFacts>();
  const open = record === undefined ? [] : [record];
  const out: string[] = [];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (seen.has(at) || !at.statement.ok) continue;
    seen.add(at);
    const { predicate } = at.statement.value;
    for (const edge of edgesOf(predicate)) {
      // The chain of uses has a check of its own, and so has the history of policies the audit.
      if (edge.rel === 'usedAfter' || edge.rel === 'follows') continue;
      if (edge.log !== undefined && edge.log !== log) continue;
      const found = byDigest.get(edge.digest);
      if (found !== undefined) open.push(found);
      // Of an entry that the record merely rests on, only what decided it must be there.
      else if (at === record || 'delegation' in predicate || edge.id !== undefined) out.push(edge.rel);
    }
  }
  return out;
}

export const grantGiven: CheckDefinition = {
  id: 'grant-given',
  level: 1,
  run: (e) =>
    governed(e, ({ attempt, grants }) => {
      for (const part of [grants, ...(attempt === undefined ? [] : [attempt])]) {
        if (!part.ok) return part.absent ? unknown(`Not shown: ${part.why}.`) : fail(`Not so: ${part.why}.`);
      }
      const log = e.record.ok && e.record.value.statement.ok && e.record.value.statement.value.predicate.log;
      const out = missing(e, log);
      if (out.length > 0) return unknown(`Not shown: an entry named as ${out[0]} is not given.`);
      return pass('What the decision rests on is given, and each part is what it is named as.');
    }),
};

export const grantOrder: CheckDefinition = {
  id: 'grant-order',
  level: 1,
  run: (e) =>
    governed(e, () => {
      const entries = entriesOf(e);
      const byDigest = new Map(entries.map((x) => [toHex(x.digest), x]));
      for (const at of entries) {
        if (!at.statement.ok) continue;
        for (const { rel, digest, log } of edgesOf(at.statement.value.predicate)) {
          const before = byDigest.get(digest);
          if (before === undefined || (log !== undefined && log !== at.statement.value.predicate.log))
            continue;
          if (before.index >= at.index) {
            return fail(
              `Entry ${at.index} names entry ${before.index} as ${rel}, and that one does not stand before it.`,
            );
          }
        }
      }
      return pass('Everything that a decision rests on stands in the log before it.');
    }),
};

export const grantWindow: CheckDefinition = {
  id: 'grant-window',
  level: 1,
  run: (e) =>
    governed(e, ({ grants, attempt, execution }) => {
      if (!grants.ok) return blocked(grants);
      for (const { predicate: g, entry } of grants.value) {
        const length = parseTime(g.notAfter) - parseTime(g.notBefore);
        if (length !== g.seconds * 1000)
          return fail(`The window of ${entry.role} is not as long as was asked for.`);
      }
      const [grant] = grants.value;
      if (execution === undefined || attempt === undefined || grant === undefined)
        return pass('The window is as long as was asked for.');
      if (!attempt.ok) return blocked(attempt);
      const { notBefore, notAfter } = grant.predicate;
      const { time, authorization } = attempt.value.predicate;
      const checked = authorization === 'ungoverned' ? time : authorization.checkedAt;
      for (const t of [time, checked]) {
        if (parseTime(t) < parseTime(notBefore))
          return fail('The grant was not valid yet.', `from ${notBefore}`, t);
        if (parseTime(t) > parseTime(notAfter)) return fail('The grant had expired.', `until ${notAfter}`, t);
      }
      if (e.seal.ok && e.seal.value.header.timeMs < parseTime(notBefore))
        return fail('The seal is older than the window of the grant that it covers.');
      return pass(`The grant was live from ${notBefore} to ${notAfter}, and used at ${time}.`);
    }),
};

export const grantScope: CheckDefinition = {
  id: 'grant-scope',
  level: 1,
  run: (e) =>
    used(e, ({ attempt, grant }) => {
      const { _sd, ...plain } = (attempt.predicate.parameters ?? {}) as JsonObject;
      const why = outside(grant.predicate.scope, attempt.predicate.action, plain);
      return why === undefined
        ? pass('The scope of the grant covers what was done.')
        : fail(`The grant does not cover what was done: ${why}.`);
    }),
};

export const grantCaller: CheckDefinition = {
  id: 'grant-caller',
  level: 1,
  run: (e) =>
    used(e, ({ attempt, grant }) => {
      const why = stranger(grant.predicate.holder, attempt.predicate.caller.observed);
      return why === undefined
        ? pass('The caller is the one that the grant is bound to.')
        : fail(`Another caller used the grant: ${why}.`);
    }),
};

export const grantEnvironment: CheckDefinition = {
  id: 'grant-environment',
  level: 1,
  run: (e) =>
    used(e, ({ attempt, grants }) => {
      for (const { predicate } of grants) {
        const { pcrs, boot } = predicate.environment ?? {};
        if (boot !== undefined && attempt.predicate.boot !== boot)
          return fail('The grant is bound to another run than the one it was used in.');
        for (const [index, value] of Object.entries(pcrs?.sha256 ?? {})) {
          if (!e.pcrs.ok) return unknown(`The grant demands PCR ${index}, and no PCR values are given.`);
          const found = e.pcrs.value.sha256?.[index];
          if (found !== value)
            return fail(`PCR ${index} is not what the grant demands.`, value, found ?? 'not quoted');
        }
      }
      const sealed = grants.some(({ predicate }) => predicate.environment?.sealed);
      return pass(
        sealed
          ? 'The machine was what the grant demands; that the grant stood under a seal before its use is the word of the daemon.'
          : 'The machine was what the grant demands.',
      );
    }),
};

export const grantRevoked: CheckDefinition = {
  id: 'grant-revoked',
  level: 1,
  run: (e) =>
    used(e, ({ attempt, grants }) => {
      const digests = grants.map((g) => toHex(g.entry.digest));
      const withdrawn = e.related.find((x) => {
        if (!x.statement.ok || x.statement.value.kind !== 'revocation') return false;
        const { grant } = x.statement.value.predicate as { grant?: { digest?: unknown } };
        return x.index < attempt.entry.index && digests.includes(String(grant?.digest));
      });
      return withdrawn === undefined
        ? pass('No revocation from before the use is given.')
        : fail(`The grant was revoked by entry ${withdrawn.index} before it was used.`);
    }),
};
