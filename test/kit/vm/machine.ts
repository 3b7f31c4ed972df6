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
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until, within } from '../host.ts';
import { startSwtpm } from '../swtpm.ts';
import { type Agent, reachAgent } from './agent.ts';
import { chooseAccelerator, isTranslated, qemuArguments, VARIABLES } from './qemu.ts';

const run = promisify(execFile);
/** For a loaded machine with two cores and no KVM; an idle one takes half a minute. */
const BOOT_MS = 900_000;

/** A running machine. */
export interface Booted {
  readonly agent: Agent;
  /** From power-on to the first answer. */
  readonly bootMs: number;
  /** Runs a line of shell as root. @returns what it wrote to stdout @throws when it does not end with 0 */
  sh(line: string, stdin?: Uint8Array): Promise<Buffer>;
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** An orderly end: systemd stops everything, the power goes off. */
  shutdown(): Promise<void>;
}

export interface Machine {
  readonly dir: string;
  /** The vendor's certificates of its TPM. */
  readonly vendorPem: string;
  /** Whether its processor is translated, which is slow. */
  readonly translated: boolean;
  /** The store of the firmware's variables for the next boots. */
  secureBoot(state: 'on' | 'off'): void;
  /** Text of a file on the boot partition. */
  bootFile(name: string): Promise<string>;
  putBootFile(name: string, text: string): Promise<void>;
  boot(): Promise<Booted>;
  /** What this boot wrote to the serial console. */
  console(): string;
  remove(): Promise<void>;
}

const children = new Set<ChildProcess>();
const folders = new Set<string>();
process.once('exit', () => {
  for (const c of children) c.kill('SIGKILL');
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

/** @param image folder that scripts/vm-image printed @param extraDisk a file that becomes /dev/vdb */
export async function makeMachine(image: string, extraDisk?: string): Promise<Machine> {
  const dir = mkdtempSync(join(tmpdir(), 'attestd-vm-'));
  folders.add(dir);
  const at = (name: string) => join(dir, name);
  mkdirSync(at('tpm'));
  const vendorPem = await provisionTpm(at('tpm'));
  await run('cp', ['--sparse=always', '--reflink=auto', join(image, 'disk.img'), at('disk.img')]);
  for (const state of ['on', 'off'] as const) copyFileSync(VARIABLES[state], at(`variables-${state}`));
  const accelerator = await chooseAccelerator();
  const esp = `${at('disk.img')}@@1M`;
  let variables = at('variables-on');
  let boots = 0;

  async function boot(): Promise<Booted> {
    boots += 1;
    const began = performance.now();
    const sockets = { tpm: at(`tpm-${boots}`), agent: at(`agent-${boots}`) };
    const control = `type=unixio,path=${sockets.tpm}`;
    const swtpm = start('swtpm', ['socket', '--tpm2', '--tpmstate', `dir=${at('tpm')}`, '--ctrl', control]);
    await until('the TPM', () => existsSync(sockets.tpm));
    const parts = { variables, disk: at('disk.img'), console: at('console'), ...sockets };
    rmSync(parts.console, { force: true });
    const qemu = start(
      'qemu-system-x86_64',
      qemuArguments(accelerator, extraDisk === undefined ? parts : { ...parts, extraDisk }),
    );
    void qemu.ended.then(() => swtpm.child.kill('SIGKILL'));
    const ended = Promise.all([qemu.ended, swtpm.ended]);
    let agent: Agent;
    try {
      await until('QEMU', () => existsSync(sockets.agent) || qemu.child.exitCode !== null);
      agent = await reachAgent(sockets.agent, qemu.ended, BOOT_MS);
    } catch (e) {
      qemu.child.kill('SIGKILL');
      throw new Error(`${(e as Error).message}\n${qemu.said()}\n${readText(parts.console).slice(-3000)}`);
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
      async shutdown() {
        await agent.start('systemctl poweroff').catch(() => undefined);
        await within('the machine to power off', ended, 180_000);
        agent.close();
      },
    };
  }

  return {
    dir,
    vendorPem,
    translated: isTranslated(accelerator),
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
    console: () => readText(at('console')),
    async remove() {
      for (const c of children) c.kill('SIGKILL');
      await until('everything to end', () => children.size === 0);
      rmSync(dir, { recursive: true, force: true });
      folders.delete(dir);
    },
  };
}

function readText(path: string): string {
  return existsSync(path) ? readFileSync(path, 'latin1') : '';
}
