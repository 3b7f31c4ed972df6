/**
 * What the log says about itself when it is opened: its genesis, its newest anchor and its newest time. All of it is
 * checked against the AK, because between two runs the disk was anybody's: an anchor that the TPM did not certify
 * must not decide the counter rule.
 */
import { verify as verifySignature } from 'node:crypto';
import { equal, fromBase64, fromHex, ZERO32 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { parseTime } from '../core/time.ts';
import { anchorExtraData } from '../evidence/binding.ts';
import { recordDigest } from '../evidence/dsse.ts';
import { type Predicate, readStatement } from '../evidence/statement.ts';
import { ATTEST_MAGIC, ATTEST_NV, parseAttest } from '../evidence/tpm/attest.ts';
import { nvName } from '../evidence/tpm/nv.ts';
import { ecdsaP1363, parseSignature } from '../evidence/tpm/signature.ts';
import { printCheckpoint } from '../log/checkpoint.ts';
import { EMPTY_ROOT } from '../log/merkle.ts';
import type { Store } from '../store/store.ts';
import type { Key } from '../tpm/key.ts';
import { akAt, type Keys, recordKeyAt } from '../verify/keys.ts';
import { type Attestor, attestor } from '../verify/signed.ts';
import type { AnchorPoint } from './anchors.ts';

export interface Chronicle {
  readonly genesis: Predicate<'genesis'>;
  /** Newest anchor, or genesis; undefined where the log has no counter. */
  readonly anchor: AnchorPoint | undefined;
  /** Counter values announced after it. */
  readonly announced: readonly bigint[];
  /** Time of the newest entry, in milliseconds. */
  readonly newest: number;
}

/** The keys that the TPM holds for this host, by Name. */
export interface HostKeyNames {
  readonly ak: Pick<Key, 'name'>;
  readonly recordKey: Pick<Key, 'name'>;
}

/** Whether they are the ones in force at the end of the log. */
export function areInForce(keys: Keys, { ak, recordKey }: HostKeyNames, size: number): boolean {
  return equal(akAt(keys, size).name, ak.name) && equal(recordKeyAt(keys, size).key.name, recordKey.name);
}

const corrupt = (why: string) => new AttestdError('STORE_CORRUPT', why);

/** @throws STORE_CORRUPT for an entry that is not what it must be, TPM_KEY_LOST when the log belongs to other keys */
export function readChronicle(store: Store, keys: Keys, identity: HostKeyNames): Chronicle {
  const first = store.entry(0);
  const statement = readStatement(first);
  if (statement.kind !== 'genesis' || statement.predicate.log !== store.origin) {
    throw corrupt(`entry 0 is not the genesis of ${store.origin}`);
  }
  const genesis = statement.predicate;
  if (!areInForce(keys, identity, store.size)) {
    throw new AttestdError('TPM_KEY_LOST', 'the log belongs to other keys than this host has');
  }
  const newest = parseTime(readStatement(store.entry(store.size - 1)).predicate.time);
  if (genesis.counter === undefined) return { genesis, anchor: undefined, announced: [], newest };
  const anchor = newestAnchor(store, genesis, genesis.counter, recordDigest(first), keys);
  const announced = store.recovered.openIntents
    .filter((i) => i.kind === 'counter' && i.counter === anchor.counter)
    .map((i) => i.counter + 1n);
  return { genesis, anchor, announced, newest };
}

function newestAnchor(
  store: Store,
  genesis: Predicate<'genesis'>,
  counter: NonNullable<Predicate<'genesis'>['counter']>,
  genesisDigest: Uint8Array,
  keys: Keys,
): AnchorPoint {
  const name = nvName(fromBase64(counter.public));
  const marked = store.recovered.lastAnchor;
  if (marked === undefined) {
    const text = printCheckpoint({ origin: genesis.log, size: 0, root: EMPTY_ROOT });
    const value = certified(
      counter,
      anchorExtraData(ZERO32, text),
      name,
      attestor(keys.genesis, keys.genesis.ak),
    );
    if (value.toString() !== counter.value)
      throw corrupt('the genesis states another counter than it certifies');
    return { index: 0, counter: value, digest: genesisDigest, size: 0 };
  }
  const entry = store.entry(marked.index);
  const statement = readStatement(entry);
  if (statement.kind !== 'anchor')
    throw corrupt(`entry ${marked.index} is not the anchor that it is marked as`);
  const { prev, checkpoint, counter: stated } = statement.predicate;
  const root = fromBase64(checkpoint.root);
  if (checkpoint.size > marked.index || !equal(store.rootAt(checkpoint.size), root)) {
    throw corrupt(`the anchor at entry ${marked.index} certifies another log`);
  }
  const text = printCheckpoint({ origin: genesis.log, size: checkpoint.size, root });
  const by = attestor(keys.genesis, akAt(keys, marked.index));
  const value = certified(statement.predicate, anchorExtraData(fromHex(prev), text), name, by);
  if (value.toString() !== stated || value !== marked.counter) {
    throw corrupt(`the anchor at entry ${marked.index} states another counter than it certifies`);
  }
  return { index: marked.index, counter: value, digest: recordDigest(entry), size: checkpoint.size };
}

/** The counter value that the AK certified with this extraData. @throws STORE_CORRUPT when it did not */
function certified(
  c: { readonly attest: string; readonly signature: string },
  extraData: Uint8Array,
  name: Uint8Array,
  ak: Attestor,
): bigint {
  const attest = fromBase64(c.attest);
  const parsed = parseAttest(attest);
  const { attested } = parsed;
  const key = { key: Buffer.from(ak.spki), format: 'der', type: 'spki', dsaEncoding: 'ieee-p1363' } as const;
  const genuine =
    parsed.magic === ATTEST_MAGIC &&
    parsed.type === ATTEST_NV &&
    attested.kind === 'nv' &&
    attested.offset === 0 &&
    attested.contents.length === 8 &&
    equal(attested.indexName, name) &&
    equal(parsed.qualifiedSigner, ak.qualifiedName) &&
    equal(parsed.extraData, extraData) &&
    verifySignature('sha256', attest, key, ecdsaP1363(parseSignature(fromBase64(c.signature)), 32));
  if (!genuine || attested.kind !== 'nv') throw corrupt('an anchor in the log was not certified by the TPM');
  return new DataView(attested.contents.slice().buffer).getBigUint64(0);
}
