/** The way to the TPM: its device, who may open it, what stands between its users. tpm.md's commonest first question. */
import { groupName, mayUse } from './account.ts';
import { CannotTell, type Check, ok, said, unknown, warn, wrong } from './check.ts';
import { isUsable, placeOf } from './place.ts';

const device: Check = {
  id: 'device',
  title: 'TPM device',
  vital: true,
  run(p) {
    const { kind, path } = placeOf(p.config().tpm.tcti);
    if (kind === 'other') return ok(`The TPM is reached by ${path}, without a device of its own.`);
    const s = p.around.stat(path);
    if (s === undefined) {
      return kind === 'socket'
        ? wrong(
            `The software TPM's socket ${path} is not there.`,
            'start the software TPM; for the demonstration: systemctl start attestd-demo-tpm',
          )
        : wrong(
            `${path} is not there.`,
            'enable the TPM in the firmware setup (PTT, fTPM), or give the virtual machine one; dmesg | grep -i tpm',
          );
    }
    if (kind === 'device' ? !s.isCharacterDevice() : !s.isSocket())
      return wrong(
        `${path} is no ${kind === 'device' ? 'character device' : 'socket'}.`,
        `remove ${path}, and set tpm.tcti right`,
      );
    return ok(`${path} is there.`);
  },
};

const deviceAccess: Check = {
  id: 'device-access',
  title: 'permission to use it',
  vital: true,
  async run(p) {
    const { kind, path } = placeOf(p.config().tpm.tcti);
    if (kind === 'other') return unknown(`Nobody says who may use ${path}.`);
    const s = p.around.stat(path);
    if (s === undefined) return unknown(`${path} is not there: see device.`);
    const account = p.account();
    if (mayUse(account, s)) {
      const units = await p.units().catch(() => undefined);
      const allowed = units?.get('attestd.service')?.devices;
      if (
        kind === 'device' &&
        allowed !== undefined &&
        ![path, 'char-tpm', 'char-*'].some((d) => allowed.includes(d))
      )
        return wrong(
          `attestd.service may not use ${path}: its DeviceAllow= names ${allowed.join(', ') || 'none'}.`,
          `systemctl edit attestd, and there [Service] and DeviceAllow=${path} rw; then systemctl restart attestd`,
        );
      return ok(`The user ${account.name} may read and write ${path}.`);
    }
    const group = groupName(p.around, s.gid);
    const mode = (s.mode & 0o777).toString(8);
    const sentence = `The user ${account.name} may not use ${path} (group ${group}, mode ${mode}).`;
    if (s.gid !== 0 && ((s.mode >> 3) & 6) === 6)
      return wrong(sentence, `adduser ${account.name} ${group}, then systemctl restart attestd`);
    if (kind === 'socket') return wrong(sentence, `give ${path} to the user ${account.name}`);
    return wrong(
      sentence,
      'apt install tpm-udev, then udevadm trigger --subsystem-match=tpm --subsystem-match=tpmrm',
    );
  },
};

const resourceManager: Check = {
  id: 'resource-manager',
  title: 'resource manager',
  run(p) {
    const { tcti } = p.config().tpm;
    if (/^device:\/dev\/tpmrm\d+$/.test(tcti))
      return ok("The kernel's resource manager keeps the users of the TPM apart.");
    const raw = /^device:\/dev\/tpm(\d+)$/.exec(tcti);
    if (raw !== null)
      return wrong(
        `${tcti} goes past the kernel's resource manager: one user at a time, and what others leave loaded fills the TPM.`,
        `set tpm.tcti = "device:/dev/tpmrm${raw[1]}", then systemctl restart attestd`,
      );
    if (tcti.startsWith('tabrmd'))
      return warn(
        'tpm2-abrmd keeps handles of clients that died, and is not maintained.',
        'set tpm.tcti = "device:/dev/tpmrm0"',
      );
    if (tcti.startsWith('swtpm:')) return ok('A software TPM has one user, which is the daemon.');
    return unknown(`Nothing is known of ${tcti}.`, 'use device:/dev/tpmrm0');
  },
};

const FIX =
  'see that nothing else holds it (fuser -v /dev/tpm*), and that tpm.tcti names the right one; dmesg | grep -i tpm';

const tpm: Check = {
  id: 'tpm',
  title: 'TPM answers',
  vital: true,
  async run(p) {
    if (!isUsable(p.around, p.account(), placeOf(p.config().tpm.tcti)))
      return unknown('It was not asked: see device and device-access.');
    try {
      p.around.addon();
    } catch {
      return unknown('It was not asked: see addon.');
    }
    const answer = await p.daemon();
    try {
      await p.tpm();
    } catch (e) {
      const isDaemons = /daemon has the TPM/.test(said(e));
      const { health, phase, reason } = (answer.kind === 'answers' ? answer.status : {}) as {
        health?: { canSeal?: boolean };
        phase?: string;
        reason?: { detail?: string };
      };
      // It tries again and again, and has the log meanwhile: nobody else is to come between.
      if (isDaemons && phase === 'absent') return wrong(`The daemon cannot open it: ${reason?.detail}.`, FIX);
      if (isDaemons && health?.canSeal === true) return ok('The daemon has it open, and seals with it.');
      if (isDaemons) return unknown(`${said(e)}.`, 'systemctl stop attestd, then attestctl doctor');
      if (e instanceof CannotTell && e.fix !== undefined) return unknown(e.message, e.fix);
      return wrong(`${said(e)}.`, FIX);
    }
    return ok('It does.');
  },
};

export const DEVICE_CHECKS: readonly Check[] = [device, deviceAccess, resourceManager, tpm];
