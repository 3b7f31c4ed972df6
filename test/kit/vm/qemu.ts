/** How QEMU is started: the parts of the virtual machine, and which accelerator can run the firmware here. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';

/** The same firmware for both variable stores, so that Secure Boot is all that differs. */
export const FIRMWARE = '/usr/share/OVMF/OVMF_CODE_4M.fd';
/** Debian's variable stores: with Microsoft's keys enrolled, which turns Secure Boot on; and without any key. */
export const VARIABLES = {
  on: '/usr/share/OVMF/OVMF_VARS_4M.ms.fd',
  off: '/usr/share/OVMF/OVMF_VARS_4M.fd',
} as const;

const BASE = ['-nodefaults', '-no-user-config', '-display', 'none', '-m', '1024'];
const FIRMWARE_DRIVE = ['-drive', `if=pflash,unit=0,format=raw,readonly=on,file=${FIRMWARE}`];
const KVM = ['-machine', 'q35,smm=off', '-accel', 'kvm', '-cpu', 'host', '-smp', '2'];
const TCG = ['-machine', 'q35,smm=off', '-accel', 'tcg,thread=multi,tb-size=256', '-cpu', 'max', '-smp', '2'];

/** Files and sockets of one boot. */
export interface Parts {
  readonly variables: string;
  readonly disk: string;
  readonly extraDisk?: string;
  /** Control socket of swtpm. */
  readonly tpm: string;
  readonly agent: string;
  readonly console: string;
}

export function qemuArguments(accelerator: readonly string[], p: Parts): string[] {
  const disk = (id: string, file: string): string[] => [
    ...['-drive', `if=none,id=${id},format=raw,cache=unsafe,file=${file}`],
    ...['-device', `virtio-blk-pci,drive=${id}${id === 'disk' ? ',bootindex=1' : ''}`],
  ];
  return [
    ...accelerator,
    ...BASE,
    ...FIRMWARE_DRIVE,
    ...['-no-reboot', '-rtc', 'base=utc', '-serial', `file:${p.console}`],
    ...['-drive', `if=pflash,unit=1,format=raw,file=${p.variables}`],
    ...disk('disk', p.disk),
    ...(p.extraDisk === undefined ? [] : disk('extra', p.extraDisk)),
    ...['-chardev', `socket,id=tpm,path=${p.tpm}`, '-tpmdev', 'emulator,id=tpm0,chardev=tpm'],
    ...['-device', 'tpm-crb,tpmdev=tpm0', '-device', 'virtio-serial-pci'],
    ...['-chardev', `socket,id=agent,path=${p.agent},server=on,wait=off`],
    ...['-device', 'virtserialport,chardev=agent,name=org.qemu.guest_agent.0'],
  ];
}

/** KVM where the firmware says a word under it, which the KVM of some clouds does not let it; else translation. */
export async function chooseAccelerator(): Promise<readonly string[]> {
  return existsSync('/dev/kvm') && (await speaks(KVM)) ? KVM : TCG;
}

export const isTranslated = (accelerator: readonly string[]): boolean => accelerator === TCG;

/** Whether the firmware writes anything to its console within 15 s. */
function speaks(accelerator: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const args = [...accelerator, ...BASE, ...FIRMWARE_DRIVE, '-serial', 'stdio', '-no-reboot'];
    const child = spawn('qemu-system-x86_64', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const say = (answer: boolean) => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      resolve(answer);
    };
    const timer = setTimeout(() => say(false), 15_000);
    child.stdout.once('data', () => say(true));
    child.stderr.once('data', () => say(false));
    child.once('error', () => say(false));
    child.once('close', () => say(false));
  });
}
