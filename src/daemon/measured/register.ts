/**
 * Our own register, written ahead (design §6): read PCR → entry → fsync → extend → read back. Many events are announced
 * in one group, which costs one fdatasync; each is still extended from exactly the value that its entry names. After a
 * crash the value says how far the extends came, and the rest is made up for; a value that no entry leads to becomes a
 * `gap` entry, and the chain goes on from there.
 */
import { equal, toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { extended, measuredDigest } from '../../evidence/measured.ts';
import type { Body, BuiltRecord } from '../../evidence/record.ts';
import type { MeasuredEvent } from '../../evidence/schema/predicates.ts';
import { pcrExtend, readPcr } from '../../tpm/pcr.ts';
import type { Tpm } from '../../tpm/tpm.ts';
import type { Journal } from '../journal.ts';
import { OWN_UID, type TpmLife } from '../run.ts';
import type { Sequencer } from '../sequencer.ts';
import { type Circumstances, type Link, standing } from './chain.ts';
import type { Exclusive } from './exclusive.ts';
import type { MeasuredPlaces } from './places.ts';

/** A measurement in the log. */
export interface Measured {
  readonly id: string;
  readonly index: number;
  readonly recordDigest: Uint8Array;
  readonly entry: Uint8Array;
  readonly event: MeasuredEvent;
}

export interface MeasureOptions {
  /** Who asked for it. */
  readonly caller?: Body<'measurement'>['caller'];
  /** Owner of the entries. */
  readonly uid?: number;
}

export interface Register {
  readonly pcr: number;
  /** Index of the newest measurement; -1 before the first. */
  readonly newest: number;
  /** Makes up for extends that were announced and not made. To be called before a boot entry reads the registers. */
  settle(life: TpmLife): Promise<void>;
  /** Announces and extends, in order. @throws TPM_ERROR when others keep extending, and what TPM and store throw */
  measure(events: readonly MeasuredEvent[], o?: MeasureOptions): Promise<Measured[]>;
  /**
   * Holds a quoted value against the log: where it is another, that is recorded. Only inside of `exclusive`.
   * @returns whether it is what the entries lead to
   */
  agrees(value: string): Promise<boolean>;
}

export interface RegisterInput {
  readonly pcr: number;
  readonly tpm: Tpm;
  readonly exclusive: Exclusive;
  readonly sequencer: Pick<Sequencer, 'append'>;
  readonly places: MeasuredPlaces;
  readonly journal: Journal;
  /** Links of the newest life in the log, and that life. */
  readonly links: readonly Link[];
  readonly life: TpmLife | undefined;
  readonly sealedSize: () => number;
  /** The entry of this run. */
  readonly build: <K extends 'measurement' | 'gap'>(kind: K, body: Body<K>) => BuiltRecord;
}

/** How often others may extend in between before the daemon gives up. */
const TRIES = 8;

export function createRegister(input: RegisterInput): Register {
  const { pcr, tpm, exclusive, sequencer, places, journal } = input;
  let links = [...input.links];
  let life = input.life;
  /** What the register should hold; undefined before it was looked at. */
  let tail: Uint8Array | undefined = links.at(-1)?.after;

  function append(built: BuiltRecord, uid: number): Promise<number> {
    return new Promise((resolve, reject) => {
      sequencer.append({ entry: built.entry, id: built.id, uid }, (e, index) => {
        if (e !== null) reject(e);
        else {
          places.add(index);
          resolve(index);
        }
      });
    });
  }

  /** Records that the register holds `found`, and goes on from there. */
  async function writeGap(expected: Uint8Array, found: Uint8Array): Promise<void> {
    const measured = { register: pcr, expected: toHex(expected), found: toHex(found) };
    const detail = `PCR ${pcr} was extended or reset by somebody else than attestd`;
    const index = await append(input.build('gap', { reason: 'measurement', detail, measured }), OWN_UID);
    links.push({ index, prev: expected, after: found });
    tail = found;
    journal.warn('our own register holds something else than the log says: a gap was recorded', { pcr });
  }

  /** Announces events from `value` on, durably. */
  async function announce(events: readonly MeasuredEvent[], value: Uint8Array, o: MeasureOptions) {
    let prev = value;
    const caller = o.caller === undefined ? {} : { caller: o.caller };
    const work = events.map((event) => {
      const digest = measuredDigest(event);
      const after = extended(prev, digest);
      const body = { register: pcr, event, prev: toHex(prev), expected: toHex(after), ...caller };
      const built = input.build('measurement', body);
      const link = { prev, digest, after };
      prev = after;
      return append(built, o.uid ?? OWN_UID).then((index) => ({ event, built, link: { ...link, index } }));
    });
    const announced = await Promise.all(work);
    links.push(...announced.map((a) => a.link));
    return announced;
  }

  async function measure(events: readonly MeasuredEvent[], o: MeasureOptions): Promise<Measured[]> {
    const done: Measured[] = [];
    for (let tries = 0; tries < TRIES; tries++) {
      const value = await tpm.run((w) => readPcr(w, pcr));
      if (tail !== undefined && !equal(tail, value)) await writeGap(tail, value);
      tail = value;
      for (const { event, built, link } of await announce(events.slice(done.length), value, o)) {
        tail = links.at(-1)?.after;
        const { done: made } = await pcrExtend(tpm, pcr, link.prev, link.digest);
        // Somebody came in between: what is left was announced for another value, and is announced again.
        if (!made) break;
        done.push({
          id: built.id,
          index: link.index,
          recordDigest: built.recordDigest,
          entry: built.entry,
          event,
        });
      }
      if (done.length === events.length) return done;
    }
    throw new AttestdError('TPM_ERROR', `PCR ${pcr} is extended by somebody else all the time`);
  }

  async function settle(now: TpmLife): Promise<void> {
    const value = await tpm.run((w) => readPcr(w, pcr));
    const found = standing({ links, value, sealed: input.sealedSize(), life: since(life, now) });
    life = now;
    if (found.kind === 'begins') {
      links = [];
      tail = value;
    } else if (found.kind === 'redo') {
      for (const { prev, digest } of found.links) {
        if (digest === undefined || !(await pcrExtend(tpm, pcr, prev, digest)).done) break;
      }
      tail = links.at(-1)?.after;
      journal.warn('extends that were announced before the daemon ended were made up for', {
        pcr,
        extends: found.links.length,
      });
    } else tail = links.at(-1)?.after;
  }

  return {
    pcr,
    get newest() {
      return links.at(-1)?.index ?? -1;
    },
    settle: (now) => exclusive(() => settle(now)),
    measure: (events, o = {}) => exclusive(() => measure(events, o)),
    async agrees(value) {
      if (tail === undefined || toHex(tail) === value) return true;
      await writeGap(tail, Uint8Array.from(Buffer.from(value, 'hex')));
      return false;
    },
  };
}

function since(before: TpmLife | undefined, now: TpmLife): Circumstances['life'] {
  if (before === undefined || before.resetCount !== now.resetCount) return 'reset';
  return before.restartCount === now.restartCount ? 'same' : 'resumed';
}
