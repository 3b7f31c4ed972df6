/**
 * Records of others that entered this log. `import-record`: what the entry says of the import agrees with itself: its
 * subject is the CER that it describes, and it claims no more than the checks that it names. `import-content`: the CER
 * itself, where the bundle discloses it, checked again from the bytes; without it, what the host found is the host's word.
 */
import { toBase64Url } from '../../core/bytes.ts';
import { type Json, jcs } from '../../core/json.ts';
import { disclosureDigest, parseDisclosure } from '../../evidence/disclosure.ts';
import { judgeCer } from '../../evidence/import/judge.ts';
import { type NodeKey, sameNodeKey } from '../../evidence/import/node.ts';
import type { ImportPredicate } from '../../evidence/schema/import.ts';
import { IMPORTED } from '../../evidence/statement.ts';
import type { Evidence, StatementFacts } from '../evidence.ts';
import { attempt, blocked, type CheckDefinition, fail, type Outcome, pass, unknown } from '../outcome.ts';

interface Imported {
  readonly statement: StatementFacts;
  readonly predicate: ImportPredicate;
}

/** The import that the record is; undefined for a record of another kind. */
export function importOf(e: Evidence): Imported | undefined {
  if (!e.record.ok || !e.record.value.statement.ok) return undefined;
  const statement = e.record.value.statement.value;
  if (statement.kind !== 'import') return undefined;
  return { statement, predicate: statement.predicate as unknown as ImportPredicate };
}

/** In a few words, for sentences. */
function proofOf(p: ImportPredicate): string {
  if (p.assertedBy === undefined) return 'integrity alone: nobody signed it';
  const by = `key ${p.assertedBy.kid} of the node ${p.assertedBy.nodeId}`;
  return p.proved === 'node-signed'
    ? `that ${by} signed its hash and content`
    : `integrity alone: ${by} signed a receipt of its hash, and no envelope over its content`;
}

export const importRecord: CheckDefinition = {
  id: 'import-record',
  level: 1,
  run: (e, trust) => {
    if (!e.record.ok) return blocked(e.record);
    if (!e.record.value.statement.ok) return blocked(e.record.value.statement);
    const found = importOf(e);
    if (found === undefined) return pass('The record imports nothing.');
    const { statement, predicate: p } = found;
    const [subject] = statement.artefacts;
    if (subject?.name !== IMPORTED || `sha256:${subject.digest.sha256}` !== p.source.certificateHash) {
      return fail('The subject of the import is another CER than the one that it describes.');
    }
    const { receipt, envelope, record } = p.checks;
    if (
      (p.assertedBy !== undefined) !== (receipt === 'pass') ||
      (envelope === 'pass' && receipt !== 'pass')
    ) {
      return fail('The import names a node without its signatures, or signatures without their node.');
    }
    if ((p.proved === 'node-signed') !== (envelope === 'pass')) {
      return fail('The import claims more or less than the checks that it names.', envelope, p.proved);
    }
    if ((record === 'pass') !== (p.parents?.some((x) => x.rel === 'derivedFrom') === true)) {
      return fail('The import says that a record of this log was compared, and names none.');
    }
    const key = p.assertedBy;
    if (key !== undefined && trust.nodeKeys?.some((k) => sameNodeKey(k, key)) === false) {
      return fail(
        'The node that signed the CER is not one whose key the trust file has.',
        undefined,
        key.kid,
      );
    }
    return pass(`The import of the CER of ${p.source.executionId} says that it proves ${proofOf(p)}.`);
  },
};

export const importContent: CheckDefinition = {
  id: 'import-content',
  level: 1,
  requiredBy: () => false,
  concerns: (e) => importOf(e) !== undefined,
  run: async (e) => {
    const found = importOf(e);
    if (found === undefined) return unknown('The record imports nothing.');
    if (!e.disclosures.ok) return blocked(e.disclosures);
    const { predicate: p } = found;
    const text = e.disclosures.value.find((d) => toBase64Url(disclosureDigest(d)) === p.inputs._sd[0]);
    if (text === undefined) {
      return unknown('The CER itself is not in the bundle: what the host found in it is its word.');
    }
    const opening = attempt(() => parseDisclosure(text));
    if (!opening.ok) return blocked(opening);
    return contentAgrees(p, opening.value.name, opening.value.value);
  },
};

async function contentAgrees(p: ImportPredicate, name: string, value: Json): Promise<Outcome> {
  if (name !== 'cer' || typeof value !== 'string') return fail('What the import withholds is no CER.');
  const keys: NodeKey[] = p.assertedBy === undefined ? [] : [p.assertedBy];
  const again = await judgeCer(value, keys);
  if (!again.ok) return fail(`The CER does not hold: ${again.why}.`, undefined, again.fault);
  const { cer, proved, receipt, envelope, assertedBy } = again;
  const { attestationId, attestedAt } = p.assertedBy ?? {};
  const says = jcs([
    p.source,
    p.proved,
    p.checks.receipt,
    p.checks.envelope,
    [attestationId ?? '', attestedAt ?? ''],
  ]);
  const is = jcs([
    {
      certificateHash: cer.certificateHash,
      protocolVersion: cer.protocolVersion,
      executionId: cer.executionId,
      createdAt: cer.createdAt,
      uncovered: [...cer.uncovered],
    },
    proved,
    receipt,
    envelope,
    [assertedBy?.attestationId ?? '', assertedBy?.attestedAt ?? ''],
  ]);
  if (says !== is) return fail('The CER is another than the one that the record describes.', says, is);
  return pass(`The CER was checked again from its bytes, and proves ${proofOf(p)}.`);
}
