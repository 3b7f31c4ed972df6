/**
 * The audit of a whole log: every entry in its place, every root, every seal and anchor, the order of clocks and
 * counters, permissions that are used no oftener than they may be. It is fed entries and seals in the order in which they
 * became durable, and holds nothing that grows with the log but what may still be used. It trusts no tile and no index;
 * whose key the AK is, is the certificate's matter and not the log's.
 */
import { fromHex, toBase64, toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { recordDigest } from '../../evidence/dsse.ts';
import { MAX_KEY_CHANGES } from '../../evidence/schema/bundle.ts';
import { isHostKeychange } from '../../evidence/schema/keychange.ts';
import type { Kind, Predicate } from '../../evidence/statement.ts';
import { verifySignature } from '../../evidence/x509/signature.ts';
import { HASH_SIZE, leafHash } from '../../log/merkle.ts';
import { CompactRange } from '../../log/range.ts';
import { readGenesis } from '../gather.ts';
import { changeFault, type Keys, readKeyChange } from '../keys.ts';
import { type AnchorState, claimFault, firstAnchor, headFault, nextAnchor } from './anchors.ts';
import {
  type AuditCursor,
  CURSOR_SCHEMA,
  restoreKeys,
  restorePast,
  restoreSeal,
  savePast,
  saveSeal,
} from './cursor.ts';
import { readEntry } from './entry.ts';
import type { AuditReport } from './finding.ts';
import { Findings } from './findings.ts';
import { RecentHeads } from './heads.ts';
import { attributesFault, placeFault, workloadFault } from './keys.ts';
import { MeasuredRegister, measuredStep } from './measured.ts';
import { Removal } from './removal.ts';
import { beginRun, goesBack, type Run, recoveredBy } from './runs.ts';
import { NO_SEAL, type SealState, sealFaults } from './seals.ts';
import { shapeFault } from './shape.ts';
import type { Stretch } from './stretch.ts';
import { Uses } from './uses.ts';

export class Audit {
  readonly #heads: RecentHeads;
  readonly #findings = new Findings();
  readonly #kinds: Record<string, number> = {};
  /** Boot entries and anchors, oldest first: few, for a run has one boot and an anchor every quarter of an hour. */
  readonly #runs: Run[] = [];
  readonly #anchors: AnchorState[] = [];
  readonly #changes: { readonly index: number; readonly entry: Uint8Array }[] = [];
  #keys: Keys | undefined;
  #genesisEntry: Uint8Array | undefined;
  #origin = '';
  #time = '';
  #seal: SealState = NO_SEAL;
  #sealCount = 0;
  #recovered = 0;
  readonly #register = new MeasuredRegister();
  readonly #removal = new Removal();
  readonly #uses = new Uses();

  /** An audit from entry 0; `restore` makes one that goes on. */
  constructor(heads: RecentHeads = new RecentHeads(new CompactRange())) {
    this.#heads = heads;
  }

  get size(): number {
    return this.#heads.size;
  }

  /** Takes the next entry. */
  entry(bytes: Uint8Array): void {
    const index = this.#heads.size;
    this.#heads.append(leafHash(bytes));
    try {
      const { kind, predicate } = readEntry(bytes);
      this.#kinds[kind] = (this.#kinds[kind] ?? 0) + 1;
      const why = shapeFault(kind, predicate);
      if (why !== undefined) this.#found('entry-schema', index, why);
      else this.#place(index, bytes, kind as Kind, predicate as Predicate<Kind>);
    } catch (e) {
      this.#found('entry-form', index, (e as Error).message);
    }
  }

  /** Takes the leaf hash of an entry that was removed for its age: its place is checked, what it said cannot be. */
  removed(leaf: Uint8Array): void {
    this.#removal.take(this.#heads.size);
    this.#heads.append(leaf);
  }

  /**
   * Takes the next entries at once, as `readStretch` found them.
   * @returns false when they do not go on where the log stands: nothing was taken, each is to be looked at by itself
   */
  stretch(s: Stretch): boolean {
    if (s.first < this.#time || s.log !== this.#origin || s.boot !== this.#runs.at(-1)?.digest) return false;
    for (const [at, lease] of s.leased) {
      for (const [id, why] of this.#uses.execution(lease)) this.#found(id, this.#heads.size + at, why);
    }
    for (let i = 0; i < s.leaves.length; i += HASH_SIZE) {
      this.#heads.append(s.leaves.subarray(i, i + HASH_SIZE));
    }
    this.#kinds.execution = (this.#kinds.execution ?? 0) + s.leaves.length / HASH_SIZE;
    this.#time = s.last;
    return true;
  }

  #place(index: number, bytes: Uint8Array, kind: Kind, predicate: Predicate<Kind>): void {
    if ((index === 0) !== (kind === 'genesis')) {
      this.#found('genesis-place', index, 'genesis is entry 0, and only entry 0');
    }
    if (predicate.time < this.#time)
      this.#found('time-order', index, `${predicate.time} after ${this.#time}`);
    this.#time = predicate.time;
    if (kind === 'genesis') {
      this.#begin(bytes, predicate as Predicate<'genesis'>);
      return;
    }
    if (predicate.log !== this.#origin) this.#found('entry-log', index, `it names the log ${predicate.log}`);
    if (kind === 'boot') {
      this.#boot(index, bytes, predicate as Predicate<'boot'>);
      return;
    }
    const run = this.#runs.at(-1);
    if (run === undefined) {
      this.#found('boot-missing', index, 'no boot entry stands before it');
      return;
    }
    if ((predicate as { boot?: string }).boot !== run.digest) {
      this.#found('entry-run', index, 'it names another boot entry than that of its run');
    }
    const step = measuredStep(kind, predicate);
    if (kind === 'gap' && step === undefined) for (const a of this.#anchors.slice(-1)) a.gapSince = true;
    const fault = step === undefined ? undefined : this.#register.take(index, run, step);
    if (fault !== undefined) this.#found('measurement-chain', index, fault);
    if (kind === 'tombstone') this.#removal.announce(index, run.index, predicate as Predicate<'tombstone'>);
    const uses = this.#uses.take(kind, predicate, () => toHex(recordDigest(bytes)));
    for (const [id, why] of uses) this.#found(id, index, why);
    if (kind === 'keychange') this.#keychange(index, bytes, predicate as Predicate<'keychange'>, run);
    if (kind === 'anchor') this.#anchor(index, bytes, predicate as Predicate<'anchor'>);
  }

  #begin(bytes: Uint8Array, predicate: Predicate<'genesis'>): void {
    this.#origin = predicate.log;
    const genesis = readGenesis(predicate);
    this.#keys = { genesis, changes: [] };
    this.#genesisEntry = bytes;
    if (!predicate.log.endsWith(`/${predicate.epoch}`)) {
      this.#found('genesis-epoch', 0, 'the origin does not end in the epoch');
    }
    if (genesis.counter === undefined) return;
    const { state, claim } = firstAnchor(recordDigest(bytes), this.#origin, genesis.counter);
    this.#anchors.push(state);
    this.#findings.later(0, 'genesis-anchor', claimFault(this.#keys, 0, claim));
  }

  #boot(index: number, bytes: Uint8Array, predicate: Predicate<'boot'>): void {
    const run = beginRun(index, toHex(recordDigest(bytes)), predicate);
    const before = this.#runs.at(-1);
    const why = before === undefined ? undefined : goesBack(before, run);
    if (why !== undefined) this.#found('boot-clock', index, why);
    const recovered = recoveredBy(predicate, index, before, this.#seal.size);
    this.#recovered += recovered.count;
    if (recovered.fault !== undefined) this.#found('boot-recovered', index, recovered.fault);
    this.#runs.push(run);
  }

  #anchor(index: number, bytes: Uint8Array, predicate: Predicate<'anchor'>): void {
    const keys = this.#keys;
    const last = this.#anchors.at(-1);
    if (keys === undefined || last === undefined) {
      this.#found('anchor-order', index, 'genesis names no counter');
      return;
    }
    const { state, claim, fault } = nextAnchor(index, recordDigest(bytes), this.#origin, predicate, last);
    if (fault !== undefined) this.#found('anchor-order', index, fault);
    const wrong = headFault(this.#heads, index, predicate);
    if (wrong !== undefined) this.#found('anchor-head', index, wrong);
    this.#anchors.push(state);
    this.#findings.later(index, 'anchor-signature', claimFault(keys, index, claim));
  }

  #keychange(index: number, bytes: Uint8Array, predicate: Predicate<'keychange'>, run: Run): void {
    const keys = this.#keys;
    const entry = this.#genesisEntry;
    if (keys === undefined || entry === undefined) return;
    if (!isHostKeychange(predicate)) {
      this.#findings.later(
        index,
        'workload-key',
        workloadFault(verifySignature, keys, this.#origin, index, predicate),
      );
      return;
    }
    const change = readKeyChange(index, recordDigest(bytes), predicate, fromHex(predicate.prev.digest));
    const place = placeFault(keys, recordDigest(entry), run, change);
    if (place !== undefined) this.#found('key-order', index, place);
    const attributes = attributesFault(change);
    if (attributes !== undefined) this.#found('key-attributes', index, attributes);
    this.#findings.later(index, 'key-succession', changeFault(verifySignature, keys, this.#origin, change));
    this.#keys = { ...keys, changes: [...keys.changes, change].slice(-MAX_KEY_CHANGES) };
    this.#changes.push({ index, entry: bytes });
    if (this.#changes.length > MAX_KEY_CHANGES) this.#changes.shift();
  }

  /** Takes the next seal: a checkpoint note whose entries came before. */
  async seal(note: Uint8Array): Promise<void> {
    await this.#findings.settle();
    this.#sealCount++;
    const keys = this.#keys;
    if (keys === undefined) return this.#found('seal-form', 0, 'a seal before genesis');
    const { state, faults } = await sealFaults(note, {
      origin: this.#origin,
      keys,
      previous: this.#seal,
      verify: verifySignature,
      rootAt: (size) => this.#heads.rootAt(size),
      runAt: (size) => this.#runs.findLast((r) => r.index < size),
      // The anchor in genesis is over the empty log and counts as none.
      anchorAt: (size) => this.#anchors.findLast((a) => a.index > 0 && a.index < size)?.value ?? 0n,
    });
    for (const f of faults) this.#found(f.id, f.at, f.sentence);
    if (state !== undefined) this.#seal = state;
    this.#removal.sealed(this.#seal.size, this.#runs.at(-1)?.index ?? 0);
  }

  /** Everything needed to go on later, as JSON; about 350 kB and what may still be used. Settles what is pending first. */
  async save(): Promise<AuditCursor> {
    await this.#findings.settle();
    return {
      schema: CURSOR_SCHEMA,
      genesis: this.#genesisEntry === undefined ? '' : toBase64(this.#genesisEntry),
      keyChanges: this.#changes.map(({ index, entry: e }) => ({ index, entry: toBase64(e) })),
      heads: this.#heads.save(),
      ...savePast(this.#runs, this.#anchors),
      seal: saveSeal(this.#seal),
      sealCount: this.#sealCount,
      time: this.#time,
      recovered: this.#recovered,
      kinds: { ...this.#kinds },
      ...this.#register.save(),
      ...this.#removal.save(),
      ...this.#uses.save(),
      findings: [...this.#findings.all],
    };
  }

  /** Goes on from a cursor. @throws MALFORMED when it is not one of this version */
  static restore(cursor: AuditCursor): Audit {
    if (cursor.schema !== CURSOR_SCHEMA) throw new AttestdError('MALFORMED', 'not the cursor of an audit');
    const audit = new Audit(RecentHeads.restore(cursor.heads));
    const past = restoreKeys(cursor);
    audit.#genesisEntry = past?.genesis;
    audit.#origin = past?.origin ?? '';
    audit.#changes.push(...(past?.changes ?? []));
    audit.#keys = past?.keys;
    const { runs, anchors } = restorePast(cursor);
    audit.#runs.push(...runs);
    audit.#anchors.push(...anchors);
    audit.#seal = restoreSeal(cursor.seal);
    audit.#sealCount = cursor.sealCount;
    audit.#time = cursor.time;
    audit.#recovered = cursor.recovered;
    Object.assign(audit.#kinds, cursor.kinds);
    audit.#register.restore(cursor);
    audit.#removal.restore(cursor);
    audit.#uses.restore(cursor);
    audit.#findings.restore(cursor.findings);
    return audit;
  }

  /** Ends the audit. */
  async finish(): Promise<AuditReport> {
    await this.#findings.settle();
    const size = this.#heads.size;
    if (size === 0) this.#found('genesis-place', 0, 'the log is empty');
    this.#removal.finish(this.#findings);
    return {
      schema: 'attestd.dev/audit/v1',
      verdict:
        this.#findings.all.length > 0 ? 'rejected' : this.#sealCount === 0 ? 'indeterminate' : 'verified',
      origin: this.#origin,
      entries: size,
      root: toBase64(this.#heads.range.root()),
      seals: this.#sealCount,
      runs: this.#runs.length,
      anchors: this.#anchors.length,
      kinds: this.#kinds,
      sealed: this.#seal.size,
      recovered: this.#recovered,
      foreign: this.#register.foreign,
      removed: this.#removal.count,
      findings: this.#findings.all,
    };
  }

  #found(id: string, at: number, sentence: string): void {
    this.#findings.found(id, at, sentence);
  }
}
