/**
 * Writes denials. A refusal is a record like any other: durable before its answer leaves, sealed with the rest. Where
 * the log cannot take it, it goes to the journal of late decisions, and into the log when that can be written again.
 */

import type { Static } from 'typebox';
import { toHex, utf8 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
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
  return {
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
      if (code === 'STORAGE_UNAVAILABLE') {
        late.keep({ at, uid: caller.uid, body: { ...body, late: { decided: formatTime(at) } } });
        queueMicrotask(() => done(failed(), '', false));
        return;
      }
      const frame = newFrame({ log: origin, boot: input.run().boot }, at, random);
      const built = buildTrusted('denial', body, frame);
      const digest = toHex(built.recordDigest);
      const item = {
        entry: built.entry,
        id: built.id,
        uid: caller.uid,
        ...(disclosures.length === 0 ? {} : { opening: utf8(disclosures.join('~')) }),
      };
      input.recorder.submit(
        item,
        digest,
        'durable',
        () => undefined,
        (e) => done(e ?? failed({ id: built.id, digest }), '', false),
      );
    },
  };
}

/** Text as a record may hold it. */
export const sentence = (text: string): string =>
  text.replace(/\p{Cc}/gu, ' ').slice(0, 1024) || 'nothing can be decided';
