/**
 * Writes denials. A refusal is a record like any other: durable before its answer leaves, sealed with the rest. Where
 * the log cannot take it, it goes to the journal of late decisions, and into the log when that can be written again.
 */

import type { Static } from 'typebox';
import { toHex } from '../../core/bytes.ts';
import { AttestdError, isAttestdError } from '../../core/errors.ts';
import { formatTime } from '../../core/time.ts';
import { type Body, buildTrusted, newFrame } from '../../evidence/record.ts';
import type { Parents, Trace } from '../../evidence/schema/execution.ts';
import type { DenialPredicate } from '../../evidence/schema/governance.ts';
import type { Caller } from '../caller.ts';
import type { MonotoneClock } from '../clock.ts';
import type { Recorded, Recorder } from '../recorder.ts';
import type { Run } from '../run.ts';
import type { Failing } from './conditions.ts';
import type { LateJournal } from './late.ts';
import { openingOf } from './opening.ts';

/** What was asked and refused. */
export interface Refused {
  readonly requested: DenialPredicate['requested'];
  readonly claimed?: DenialPredicate['caller']['claimed'];
  readonly policy?: DenialPredicate['policy'];
  readonly parents?: Static<typeof Parents>;
  readonly trace?: Static<typeof Trace>;
  /** Openings of what it withholds. */
  readonly disclosures?: readonly string[];
  readonly repeated?: number;
}

export interface Refusals {
  /** Records the denial, then calls `done` with the error that names it. */
  refuse(caller: Caller, what: Refused, why: Failing, done: Recorded): void;
  /** `done` for something that was allowed: where the log does not take it, that is a refusal too. */
  orRefuse(caller: Caller, what: () => Refused, done: Recorded): Recorded;
}

export interface RefusalsInput {
  readonly origin: string;
  readonly random: (n: number) => Uint8Array;
  readonly clock: MonotoneClock;
  readonly run: () => Run;
  readonly recorder: Recorder;
  readonly late: LateJournal;
  /** A denial was decided. */
  readonly onDenial: (code: Failing['code']) => void;
  readonly state: () => { readonly entries: number; readonly sealed: number };
}

export function createRefusals(input: RefusalsInput): Refusals {
  const { origin, random, clock, late } = input;
  const refusals: Refusals = {
    orRefuse: (caller, what, done) => (e, receipt, replayed) => {
      if (!isAttestdError(e, 'STORAGE_UNAVAILABLE')) done(e, receipt, replayed);
      else refusals.refuse(caller, what(), { code: 'STORAGE_UNAVAILABLE', condition: e.message }, done);
    },
    refuse(caller, what, { code, condition }, done) {
      const { requested, claimed, policy, parents, trace, disclosures = [], repeated } = what;
      const at = clock.now();
      input.onDenial(code);
      const body = {
        caller: { observed: caller.observed, ...(claimed === undefined ? {} : { claimed }) },
        requested,
        reason: code,
        condition: sentence(condition),
        state: input.state(),
        ...(policy === undefined ? {} : { policy }),
        ...(repeated === undefined ? {} : { repeated }),
        ...(parents === undefined ? {} : { parents }),
        ...(trace === undefined ? {} : { trace }),
      } as Body<'denial'>;
      const failed = (denial?: { id: string; digest: string }) =>
        new AttestdError(code, condition, denial === undefined ? {} : { denial });
      const keep = (): void => {
        late.keep({ at, uid: caller.uid, body: { ...body, late: { decided: formatTime(at) } } });
        done(failed(), '', false);
      };
      if (code === 'STORAGE_UNAVAILABLE') {
        queueMicrotask(keep);
        return;
      }
      const frame = newFrame({ log: origin, boot: input.run().boot }, at, random);
      const built = buildTrusted('denial', body, frame);
      const digest = toHex(built.recordDigest);
      const item = {
        entry: built.entry,
        id: built.id,
        uid: caller.uid,
        ...openingOf(disclosures),
      };
      input.recorder.submit(
        item,
        digest,
        'durable',
        () => undefined,
        (e) => {
          if (isAttestdError(e, 'STORAGE_UNAVAILABLE')) keep();
          else done(e ?? failed({ id: built.id, digest }), '', false);
        },
      );
    },
  };
  return refusals;
}

/** Text as a record may hold it. */
export const sentence = (text: string): string =>
  text.replace(/\p{Cc}/gu, ' ').slice(0, 1024) || 'nothing can be decided';
