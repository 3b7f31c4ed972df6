/**
 * A CI step as SLSA provenance v1 (slsa.dev/spec/v1.0/provenance) in an in-toto Statement v1. All of it is derived from
 * two sealed records, the step's attempt and its end: it has no byte that a caller could choose beyond what they say, and
 * its predicate type keeps it from ever being taken for a record. What cannot be said honestly is refused by name.
 */
import { Check } from 'typebox/value';
import { equal, toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { type Json, jcsBytes } from '../../core/json.ts';
import { NS, PAYLOAD_TYPE, STATEMENT_TYPE } from '../../core/namespace.ts';
import { makeEntry, recordDigest } from '../dsse.ts';
import { CI_STEP, Files, Source } from '../schema/ci.ts';
import type { ExecutionPredicate } from '../schema/execution.ts';
import { readStatement, type StatementOf } from '../statement.ts';

export const SLSA_PROVENANCE = 'https://slsa.dev/provenance/v1';
/** How externalParameters and dependencies are to be read: `docs/clients.md`. */
export const CI_BUILD_TYPE: string = `${NS}/ci/v1`;

const refuse = (why: string) => new AttestdError('USAGE', why);

/**
 * The record digest of the attempt that a finished step names.
 * @param entry the step's end
 * @throws USAGE for a record of which there is no provenance: no step, not succeeded, without artefacts, withheld ones
 */
export function attemptOf(entry: Uint8Array): string {
  return finishedStep(entry).attempt;
}

function finishedStep(entry: Uint8Array): { step: StatementOf<'execution'>; attempt: string } {
  const statement = readStatement(entry);
  const { id } = statement.predicate;
  if (statement.kind !== 'execution' || statement.predicate.action.type !== CI_STEP) {
    throw refuse(`record ${id} is not of a CI step: attestctl ci makes those`);
  }
  const { phase, outcome, parents, log } = statement.predicate;
  if (phase !== 'completed' || outcome?.status !== 'succeeded') {
    throw refuse(`the step of record ${id} has not succeeded`);
  }
  if (statement.artefacts.length === 0) throw refuse(`record ${id} has no artefacts`);
  const withheld = statement.artefacts.find((a) => a.annotations !== undefined);
  if (withheld !== undefined) throw refuse(`record ${id} withholds the digest of ${withheld.name}`);
  const [attempt, ...more] = (parents ?? []).filter((p) => p.rel === 'completes');
  if (attempt === undefined || more.length > 0 || (attempt.log ?? log) !== log) {
    throw refuse(`record ${id} does not say which attempt it completes`);
  }
  return { step: statement, attempt: attempt.digest };
}

/**
 * What is to be signed: the PAE of the statement.
 * @param entry the step's end
 * @param attempted the entry that it completes
 * @param builder `attestd://<fleet>/<host>`
 * @throws USAGE when there is no provenance of this step, RECORD_TOO_LARGE
 */
export function slsaStatement(entry: Uint8Array, attempted: Uint8Array, builder: string): Uint8Array {
  const { step, attempt } = finishedStep(entry);
  const begun = readStatement(attempted);
  const end = step.predicate;
  if (
    toHex(recordDigest(attempted)) !== attempt ||
    begun.kind !== 'execution' ||
    !began(begun.predicate, end)
  ) {
    throw refuse(`record ${end.id} does not complete an attempt of the same process at the same step`);
  }
  if (end.caller.observed.startTicks === 'unreadable') {
    // A pid alone is given out again: two records of one pid may be of two processes.
    throw refuse(
      `record ${end.id} does not show when its process started, so not that it is the one that began`,
    );
  }
  const { predicate } = begun;
  const statement = {
    _type: STATEMENT_TYPE,
    subject: step.artefacts.map(({ name, digest }) => ({ name, digest })),
    predicateType: SLSA_PROVENANCE,
    predicate: {
      buildDefinition: {
        buildType: CI_BUILD_TYPE,
        externalParameters: {
          action: predicate.action,
          ...(predicate.caller.claimed === undefined ? {} : { claimed: predicate.caller.claimed }),
          ...(predicate.inputs === undefined ? {} : { withheldInputs: predicate.inputs._sd }),
        },
        internalParameters: { authorization: predicate.authorization },
        resolvedDependencies: dependencies(predicate),
      },
      runDetails: {
        builder: { id: builder },
        metadata: {
          invocationId: `execution:${predicate.id}`,
          startedOn: predicate.time,
          finishedOn: end.time,
        },
        byproducts: [byproduct(predicate.id, attempted), byproduct(end.id, entry)],
      },
    },
  };
  return makeEntry(jcsBytes(statement as unknown as Json));
}

/** Whether both records are of one process and one step, and do not contradict each other. */
function began(a: ExecutionPredicate, b: ExecutionPredicate): boolean {
  const of = ({ log, boot, action, caller: { observed: o } }: ExecutionPredicate) =>
    jcsBytes({ log, boot, action, uid: o.uid, pid: o.pid, startTicks: o.startTicks } as Json);
  const inputs = (p: ExecutionPredicate) => {
    const { source = null, files = null } = plainInputs(p);
    return jcsBytes({ source, files } as Json);
  };
  return (
    a.phase === 'attempted' && equal(of(a), of(b)) && (b.inputs === undefined || equal(inputs(a), inputs(b)))
  );
}

const plainInputs = ({ inputs }: ExecutionPredicate) =>
  (inputs ?? {}) as { readonly source?: unknown; readonly files?: unknown };

function dependencies(predicate: ExecutionPredicate): object[] {
  const { source, files = [] } = plainInputs(predicate);
  const { id } = predicate;
  if ((source !== undefined && !Check(Source, source)) || !Check(Files, files)) {
    throw refuse(`record ${id} names source or files otherwise than attestctl ci does`);
  }
  return [
    ...(source === undefined ? [] : [checkedOut(source)]),
    ...files.map(({ name, sha256 }) => ({ name, digest: { sha256 } })),
  ];
}

function checkedOut({ repository, commit, clean }: Source): object {
  const named =
    repository === undefined
      ? { name: 'source' }
      : repository.includes('://')
        ? { uri: `${repository.startsWith('git+') ? '' : 'git+'}${repository}@${commit}` }
        : { name: repository };
  return { ...named, digest: { gitCommit: commit }, annotations: { clean } };
}

const byproduct = (id: string, entry: Uint8Array) => ({
  name: `execution:${id}`,
  digest: { sha256: toHex(recordDigest(entry)) },
  mediaType: PAYLOAD_TYPE,
});
