/**
 * A virtual machine that boots as a real one does: OVMF measures itself, shim, GRUB and the kernel into a TPM (swtpm behind
 * tpm-crb), the kernel measures what it runs, systemd starts attestd. Disk, TPM state and the firmware's variables are
 * files of one folder and outlive a boot. Nothing crosses between it and the test but what the guest agent carries.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until, within } from '../host.ts';
import { startSwtpm } from '../swtpm.ts';
import { type Agent, reachAgent } from './agent.ts';
import { monitor } from './monitor.ts';
import { type GuestClock, qemuArguments, VARIABLES } from './qemu.ts';

const run = promisify(execFile);
/** For a loaded machine; an idle one takes half a minute. */
const BOOT_MS = 900_000;
const OFF_MS = 600_000;

/** A running machine. */
export interface Booted {
  readonly agent: Agent;
  /** From power-on to the first answer. */
  readonly bootMs: number;
  /** Runs a line of shell as root. @returns what it wrote to stdout @throws when it does not end with 0 */
  sh(line: string, stdin?: Uint8Array): Promise<Buffer>;
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** Waits until the daemon takes records (systemd's own waiting ends when it listens), and puts the clock right. */
  recording(): Promise<void>;
  /** Sleeps (S3, to memory) and wakes, the TPM's power off meanwhile; by a machine with the host's clock. */
  sleep(): Promise<void>;
  /** Holds the extra disk to so many writes a second; 0: to none. */
  slowDisk(writes: number): Promise<void>;
  /** An orderly end: systemd stops everything, the power goes off. */
  shutdown(): Promise<void>;
  /** The power fails, that of the TPM too. What the guest has synced stays, and nothing else need. */
  kill(): Promise<void>;
}

export interface Machine {
  readonly dir: string;
  /** The vendor's certificates of its TPM. */
  readonly vendorPem: string;
  /** The store of the firmware's variables for the next boots. */
  secureBoot(state: 'on' | 'off'): void;
  /** Text of a file on the boot partition. */
  bootFile(name: string): Promise<string>;
  putBootFile(name: string, text: string): Promise<void>;
  boot(): Promise<Booted>;
  /** Shows why a test failed and what this boot wrote to the serial console. */
  complain(why: readonly string[]): void;
  remove(): Promise<void>;
}

/** Whether disk, TPM state and evidence are left behind, to look around. */
const KEEP = process.env.ATTESTD_VM_KEEP !== undefined;
const children = new Set<ChildProcess>();
const folders = new Set<string>();
process.once('exit', () => {
  for (const c of children) c.kill('SIGKILL');
  if (KEEP) return;
  for (const f of folders) rmSync(f, { recursive: true, force: true });
});

function start(
  command: string,
  args: readonly string[],
): { child: ChildProcess; ended: Promise<void>; said(): string } {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  children.add(child);
  let said = '';
  child.stderr?.on('data', (b) => {
    said += String(b);
  });
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => {
      children.delete(child);
      resolve();
    });
  });
  return { child, ended, said: () => said };
}

/** Endorsement keys and certificates, made once; the power is off. */
async function provisionTpm(dir: string): Promise<string> {
  const tpm = await startSwtpm({ pcrs: false });
  try {
    await tpm.kill();
    cpSync(tpm.copyState(), dir, { recursive: true });
    return tpm.issuerPem + tpm.rootPem;
  } finally {
    await tpm.stop();
  }
}

export interface MachineOptions {
  /** Size of an empty disk that becomes /dev/vdb. */
  readonly extraBytes?: number;
  /** counted when absent */
  readonly clock?: GuestClock;
}

/** @param image folder that scripts/vm-image printed */
export async function makeMachine(
  image: string,
  { extraBytes, clock = 'counted' }: MachineOptions = {},
): Promise<Machine> {
  const dir = mkdtempSync(join(tmpdir(), 'attestd-vm-'));
  folders.add(dir);
  const at = (name: string) => join(dir, name);
  mkdirSync(at('tpm'));
  const vendorPem = await provisionTpm(at('tpm'));
  await run('cp', ['--sparse=always', '--reflink=auto', join(image, 'disk.img'), at('disk.img')]);
  const extraDisk = extraBytes === undefined ? undefined : at('extra.img');
  if (extraDisk !== undefined) {
    writeFileSync(extraDisk, '');
    truncateSync(extraDisk, extraBytes);
  }
  for (const state of ['on', 'off'] as const) copyFileSync(VARIABLES[state], at(`variables-${state}`));
  const esp = `${at('disk.img')}@@1M`;
  let variables = at('variables-on');
  let boots = 0;
  let off: () => Promise<unknown> = async () => undefined;

  async function boot(): Promise<Booted> {
    // Where a test failed half-way the machine still runs.
    await off();
    boots += 1;
    const began = performance.now();
    const sockets = { tpm: at(`tpm-${boots}`), agent: at(`agent-${boots}`), monitor: at(`monitor-${boots}`) };
    const control = `type=unixio,path=${sockets.tpm}`;
    const swtpm = start('swtpm', ['socket', '--tpm2', '--tpmstate', `dir=${at('tpm')}`, '--ctrl', control]);
    await until('the TPM', () => existsSync(sockets.tpm));
    const parts = { variables, disk: at('disk.img'), console: at('console'), ...sockets };
    rmSync(parts.console, { force: true });
    const qemu = start(
      'qemu-system-x86_64',
      qemuArguments(extraDisk === undefined ? parts : { ...parts, extraDisk }, clock),
    );
    void qemu.ended.then(() => swtpm.child.kill('SIGKILL'));
    const ended = Promise.all([qemu.ended, swtpm.ended]);
    off = () => {
      qemu.child.kill('SIGKILL');
      return ended;
    };
    let agent: Agent;
    try {
      await until('QEMU', () => existsSync(sockets.agent) || qemu.child.exitCode !== null);
      agent = await reachAgent(sockets.agent, qemu.ended, BOOT_MS);
    } catch (e) {
      qemu.child.kill('SIGKILL');
      throw new Error(`${(e as Error).message}\n${qemu.said()}`);
    }
    const sh = async (line: string, stdin?: Uint8Array): Promise<Buffer> => {
      const { status, stdout, stderr } = await agent.run(line, stdin);
      if (status !== 0) throw new Error(`${line}: exit status ${status}\n${stdout.toString()}${stderr}`);
      return stdout;
    };
    return {
      agent,
      bootMs: Math.round(performance.now() - began),
      sh,
      async write(path, bytes) {
        await sh(`cat >'${path}'`, bytes);
      },
      async recording() {
        await sh(`date -s @${Math.ceil(Date.now() / 1000)}`);
        await sh(`until systemctl show -P StatusText attestd | grep -q '^[0-9]* entries'; do sleep 3; done`);
      },
      async sleep() {
        await agent.start('echo mem >/sys/power/state');
        const status = async () => (await monitor(sockets.monitor, 'query-status')).status;
        await until('the machine to sleep', async () => (await status()) === 'suspended', OFF_MS);
        await monitor(sockets.monitor, 'system_wakeup');
        await until('the machine to wake', () => agent.answers(), OFF_MS);
      },
      async slowDisk(writes) {
        const none = { bps: 0, bps_rd: 0, bps_wr: 0, iops: 0, iops_rd: 0 };
        await monitor(sockets.monitor, 'block_set_io_throttle', {
          device: 'extra',
          ...none,
          iops_wr: writes,
        });
      },
      async shutdown() {
        await agent.start('systemctl poweroff').catch(() => undefined);
        await within('the machine to power off', ended, OFF_MS);
        agent.close();
      },
      async kill() {
        swtpm.child.kill('SIGKILL');
        await off();
        agent.close();
      },
    };
  }

  return {
    dir,
    vendorPem,
    boot,
    secureBoot(state) {
      variables = at(`variables-${state}`);
    },
    async bootFile(name) {
      return (await run('mcopy', ['-i', esp, `::${name}`, '-'])).stdout;
    },
    async putBootFile(name, text) {
      writeFileSync(at('boot-file'), text);
      await run('mcopy', ['-o', '-i', esp, at('boot-file'), `::${name}`]);
    },
    complain(why) {
      const end = readText(at('console')).split('\n').slice(-100).join('\n');
      process.stderr.write(
        `\n${why.join('\n')}\n     vm: the end of the console of boot ${boots}:\n${end}\n`,
      );
    },
    async remove() {
      for (const c of children) c.kill('SIGKILL');
      await until('everything to end', () => children.size === 0);
      if (KEEP) {
        process.stderr.write(`     vm: its folder is ${dir}\n`);
        return;
      }
      rmSync(dir, { recursive: true, force: true });
      folders.delete(dir);
    },
  };
}

function readText(path: string): string {
  return existsSync(path) ? readFileSync(path, 'latin1') : '';
}
