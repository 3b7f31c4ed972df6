/**
 * How an attempt ends: `complete` by the process that began it, and by no other (design §7); `interrupt` where its run is
 * over. One attempt has one end, so what is sent again under its Idempotency-Key is answered by that end.
 */
import { toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { jcs } from '../../core/json.ts';
import { authorizationText } from '../../evidence/grant.ts';
import type { Authorization, ObservedCaller } from '../../evidence/schema/execution.ts';
import type { CompletionRequest } from '../../evidence/schema/governed.ts';
import type { RecordRequest } from '../../evidence/schema/request.ts';
import type { Caller } from '../caller.ts';
import type { Idempotency } from '../idempotency.ts';
import { NOWHERE, type Recorded, type Recorder, type Wait } from '../recorder.ts';
import type { Failing } from './conditions.ts';
import { attribution, find, type House } from './house.ts';
import type { OpenAttempt } from './ledger.ts';
import { openingOf } from './opening.ts';

export interface Ending {
  /** @param idempotency what the caller sends again with the same key and body is answered as it was */
  complete(
    caller: Caller,
    id: string,
    request: CompletionRequest,
    wait: Wait,
    idempotency: Idempotency | undefined,
    done: Recorded,
  ): void;
  /** Ends what a run before this one left open. */
  interrupt(): Promise<void>;
}

/** A request under a key. */
interface Keyed {
  readonly idempotency: Idempotency;
  /** Told once what became of it. */
  readonly settle: Parameters<Parameters<Recorder['once']>[3]>[0];
}

/** Interrupted attempts that are written at once. */
const TOGETHER = 512;

export function createEnding(house: House): Ending {
  const { ledger, log, clock, recorder } = house;

  /** Writes the end of an attempt. */
  function end(
    attempt: OpenAttempt,
    caller: { readonly uid: number; readonly observedJcs: string },
    request: RecordRequest,
    wait: Wait,
    done: Recorded,
    keyed?: Keyed,
  ): void {
    attempt.ending = true;
    const { authorization } = attempt.predicate;
    const { id, entry, disclosures, recordDigest } = (() => {
      try {
        const text = authorizationText(authorization as Authorization);
        return house.run().write(request, caller.observedJcs, clock.now(), text);
      } catch (e) {
        attempt.ending = false;
        throw e;
      }
    })();
    const digest = toHex(recordDigest);
    const { opening } = openingOf(disclosures);
    const item = { id, entry, uid: caller.uid, opening, idempotency: keyed?.idempotency };
    const durable = (e: Error | null, index: number): void => {
      if (e === null) ledger.close(attempt.ref.id);
      else attempt.ending = false;
      keyed?.settle(e, e === null ? { id, digest, index, log: house.origin, entry } : NOWHERE);
    };
    recorder.submit(item, digest, wait, durable, done);
  }

  const completes = (a: OpenAttempt) => ({ rel: 'completes' as const, digest: a.ref.digest });

  function complete(
    caller: Caller,
    id: string,
    request: CompletionRequest,
    wait: Wait,
    done: Recorded,
    keyed?: Keyed,
  ): void {
    const attempt = ledger.attempt(id);
    const own = attempt ?? find(log, id, 'execution');
    if (own === undefined || !(caller.admin || own.uid === caller.uid))
      throw new AttestdError('NOT_FOUND', `there is no attempt ${id} of yours`);
    if (attempt === undefined || attempt.ending)
      throw new AttestdError('EXISTS', `the attempt ${id} has come to an end before`);
    const begun = attempt.predicate.caller.observed;
    const now = caller.observed as ObservedCaller;
    const same =
      begun.uid === now.uid &&
      begun.pid === now.pid &&
      begun.startTicks === now.startTicks &&
      // The same object on the same connection; else what was observed is compared.
      (begun.exe === now.exe || jcs(begun.exe) === jcs(now.exe));
    const failing: Failing | undefined =
      attribution(now) ??
      (same ? undefined : { code: 'IDENTITY_MISMATCH', condition: 'another process began this execution' });
    const { action } = attempt.predicate;
    if (failing !== undefined) {
      const requested = { what: 'completion' as const, action, attempt: attempt.ref };
      house.refusals.refuse(caller, { requested }, failing, (e, text, replayed) => {
        keyed?.settle(e, NOWHERE);
        done(e, text, replayed);
      });
      return;
    }
    const parents = [completes(attempt), ...(request.parents ?? [])];
    end(attempt, caller, { phase: 'completed', action, ...request, parents }, wait, done, keyed);
  }

  return {
    complete(caller, id, request, wait, idempotency, done) {
      if (idempotency === undefined) complete(caller, id, request, wait, done);
      else {
        const first = (settle: Keyed['settle']) =>
          complete(caller, id, request, wait, done, { idempotency, settle });
        recorder.once(caller.uid, idempotency, wait, first, done);
      }
    },
    async interrupt() {
      const open = [...ledger.attempts];
      // Many at a time share a sync of the disk: a caller that never completes must not hold up the next start.
      for (let i = 0; i < open.length; i += TOGETHER) {
        const ended = open.slice(i, i + TOGETHER).map((attempt) => {
          const observedJcs = jcs(attempt.predicate.caller.observed);
          const { action } = attempt.predicate;
          const request: RecordRequest = { phase: 'interrupted', action, parents: [completes(attempt)] };
          return new Promise<void>((resolve, reject) => {
            end(attempt, { uid: attempt.uid, observedJcs }, request, 'durable', (e) =>
              e === null ? resolve() : reject(e),
            );
          });
        });
        await Promise.all(ended);
      }
    },
  };
}
