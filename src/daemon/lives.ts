/**
 * The epoch table at work (design §6): whether the TPM of now can be the one that made the newest seal of this log, by
 * `between` of verify/life. Where it cannot (its state was put back), records go on, for what is lost in silence helps
 * nobody, but nothing is granted any more: the break is written behind the boot entry of every run after it, so a start
 * of the daemon forgets it as little as an auditor does. Only another epoch mends it.
 */
import type { Body } from '../evidence/record.ts';
import { readStatement } from '../evidence/statement.ts';
import type { Store } from '../store/store.ts';
import { akAt, type Keys } from '../verify/keys.ts';
import { between, type Sighting } from '../verify/life.ts';
import { attestor } from '../verify/signed.ts';
import { entryIfKept } from './reader.ts';
import { readSealed } from './vouch.ts';

/** The `reason` of a gap that says so. */
const BREAK = 'epoch-break';

export interface Lives {
  /** Why the TPM cannot be the one that sealed this log; undefined while it can. */
  readonly broken: string | undefined;
  /** Holds the TPM as a new run finds it against the newest seal. @throws STORE_CORRUPT for a seal of another TPM */
  meet(now: Sighting): void;
}

/** What the log says of a break. */
export const epochBreak = (why: string): Body<'gap'> => ({ reason: BREAK, detail: why });

/** The break that the last run of this log carries on. */
function carried(store: Store): string | undefined {
  const index = (store.recovered.lastBoot?.index ?? store.size) + 1;
  if (index >= store.size) return undefined;
  // What retention removes is never a gap.
  const entry = entryIfKept(store, index);
  if (entry === undefined) return undefined;
  const { kind, predicate } = readStatement(entry);
  return kind === 'gap' && predicate.reason === BREAK ? predicate.detail : undefined;
}

export function openLives(store: Store, keys: () => Keys): Lives {
  let broken = carried(store);
  return {
    get broken() {
      return broken;
    },
    meet(now) {
      const seal = store.lastSeal();
      if (seal === undefined) return;
      const { genesis } = keys();
      const { attest } = readSealed(seal.note, attestor(genesis, akAt(keys(), seal.size)));
      const before = { ...attest.clockInfo, firmwareVersion: attest.firmwareVersion };
      const { verdict, why = '' } = between(before, now);
      if (verdict === 'fail') broken ??= why;
    },
  };
}
