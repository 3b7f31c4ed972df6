/**
 * Continuity (design: level 4). `anchor-certified`: the counter was certified over a checkpoint that covers the record,
 * and before that over one that does not. `anchor-step`: the value went up by exactly one in between, so no other
 * history fits between the two. `anchor-consistency`: both checkpoints are beginnings of the sealed tree.
 */
import { equal, toHex } from '../../core/bytes.ts';
import { printCheckpoint } from '../../log/checkpoint.ts';
import { verifyConsistency } from '../../log/consistency.ts';
import { anchorFault } from '../anchored.ts';
import { type AnchorFacts, attestors, type Evidence } from '../evidence.ts';
import {
  blocked,
  broken,
  type CheckDefinition,
  fail,
  got,
  type Part,
  pass,
  together,
  unknown,
} from '../outcome.ts';
import { orWitnessed } from './witness.ts';

/** The pair of anchors; the predecessor is absent where that is genesis. */
function pairOf(e: Evidence): Part<{ covering: AnchorFacts; previous?: AnchorFacts }> {
  if (!e.anchor.ok) return e.anchor;
  if (!e.anchor.value.facts.ok) return e.anchor.value.facts;
  const covering = e.anchor.value.facts.value;
  if (!e.previousAnchor.ok) return e.previousAnchor.absent ? got({ covering }) : e.previousAnchor;
  const { facts } = e.previousAnchor.value;
  return facts.ok ? got({ covering, previous: facts.value }) : facts;
}

const NO_ANCHOR = 'No anchor that covers the record is given.';

export const anchorCertified: CheckDefinition = {
  id: 'anchor-certified',
  level: 4,
  run: async (e) => {
    if (!e.anchor.ok && e.anchor.absent) return orWitnessed(e, unknown(NO_ANCHOR));
    const pair = pairOf(e);
    if (!pair.ok && e.anchor.ok) return fail(`An anchor cannot be read: ${pair.why}.`);
    const parts = together({
      pair,
      record: e.record,
      genesisEntry: e.genesis,
      genesis: e.genesisFacts,
      checkpoint: e.checkpoint,
      attestor: attestors(e),
    });
    if (!parts.ok) return blocked(parts);
    const { record, genesis, genesisEntry, checkpoint, attestor } = parts.value;
    const { covering, previous } = parts.value.pair;
    if (genesis.counter === undefined) return fail('An anchor is given, but genesis names no counter.');
    const before = e.previousAnchor.ok ? e.previousAnchor.value.entry.digest : genesisEntry.digest;
    if (!equal(covering.previous, before)) {
      return fail(
        'The anchor names another predecessor than the one given.',
        toHex(before),
        toHex(covering.previous),
      );
    }
    if (covering.checkpoint.size <= record.index) return fail('The anchor does not cover the record.');
    if (previous !== undefined && previous.checkpoint.size > record.index) {
      return fail('The anchor before covers the record already: this is not the first that does.');
    }
    const given = [
      ...(previous === undefined || !e.previousAnchor.ok
        ? []
        : [{ anchor: previous, at: e.previousAnchor.value.entry.index }]),
      ...(e.anchor.ok ? [{ anchor: covering, at: e.anchor.value.entry.index }] : []),
    ];
    for (const { anchor, at } of given) {
      const text = printCheckpoint({ origin: checkpoint.origin, ...anchor.checkpoint });
      const { certified, counter: value } = anchor;
      const why = await anchorFault(e.verify, attestor(at), genesis, {
        certified,
        previous: anchor.previous,
        text,
        value,
      });
      if (why !== undefined) return fail(`The anchor of value ${value} does not hold: ${why}.`);
    }
    return pass(`The counter was certified as ${covering.counter} over a checkpoint that covers the record.`);
  },
};

export const anchorStep: CheckDefinition = {
  id: 'anchor-step',
  level: 4,
  run: (e) => {
    if (!e.anchor.ok && e.anchor.absent) return orWitnessed(e, unknown(NO_ANCHOR));
    const parts = together({ pair: pairOf(e), genesis: e.genesisFacts, seal: e.seal });
    if (!parts.ok) return blocked(parts);
    const { pair, genesis, seal } = parts.value;
    const before = pair.previous?.counter ?? genesis.counter?.value;
    if (before === undefined) return orWitnessed(e, unknown('This log has no monotonic counter.'));
    const { counter } = pair.covering;
    if (seal.header.anchorCtr < counter) {
      return fail(
        'The seal knows an older anchor than the tree that it covers.',
        `${counter} or more`,
        `${seal.header.anchorCtr}`,
      );
    }
    if (counter <= before)
      return fail('The counter did not go up between the anchors.', `above ${before}`, `${counter}`);
    return counter === before + 1n
      ? pass(`The counter went from ${before} to ${counter}: nothing else was anchored in between.`)
      : orWitnessed(
          e,
          unknown(
            `The counter went from ${before} to ${counter}: what was anchored in between is not shown.`,
          ),
        );
  },
};

export const anchorConsistency: CheckDefinition = {
  id: 'anchor-consistency',
  level: 4,
  run: (e) => {
    if (!e.anchor.ok && e.anchor.absent) return orWitnessed(e, unknown(NO_ANCHOR));
    const parts = together({ pair: pairOf(e), anchor: e.anchor, checkpoint: e.checkpoint });
    if (!parts.ok) return blocked(parts);
    const { anchor, checkpoint } = parts.value;
    const given = [anchor, ...(e.previousAnchor.ok ? [e.previousAnchor.value] : [])];
    for (const { facts, consistency, entry } of given) {
      const from: Part<AnchorFacts['checkpoint']> = facts.ok
        ? got(facts.value.checkpoint)
        : broken(facts.why);
      if (!from.ok) return blocked({ why: from.why });
      if (!verifyConsistency(from.value, checkpoint, consistency)) {
        return fail(`The checkpoint of ${entry.role} is not the beginning of the sealed tree.`);
      }
      if (entry.index < from.value.size)
        return fail(`${entry.role} stands inside the checkpoint that it anchors.`);
    }
    return pass('The anchored checkpoints are beginnings of the sealed tree.');
  },
};
