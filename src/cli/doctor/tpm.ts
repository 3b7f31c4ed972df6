/** The state of the TPM: what makes it refuse, what is left in it, what it can do. */
import { missingAlgorithms, occupancy, readProperties, readRoom } from '../../tpm/property.ts';
import { isExclusive } from '../../tpm/tpm.ts';
import { CannotTell, type Check, ok, said, warn, wrong } from './check.ts';
import { Hung } from './patient.ts';

const lockout: Check = {
  id: 'lockout',
  title: 'lockout counter',
  async run(p) {
    const tpm = await p.tpm();
    const { lockoutCounter: failed, maxAuthFail: most } = await readProperties(tpm);
    const { inLockout } = await readRoom(tpm);
    const count = `${failed} of ${most} failed authorisations are counted`;
    const fix =
      'wait for the recovery time, or tpm2_dictionarylockout --clear-lockout with the lockout authorisation; find who guesses';
    if (inLockout || (most > 0 && failed >= most))
      return wrong(
        `The TPM is in lockout: ${count}. Our keys are exempt; other software, and NV of others, is not.`,
        fix,
      );
    if (failed > 0)
      return warn(`${count}.`, 'power cuts count too; look again in a day, and find who guesses if it grows');
    return ok(`${count}.`);
  },
};

const handles: Check = {
  id: 'handles',
  title: 'loaded handles',
  async run(p) {
    const tpm = await p.tpm();
    const { objects, sessions } = await occupancy(tpm);
    const room = await readRoom(tpm);
    const sentence = `${objects} objects and ${sessions} sessions are loaded, with room for ${room.objectsFree} and ${room.sessionsFree} more.`;
    // Behind a resource manager the counts are of this connection, and slots are swapped when they run out.
    if (!isExclusive(p.config().tpm.tcti)) return ok(sentence);
    const fix =
      'end what left them there, then tpm2_flushcontext --transient-object and --loaded-session; use /dev/tpmrm0';
    if (room.objectsFree === 0 || room.sessionsFree === 0) return wrong(sentence, fix);
    if (objects + sessions > 0) return warn(sentence, fix);
    return ok(sentence);
  },
};

const algorithms: Check = {
  id: 'algorithms',
  title: 'algorithms',
  async run(p) {
    const missing = await missingAlgorithms(await p.tpm());
    if (missing.length > 0)
      return wrong(
        `The TPM does not have ${missing.join(', nor ')}.`,
        'update its firmware; a TPM without them cannot hold the keys of attestd',
      );
    return ok('ECDSA over P-256 with SHA-256, AES-128-CFB.');
  },
};

const assurance: Check = {
  id: 'assurance',
  title: 'kind of TPM',
  async run(p) {
    const { manufacturer, vendor, firmwareVersion } = await readProperties(await p.tpm());
    const isSoftware = manufacturer === '49424d00' || /^SW\b/.test(vendor);
    const name = Buffer.from(manufacturer, 'hex').toString('latin1').replaceAll('\0', '').trim();
    const sentence = `${name} ${vendor}, firmware ${firmwareVersion}`;
    const claimed = p.config().tpm.assurance;
    if (isSoftware && claimed === 'tpm')
      return wrong(
        `${sentence}: a software TPM, and the configuration says it is not one.`,
        'set tpm.assurance = "software"',
      );
    if (!isSoftware && claimed === 'software')
      return warn(
        `${sentence}: no software TPM, and the configuration calls it one.`,
        'set tpm.assurance = "tpm"',
      );
    return ok(`${sentence}${isSoftware ? ', simulated as configured' : ''}.`);
  },
};

const tpmClock: Check = {
  id: 'tpm-clock',
  title: 'clock of the TPM',
  async run(p) {
    try {
      const tpm = await p.tpm();
      const { safe, resetCount, restartCount } = await tpm.readClock();
      const counts = `reset ${resetCount}, restart ${restartCount}`;
      if (safe) return ok(`It has not gone back (${counts}).`);
      return warn(
        `It may have gone back since the last power cut (${counts}, safe = no).`,
        'nothing: it is safe again within 70 minutes; if this stays, the host loses power without a shutdown',
      );
    } catch (e) {
      if (e instanceof CannotTell && !(e instanceof Hung)) throw e;
      return wrong(
        `It cannot be read: ${said(e)}.`,
        'restart the machine; if it stays so, the TPM is at fault',
      );
    }
  },
};

export const TPM_CHECKS: readonly Check[] = [lockout, handles, algorithms, assurance, tpmClock];
