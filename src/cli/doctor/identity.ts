/** The host's identity: was it made, and do its keys load in this TPM? */
import { equal } from '../../core/bytes.ts';
import { isAttestdError } from '../../core/errors.ts';
import { readCurrent } from '../../daemon/layout.ts';
import { configuredPolicy } from '../../daemon/recordpolicy.ts';
import { AUTH_CREDENTIALS } from '../../daemon/tpmaccess.ts';
import { type Binding, checkState, readApprovals } from '../../tpm/approved.ts';
import { type Identity, loadKeys, readIdentity } from '../../tpm/keys.ts';
import { readRoom } from '../../tpm/property.ts';
import { isExclusive } from '../../tpm/tpm.ts';
import { placesOf } from '../host.ts';
import { CannotTell, type Check, ok, said, warn, wrong } from './check.ts';
import { reading } from './closed.ts';
import type { Patient } from './patient.ts';

const initialised: Check = {
  id: 'initialised',
  title: 'identity and log',
  async run(p) {
    try {
      const { origin } = await reading(() => readCurrent(p.layout()));
      const { fleet, host } = p.config();
      if (!origin.startsWith(`${fleet}/${host}/`))
        return warn(
          `The log in use is ${origin}, and the configuration is for ${fleet}/${host}.`,
          'give fleet and host in attestd.toml as the log has them; only another epoch can have other names',
        );
      return ok(`The log in use is ${origin}.`);
    } catch (e) {
      if (isAttestdError(e, 'NOT_INITIALISED'))
        return wrong('This host has no keys and no log yet.', 'attestctl init');
      if (isAttestdError(e))
        return wrong(
          `${said(e)}.`,
          'put the state directory back from a copy, or attestctl recover --new-epoch',
        );
      throw e;
    }
  },
};

/** The stored keys. @throws CannotTell where there are none */
export async function identityOf(p: Patient): Promise<Identity> {
  const { origin } = await reading(() => readCurrent(p.layout())).catch((e: unknown) => {
    if (e instanceof CannotTell) throw e;
    throw new CannotTell('There is no identity: see initialised.');
  });
  return reading(() => readIdentity(placesOf(p.config()))).catch((e: unknown) => {
    if (isAttestdError(e, 'NOT_INITIALISED')) throw new Error(`the keys of ${origin} are gone: ${said(e)}`);
    throw e;
  });
}

/** Has the keys loaded, as reading the counter in salted sessions needs them. @throws CannotTell without a free slot */
export async function loaded(p: Patient): Promise<Identity> {
  const identity = await identityOf(p);
  const tpm = await p.tpm();
  const { objects } = tpm.state();
  if (isExclusive(p.config().tpm.tcti) && objects === 0 && (await readRoom(tpm)).objectsFree < 3)
    throw new CannotTell('The TPM has no room to load the keys: see handles.');
  await loadKeys(tpm, identity);
  return identity;
}

const AUTH = AUTH_CREDENTIALS.endorsement;

const keys: Check = {
  id: 'keys',
  title: 'keys load in this TPM',
  vital: true,
  async run(p) {
    const lost =
      'put the identity directory back if it was moved; otherwise attestctl recover --new-epoch, then enrol again';
    try {
      await identityOf(p);
    } catch (e) {
      if (e instanceof CannotTell) throw e;
      return wrong(`The stored keys are of no use: ${said(e)}.`, lost);
    }
    await p.tpm();
    try {
      await loaded(p);
      return ok('Attestation key and record key load.');
    } catch (e) {
      if (isAttestdError(e, 'TPM_KEY_LOST')) return wrong(`They are not keys of this TPM: ${said(e)}.`, lost);
      if (isAttestdError(e) && /^TPM_RC_(?:BAD_AUTH|AUTH_FAIL)/.test(String(e.facts.rcName)))
        return wrong(
          'They do not load: the endorsement hierarchy of this TPM wants an authorisation.',
          `systemd-ask-password -n | systemd-creds encrypt --name=${AUTH} - /etc/credstore.encrypted/${AUTH}, then systemctl restart attestd`,
        );
      throw e;
    }
  },
};

/** Why the state is not approved: as the registers say, or the daemon where it has the TPM for itself. */
async function unapproved(p: Patient, bound: Binding): Promise<string | undefined> {
  try {
    await checkState(await p.tpm(), bound);
    return undefined;
  } catch (e) {
    if (isAttestdError(e, 'RECORD_KEY_UNAPPROVED')) return said(e);
    const answer = e instanceof CannotTell ? await p.daemon() : undefined;
    if (answer?.kind !== 'answers') throw e;
    const { approved, why } = (answer.status.recordKey ?? {}) as { approved?: unknown; why?: unknown };
    if (typeof approved !== 'boolean') throw e;
    return approved ? undefined : String(why);
  }
}

const recordKeyState: Check = {
  id: 'record-key-state',
  title: 'states that the record key is bound to',
  async run(p) {
    const identity = await identityOf(p);
    const wanted = configuredPolicy(p.config());
    const { bound } = identity.recordKey;
    const rotate = 'attestctl keys rotate --record makes one as the configuration says';
    if (bound === undefined) {
      if (wanted === undefined) return ok('It is not bound to states of the machine.');
      return warn('record_key.policy_key is set, and the record key in use was made without it.', rotate);
    }
    if (wanted !== undefined && !equal(wanted, bound.policy))
      return warn(
        'The record key is bound to approvals of another operator than record_key.policy_key.',
        rotate,
      );
    const { valid, others } = await readApprovals(bound);
    const why = await unapproved(p, bound);
    if (why !== undefined)
      return wrong(
        `The record key may not sign now: ${why}. Records are taken and sealed as ever; nothing is published.`,
        `attestctl policy pcr approve on the side of the operator, then put the file into ${bound.approvals}`,
      );
    const [other] = others;
    if (other !== undefined)
      return warn(`The state is approved, but ${other}.`, `take what is of no use out of ${bound.approvals}`);
    return ok(`The state is approved (${valid.length} approvals).`);
  },
};

export const IDENTITY_CHECKS: readonly Check[] = [initialised, keys, recordKeyState];
