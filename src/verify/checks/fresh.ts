/**
 * The quote over an auditor's nonce. `fresh-nonce`, `fresh-quote`, `fresh-extradata`: it is by the certified key, made for
 * this nonce, over the newest seal. `fresh-clock`: after that seal, in the same run. `fresh-anchor`, `fresh-counter`: the
 * counter stands where the newest anchor of the log left it, so no newer state of this log was anchored (design §6).
 */
import { equal, toHex } from '../../core/bytes.ts';
import { freshCounterExtraData, freshExtraData } from '../../evidence/binding.ts';
import { sealDigest } from '../../evidence/seal.ts';
import { ATTEST_MAGIC, ATTEST_QUOTE } from '../../evidence/tpm/attest.ts';
import { printCheckpoint } from '../../log/checkpoint.ts';
import { verifyConsistency } from '../../log/consistency.ts';
import { anchorFault, counterFault } from '../anchored.ts';
import { akOf, attestors, leafOf } from '../evidence.ts';
import type { FreshEvidence } from '../fresh.ts';
import {
  attempt,
  blocked,
  type CheckDefinition,
  derive,
  fail,
  type Outcome,
  pass,
  together,
  unknown,
} from '../outcome.ts';
import { akQualifiedName, attestSigned } from '../signed.ts';

type Run = (f: FreshEvidence) => Outcome | Promise<Outcome>;

function freshNonce(nonce: Uint8Array): Run {
  return (f) => {
    if (!f.nonce.ok) return blocked(f.nonce);
    return equal(f.nonce.value, nonce)
      ? pass('The answer is to the nonce that was asked.')
      : fail('The answer is to another nonce.', toHex(nonce), toHex(f.nonce.value));
  };
}

const freshQuote: Run = async (f) => {
  if (!f.quote.ok)
    return f.state.format.ok ? fail(`The quote cannot be read: ${f.quote.why}.`) : blocked(f.quote);
  const parts = together({ leaf: leafOf(f.state), genesis: f.state.genesisFacts, ak: akOf(f.state) });
  if (!parts.ok) return blocked(parts);
  const { bytes, attest, signature } = f.quote.value;
  if (attest.magic !== ATTEST_MAGIC) return fail('The quote was not made by a TPM.');
  if (attest.type !== ATTEST_QUOTE) return fail('What stands as quote is another structure.');
  const name = attempt(() => akQualifiedName(parts.value.genesis, parts.value.ak));
  if (!name.ok || !equal(name.value, attest.qualifiedSigner))
    return fail('Another key than the one in force signed.');
  const why = await attestSigned(f.state.verify, parts.value.leaf, bytes, signature);
  return why === undefined
    ? pass('The certified attestation key signed the quote.')
    : fail(`The quote is not signed by the certified attestation key: ${why}.`);
};

const freshExtradata =
  (nonce: Uint8Array): Run =>
  (f) => {
    const parts = together({ quote: f.quote, line: f.state.sealLine, note: f.state.note });
    if (!parts.ok) return blocked(parts);
    const { quote, line, note } = parts.value;
    const wanted = attempt(() => freshExtraData(nonce, sealDigest(line.signature), note.text));
    if (!wanted.ok) return fail(`The nonce is none: ${wanted.why}.`);
    return equal(wanted.value, quote.attest.extraData)
      ? pass('The quote commits to the nonce, the newest seal and its checkpoint.')
      : fail('The quote commits to something else.', toHex(wanted.value), toHex(quote.attest.extraData));
  };

const freshClock: Run = (f) => {
  const parts = together({ quote: f.quote, seal: f.state.attest });
  if (!parts.ok) return blocked(parts);
  const now = parts.value.quote.attest.clockInfo;
  const then = parts.value.seal.clockInfo;
  const sameRun = now.resetCount === then.resetCount && now.restartCount === then.restartCount;
  const back =
    now.resetCount < then.resetCount ||
    (now.resetCount === then.resetCount && now.restartCount < then.restartCount) ||
    (sameRun && now.clock < then.clock);
  if (back) return fail('The quote was made before the seal that it commits to.');
  return sameRun
    ? pass('The quote was made after the seal, in the same run of the TPM.')
    : unknown('The TPM was reset or suspended since the seal.');
};

const freshAnchor: Run = async (f) => {
  const { state } = f;
  const parts = together({
    genesis: state.genesisFacts,
    checkpoint: state.checkpoint,
    seal: state.seal,
    attestor: attestors(state),
  });
  if (!parts.ok) return blocked(parts);
  const { genesis, checkpoint, seal, attestor } = parts.value;
  if (genesis.counter === undefined) return unknown('This log has no monotonic counter.');
  if (!state.anchor.ok) {
    if (!state.anchor.absent) return blocked(state.anchor);
    return seal.header.anchorCtr === 0n
      ? pass('Nothing was anchored since genesis.')
      : fail('The seal knows an anchor that is not given.', '0', `${seal.header.anchorCtr}`);
  }
  const { facts, consistency, entry } = state.anchor.value;
  if (!facts.ok) return fail(`The anchor cannot be read: ${facts.why}.`);
  const anchor = facts.value;
  if (seal.header.anchorCtr !== anchor.counter) {
    return fail(
      'The anchor is not the newest that the seal knows.',
      `${seal.header.anchorCtr}`,
      `${anchor.counter}`,
    );
  }
  if (!verifyConsistency(anchor.checkpoint, checkpoint, consistency)) {
    return fail('The anchored checkpoint is not the beginning of the sealed tree.');
  }
  const text = printCheckpoint({ origin: checkpoint.origin, ...anchor.checkpoint });
  const { certified, previous, counter: value } = anchor;
  const why = await anchorFault(state.verify, attestor(entry.index), genesis, {
    certified,
    previous,
    text,
    value,
  });
  return why === undefined
    ? pass(`The newest anchor of the log has the value ${value}.`)
    : fail(`The newest anchor does not hold: ${why}.`);
};

const freshCounter =
  (nonce: Uint8Array): Run =>
  async (f) => {
    const { state } = f;
    const parts = together({
      genesis: state.genesisFacts,
      line: state.sealLine,
      note: state.note,
      seal: state.seal,
      attestor: attestors(state),
      checkpoint: state.checkpoint,
    });
    if (!parts.ok) return blocked(parts);
    const { genesis, line, note, seal, attestor, checkpoint } = parts.value;
    if (genesis.counter === undefined) return unknown('This log has no monotonic counter.');
    if (!f.counter.ok) {
      return f.counter.absent
        ? unknown('The counter is not certified over the nonce.')
        : fail(`The certified counter cannot be read: ${f.counter.why}.`);
    }
    const certified = f.counter.value;
    const { attested } = certified.attest;
    if (attested.kind !== 'nv' || attested.contents.length !== 8)
      return fail('What stands as counter is none.');
    const value = attested.contents.reduce((n, x) => (n << 8n) | BigInt(x), 0n);
    const extraData = derive(f.quote, () =>
      freshCounterExtraData(nonce, sealDigest(line.signature), note.text),
    );
    if (!extraData.ok) return blocked(extraData);
    const why = await counterFault(state.verify, attestor(checkpoint.size), genesis, {
      certified,
      extraData: extraData.value,
      value,
    });
    if (why !== undefined) return fail(`The certification of the counter does not hold: ${why}.`);
    const newest = seal.header.anchorCtr === 0n ? genesis.counter.value : seal.header.anchorCtr;
    if (value < newest) return fail('The counter stands below the newest anchor.', `${newest}`, `${value}`);
    return value === newest
      ? pass(`The counter stands at ${value}, as the newest anchor left it: nothing newer was anchored.`)
      : unknown(
          `The counter stands at ${value}, beyond the newest anchor (${newest}): something newer may exist.`,
        );
  };

/** The checks on the quote over this nonce. */
export function freshChecks(nonce: Uint8Array): { id: string; level: CheckDefinition['level']; run: Run }[] {
  return [
    { id: 'fresh-nonce', level: 1, run: freshNonce(nonce) },
    { id: 'fresh-quote', level: 1, run: freshQuote },
    { id: 'fresh-extradata', level: 1, run: freshExtradata(nonce) },
    { id: 'fresh-clock', level: 3, run: freshClock },
    { id: 'fresh-anchor', level: 4, run: freshAnchor },
    { id: 'fresh-counter', level: 4, run: freshCounter(nonce) },
  ];
}
