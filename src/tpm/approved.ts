/**
 * A key that its TPM lets sign only in a state that the operator approved: PolicyPCR under PolicyAuthorize, and the auth
 * value of the key besides (TPM 2.0 Part 1 §19.7). Approvals are files in a directory, read at each use, so a new one
 * counts at once and none is needed for anything else that the TPM does.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AttestdError, isAttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import {
  approvalMessage,
  approvalRef,
  approvedPolicy,
  approvedSelection,
  approvesFor,
  isSignedApproval,
  MAX_STATE_APPROVAL,
  operatorPublic,
  parseStateApproval,
  type StateApproval,
} from '../evidence/stateapproval.ts';
import { ALG_SHA256 } from '../evidence/tpm/algorithm.ts';
import { pcrDigest, printPcrSelections } from '../evidence/tpm/pcr.ts';
import { printSignature } from '../evidence/tpm/signature.ts';
import type { CommandOptions, PolicySession } from '../native/tpm.ts';
import { isRc, RC } from './fault.ts';
import { readSmall } from './file.ts';
import { readValues } from './pcr.ts';
import type { Tpm } from './tpm.ts';
import type { RunOptions, Work } from './work.ts';

/** Most approvals that are looked at, by name. */
const MAX_APPROVALS = 64;
/** Uses that somebody else's extend may spoil before it is given up. */
const TRIES = 5;

/** What binds a key, and how its last use went. */
export interface Binding {
  /** authPolicy of the key. */
  readonly policy: Uint8Array;
  /** Directory of the approvals. */
  readonly approvals: string;
  /** Undefined before the first use; a sentence where the state was not approved. */
  last?: { readonly approved: boolean; readonly why?: string };
}

/** What a directory of approvals has for a key. */
export interface Approvals {
  readonly valid: readonly StateApproval[];
  /** Why others are none. */
  readonly others: readonly string[];
}

/**
 * The approvals of a directory that are for a key of this policy. Read before the turn at the TPM is taken, which is not
 * held for a disk.
 */
export async function readApprovals({
  policy,
  approvals,
}: Pick<Binding, 'policy' | 'approvals'>): Promise<Approvals> {
  const names = await readdir(approvals).catch((e: NodeJS.ErrnoException) => {
    if (e.code === 'ENOENT') return [];
    throw new AttestdError('RECORD_KEY_UNAPPROVED', `${approvals} cannot be read: ${e.code}`, { cause: e });
  });
  const valid: StateApproval[] = [];
  const others: string[] = [];
  const files = names.filter((n) => n.endsWith('.json')).sort();
  for (const name of files.slice(0, MAX_APPROVALS)) {
    const read = await readOne(join(approvals, name), policy);
    if (typeof read === 'string') others.push(`${name}: ${read}`);
    else valid.push(read);
  }
  if (files.length > MAX_APPROVALS)
    others.push(`${files.length - MAX_APPROVALS} files more than are looked at`);
  return { valid, others };
}

async function readOne(path: string, policy: Uint8Array): Promise<StateApproval | string> {
  try {
    const bytes = await readSmall(path, MAX_STATE_APPROVAL);
    if (bytes === null) return 'it is gone';
    const approval = parseStateApproval(bytes);
    if (!approvesFor(approval, policy))
      return 'it is by another operator, or for another fleet, than the key was made for';
    return (await isSignedApproval(approval)) ? approval : 'its signature does not hold';
  } catch (e) {
    if (isAttestdError(e)) return e.message;
    return (e as NodeJS.ErrnoException).code ?? 'it cannot be read';
  }
}

/** The same for a use, which has ended where they cannot be read. @throws RECORD_KEY_UNAPPROVED */
export async function approvalsFor(binding: Binding): Promise<Approvals> {
  try {
    return await readApprovals(binding);
  } catch (e) {
    throw noted(binding, e);
  }
}

function noted(binding: Binding, e: unknown): unknown {
  if (isAttestdError(e, 'RECORD_KEY_UNAPPROVED')) binding.last = { approved: false, why: e.message };
  return e;
}

/**
 * Uses a bound key in a state that is approved.
 * @param found what `approvalsFor` gave
 * @param use the command, with the session that authorises it
 * @throws RECORD_KEY_UNAPPROVED
 */
export async function inApprovedState<T>(
  w: Work,
  binding: Binding,
  found: Approvals,
  use: (o: CommandOptions) => Promise<T>,
): Promise<T> {
  try {
    const done = await tryUse(w, binding, found, use);
    binding.last = { approved: true };
    return done;
  } catch (e) {
    throw noted(binding, e);
  }
}

async function tryUse<T>(
  w: Work,
  binding: Binding,
  found: Approvals,
  use: (o: CommandOptions) => Promise<T>,
): Promise<T> {
  for (let i = 1; ; i++) {
    const approval = await fitting(w, found, binding.approvals);
    const session = await openPolicy(w);
    try {
      await satisfy(w, session, approval);
      return await use({ ...w.plain(), auth: session });
    } catch (e) {
      // Somebody extended a register meanwhile, perhaps none of those approved: the values say what it was.
      const moved = isRc(e, RC.PCR_CHANGED) || isRc(e, RC.VALUE) || isRc(e, RC.POLICY_FAIL);
      if (!moved || i === TRIES) throw e;
    } finally {
      await w.ctx.flush(session).catch(() => undefined);
    }
  }
}

/** A session that is not salted: nothing secret goes through it, and what it authorises needs the auth of the key too. */
const openPolicy = (w: Work): Promise<PolicySession> => w.ctx.startSession({ type: 'policy' }, w.plain());

/** Looks whether the registers fit an approval, and signs nothing. @throws RECORD_KEY_UNAPPROVED saying what differs */
export async function checkState(tpm: Tpm, binding: Binding, o?: RunOptions): Promise<void> {
  const found = await readApprovals(binding);
  await tpm.run((w) => fitting(w, found, binding.approvals), o);
}

/** The approval that the registers fit. */
async function fitting(w: Work, { valid, others }: Approvals, directory: string): Promise<StateApproval> {
  const differences: string[] = [];
  const pcrs = [...new Set(valid.flatMap((a) => Object.keys(a.pcrs).map(Number)))].sort((a, b) => a - b);
  const values = pcrs.length === 0 ? null : await readValues(w, [{ hash: ALG_SHA256, pcrs }]);
  const bank = values?.sha256 ?? {};
  for (const approval of valid) {
    const differs = Object.keys(approval.pcrs).filter((i) => bank[i] !== approval.pcrs[i]);
    if (differs.length === 0) return approval;
    differences.push(`PCR ${differs.join(', ')} ${differs.length === 1 ? 'has' : 'have'} other values`);
  }
  const shown = [...differences, ...others].slice(0, 4);
  throw new AttestdError(
    'RECORD_KEY_UNAPPROVED',
    shown.length === 0
      ? `there is no approval in ${directory}`
      : `no approval in ${directory} is for this state: ${shown.join('; ')}`,
  );
}

/** Brings the session where it authorises one use: §23.7, §23.16, §23.17 of Part 3. */
async function satisfy(w: Work, session: PolicySession, approval: StateApproval): Promise<void> {
  const { keyName, ticket } = await ticketOf(w, approval);
  const selection = approvedSelection(approval);
  const values = pcrDigest([selection], { sha256: approval.pcrs }, ALG_SHA256);
  await w.ctx.policyPcr(session, values, printPcrSelections([selection]), w.plain());
  const policyRef = approvalRef(approval.fleet);
  const approved = approvedPolicy(approval);
  await w.ctx.policyAuthorize({ session, approvedPolicy: approved, policyRef, keyName, ticket }, w.plain());
  await w.ctx.policyAuthValue(session, w.plain());
}

/** The TPM's own word that the operator signed this. */
async function ticketOf(w: Work, approval: StateApproval) {
  // The three slots of a small TPM: both keys of the host, and the operator's for the time of one command.
  await w.room();
  const area = operatorPublic(approval.key);
  const { handle, name } = await w.ctx.loadExternal({ public: area, hierarchy: 'endorsement' }, w.plain());
  try {
    const [r, s] = [approval.signature.slice(0, 32), approval.signature.slice(32)];
    const signature = printSignature({ alg: 'ecdsa', hash: ALG_SHA256, r, s });
    const digest = sha256(approvalMessage(approval));
    const ticket = await w.ctx.verifySignature({ key: handle, digest, signature }, w.plain());
    return { keyName: name, ticket };
  } finally {
    await w.ctx.flush(handle);
  }
}
