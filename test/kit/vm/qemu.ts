/** How QEMU is started: the parts of the virtual machine. */

/** The same firmware for both variable stores, so that Secure Boot is all that differs. */
export const FIRMWARE = '/usr/share/OVMF/OVMF_CODE_4M.fd';
/** Debian's variable stores: with Microsoft's keys enrolled, which turns Secure Boot on; and without any key. */
export const VARIABLES = {
  on: '/usr/share/OVMF/OVMF_VARS_4M.ms.fd',
  off: '/usr/share/OVMF/OVMF_VARS_4M.fd',
} as const;

/**
 * Translated, never KVM: that of many clouds cannot run the firmware, and a test that is one thing here and another there
 * is two tests. One processor: with two, each page of machine code that V8 writes stops the other one, and the daemon takes
 * four times as long to start. Its clock counts instructions, a nanosecond each, and goes on by itself only while it has
 * nothing to do: by that clock it is as fast as a real one, however slow and loaded the host is, and no time limit of kernel,
 * TPM driver, systemd or attestd runs out that would not run out on a real one. So the clock falls behind that of the host.
 */
const MACHINE = [
  ...['-machine', 'q35,smm=off', '-accel', 'tcg,thread=single,tb-size=512'],
  ...['-cpu', 'max,la57=off,erms=off', '-smp', '1', '-m', '1024'],
  ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-rtc', 'base=utc'],
  ...['-drive', `if=pflash,unit=0,format=raw,readonly=on,file=${FIRMWARE}`],
];

/** By the host's clock time limits run out on a loaded host; with a counted one the firmware does not come back from sleep. */
export type GuestClock = 'counted' | 'host';

/** Files and sockets of one boot. */
export interface Parts {
  readonly variables: string;
  readonly disk: string;
  readonly extraDisk?: string;
  /** Control socket of swtpm. */
  readonly tpm: string;
  readonly agent: string;
  readonly console: string;
  /** QEMU's own socket. */
  readonly monitor: string;
}

export function qemuArguments(p: Parts, clock: GuestClock): string[] {
  const disk = (id: string, file: string): string[] => [
    ...['-drive', `if=none,id=${id},format=raw,cache=unsafe,file=${file}`],
    ...['-device', `virtio-blk-pci,drive=${id}${id === 'disk' ? ',bootindex=1' : ''}`],
  ];
  return [
    ...MACHINE,
    ...(clock === 'counted' ? ['-icount', 'shift=0,sleep=on'] : []),
    ...['-serial', `file:${p.console}`, '-qmp', `unix:${p.monitor},server=on,wait=off`],
    ...['-drive', `if=pflash,unit=1,format=raw,file=${p.variables}`],
    ...disk('disk', p.disk),
    ...(p.extraDisk === undefined ? [] : disk('extra', p.extraDisk)),
    ...['-chardev', `socket,id=tpm,path=${p.tpm}`, '-tpmdev', 'emulator,id=tpm0,chardev=tpm'],
    ...['-device', 'tpm-crb,tpmdev=tpm0', '-device', 'virtio-serial-pci'],
    ...['-chardev', `socket,id=agent,path=${p.agent},server=on,wait=off`],
    ...['-device', 'virtserialport,chardev=agent,name=org.qemu.guest_agent.0'],
  ];
}
