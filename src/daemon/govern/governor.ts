/**
 * Governed execution in the daemon: grants, leases, approvals, revocations and the policy in force, on the engine of
 * one run. The rules that the verifier derives again live in verify/grant; here is what only the host knows.
 */
import { toBase64, toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { formatTime } from '../../core/time.ts';
import { buildEntry, buildTrusted, newFrame } from '../../evidence/record.ts';
import type { ObservedCaller } from '../../evidence/schema/execution.ts';
import type { Ref } from '../../evidence/schema/field.ts';
import type { ApprovalRequest, ExecutionRequest, GrantRequest } from '../../evidence/schema/governed.ts';
import type { RecordRequest } from '../../evidence/schema/request.ts';
import type { Caller } from '../caller.ts';
import type { Journal } from '../journal.ts';
import type { Recorded, Wait } from '../recorder.ts';
import { OWN_UID } from '../run.ts';
import type { Sequencer } from '../sequencer.ts';
import { createAsking } from './asking.ts';
import { startBelated } from './belated.ts';
import { createEnding, type Ending } from './ending.ts';
import { askedBy, askOf, attribution, find, type House } from './house.ts';
import type { LateJournal } from './late.ts';
import { loadPolicies, type PolicySet, schemaDigest } from './policies.ts';
import { createUsing } from './using.ts';

export interface Governor {
  /** Asks for a grant. May throw for a request that makes no sense; refusals come through `done`. */
  ask(caller: Caller, request: GrantRequest, wait: Wait, done: Recorded): void;
  begin(caller: Caller, request: ExecutionRequest, wait: Wait, done: Recorded): void;
  readonly complete: Ending['complete'];
  /** A record in one step that uses the grant it names. */
  once(caller: Caller, request: RecordRequest, wait: Wait, done: Recorded): void;
  approve(caller: Caller, request: ApprovalRequest, wait: Wait, done: Recorded): void;
  revoke(caller: Caller, id: string, reason: string | undefined, wait: Wait, done: Recorded): void;
  /** A grant or denial with its state. @throws NOT_FOUND */
  show(caller: Caller, id: string): Record<string, unknown>;
  /** Loads the policies again; where they are broken the old ones stay, and it says so. */
  reload(): Promise<void>;
}

/** The policy set in force, between the house and who changes it. */
export interface InForce {
  current: { readonly set: PolicySet; readonly change: Ref } | undefined;
}

export interface GovernorInput {
  readonly house: House;
  readonly inForce: InForce;
  readonly sequencer: Sequencer;
  readonly late: LateJournal;
  readonly journal: Journal;
  readonly onGap: () => void;
}

/** Ends what was open, writes what was decided late, brings the policy into force. */
export async function startGovernor(input: GovernorInput): Promise<Governor> {
  const { house, inForce, sequencer, journal } = input;
  const { ledger, log, clock, settings } = house;
  const ask = createAsking(house);
  const using = createUsing(house);
  const ending = createEnding(house);
  const frame = () => newFrame({ log: house.origin, boot: house.run().boot }, clock.now(), house.random);
  const buckets = new Map<number, { tokens: number; at: number; refused: number; told: number }>();

  await ending.interrupt();
  await startBelated({ late: input.late, sequencer, frame, journal, onGap: input.onGap });
  await reload();

  async function reload(): Promise<void> {
    if (settings.directory === '') return;
    let set: PolicySet;
    try {
      set = await loadPolicies(settings.directory, settings.keys);
    } catch (e) {
      journal.error('the policies are not taken; those in force stay', { error: e });
      return;
    }
    const { policy } = ledger;
    const same =
      policy?.predicate.policy.sha256 === set.sha256 &&
      policy.predicate.policy.engine === set.decider.engine &&
      policy.predicate.key === toBase64(set.key);
    if (same && policy !== undefined) {
      inForce.current = { set, change: policy.ref };
      return;
    }
    const body = {
      policy: { id: set.id, sha256: set.sha256, engine: set.decider.engine },
      schema: schemaDigest(),
      manifest: toBase64(set.manifest),
      signature: toBase64(set.signature),
      key: toBase64(set.key),
      ...(policy === undefined ? {} : { previous: policy.ref }),
    };
    const built = buildEntry('policychange', body, frame());
    const ref = { id: built.id, digest: toHex(built.recordDigest) };
    const index = await sequencer.appendOne({ entry: built.entry, id: built.id, uid: OWN_UID });
    ledger.take(index, OWN_UID, ref, 'policychange', body);
    inForce.current = { set, change: ref };
    journal.info('a policy set is in force', {
      id: set.id,
      sha256: set.sha256,
      policies: set.decider.policies,
    });
  }

  /** Whether this caller asks too often; the first refusal of each second is a denial, and counts the others. */
  function tooOften(caller: Caller, request: GrantRequest, done: Recorded): boolean {
    const now = clock.now();
    const rate = settings.grants_per_second;
    const b = buckets.get(caller.uid) ?? { tokens: rate, at: now, refused: 0, told: 0 };
    if (buckets.size > 4096) buckets.clear();
    buckets.set(caller.uid, b);
    b.tokens = Math.min(rate, b.tokens + ((now - b.at) / 1000) * rate);
    b.at = now;
    if (b.tokens >= 1) {
      b.tokens--;
      return false;
    }
    const condition = `this caller asks for more than ${rate} grants a second`;
    if (now - b.told < 1000) {
      b.refused++;
      queueMicrotask(() => done(new AttestdError('RATE_LIMITED', condition, { retryAfter: 1 }), '', false));
      return true;
    }
    const ask = askOf(request, caller.observed as ObservedCaller);
    const requested = { what: 'grant' as const, ask };
    const repeated = b.refused;
    b.told = now;
    b.refused = 0;
    house.refusals.refuse(
      caller,
      { requested, ...(repeated === 0 ? {} : { repeated }) },
      { code: 'RATE_LIMITED', condition },
      done,
    );
    return true;
  }

  /** Whether the policy lets this caller approve what a denial says was asked. */
  function mayApprove(caller: Caller, rows: GrantRequest['scope'], like: GrantRequest): boolean {
    const policy = inForce.current;
    return (
      policy !== undefined &&
      rows.every(
        (row) =>
          policy.set.decider.decide({
            action: 'approve',
            observed: caller.observed as ObservedCaller,
            claimed: {},
            row,
            parameters: {},
            ask: like,
            forAnother: true,
            approvers: [],
            environment: house.environment(),
            log: { continuous: true, sealAge: 0 },
            lineage: { parents: 0, delegated: false },
            now: clock.now(),
          }).permitted,
      )
    );
  }

  return {
    reload,
    ask(caller, request, wait, done) {
      if (!tooOften(caller, request, done)) ask(caller, request, wait, done);
    },
    begin: using.begin,
    complete: ending.complete,
    once: using.once,
    approve(caller, request, wait, done) {
      const denial = find(log, request.request, 'denial');
      const rows = denial?.predicate.requested.ask;
      if (denial === undefined || rows === undefined)
        throw new AttestdError('NOT_FOUND', `there is no denial ${request.request} of a grant`);
      const asker = denial.predicate.caller.observed.uid;
      const requested = { what: 'approval' as const, ask: rows };
      const failing =
        house.conditions() ??
        attribution(caller.observed as ObservedCaller) ??
        (caller.uid === asker || caller.uid === rows.holder.uid
          ? {
              code: 'IDENTITY_MISMATCH' as const,
              condition: 'who asks for a grant, or holds it, cannot approve it',
            }
          : undefined) ??
        (mayApprove(caller, rows.scope, rows)
          ? undefined
          : { code: 'POLICY_DENY' as const, condition: 'the policy does not let this caller approve it' });
      if (failing !== undefined) {
        house.refusals.refuse(caller, { requested }, failing, done);
        return;
      }
      const built = buildEntry(
        'approval',
        {
          caller: askedBy(caller, undefined),
          request: denial.ref,
          notAfter: formatTime(clock.now() + request.seconds * 1000),
          ...(request.comment === undefined ? {} : { comment: request.comment }),
        },
        frame(),
      );
      const item = { entry: built.entry, id: built.id, uid: caller.uid };
      house.recorder.submit(item, toHex(built.recordDigest), wait, () => undefined, done);
    },
    revoke(caller, id, reason, wait, done) {
      const grant = ledger.grants.get(id);
      const may =
        grant !== undefined && (caller.admin || grant.uid === caller.uid || grant.asker === caller.uid);
      if (grant === undefined || !may)
        throw new AttestdError('NOT_FOUND', `there is no live grant ${id} of yours`);
      const body = {
        caller: askedBy(caller, undefined),
        grant: grant.ref,
        ...(reason === undefined ? {} : { reason }),
      };
      const built = buildTrusted('revocation', body as never, frame());
      // Good for nothing from now on, whether or not the record comes about.
      ledger.grants.withdraw(grant);
      const item = { entry: built.entry, id: built.id, uid: caller.uid };
      const ref = { id: built.id, digest: toHex(built.recordDigest) };
      const durable = (e: Error | null, index: number): void => {
        if (e === null) ledger.take(index, item.uid, ref, 'revocation', body);
      };
      house.recorder.submit(item, ref.digest, wait, durable, done);
    },
    show(caller, id) {
      const live = ledger.grants.get(id);
      const ended = ledger.grants.ended(id);
      // As it is in the log: what the ledger keeps of a live one is what was asked, without place and time.
      const grant = find(log, id, 'grant');
      const mine = (uid: number, asker: number) => caller.admin || caller.uid === uid || caller.uid === asker;
      if (grant !== undefined && mine(grant.uid, grant.predicate.caller.observed.uid)) {
        const { predicate, ref } = grant;
        const expired = Date.parse(predicate.notAfter) < clock.now();
        const state = expired
          ? 'expired'
          : live?.revoked
            ? 'revoked'
            : live === undefined
              ? (ended?.how ?? 'ended')
              : live.used < live.predicate.maxUses
                ? 'live'
                : 'used';
        const { used } = live ?? ended ?? {};
        return {
          kind: 'grant',
          ...ref,
          state,
          ...(used === undefined ? {} : { used }),
          grant: predicate,
        };
      }
      const denial = find(log, id, 'denial');
      const rows = denial?.predicate.requested.ask;
      const visible =
        denial !== undefined &&
        (mine(denial.uid, denial.uid) || (rows !== undefined && mayApprove(caller, rows.scope, rows)));
      if (!visible) throw new AttestdError('NOT_FOUND', `there is no grant ${id} of yours`);
      return { kind: 'denial', ...denial.ref, denial: denial.predicate };
    },
  };
}
