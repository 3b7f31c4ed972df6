/**
 * A fresh software TPM for a test: provisioned with endorsement keys and certificates by a local CA of its own
 * (nothing under /etc or /var/lib is touched), with firmware-like PCRs, and with power switches: reset, suspend,
 * kill, roll back. The provisioned state is made once per process and copied, because RSA endorsement keys are slow.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type FaultProxy, startProxy } from './proxy.ts';
import { extendCommand, send, shutdownCommand } from './wire.ts';

const run = promisify(execFile);

export interface SwtpmOptions {
  /** Extend PCRs 0–7 as a firmware would, at every power-on. Default true; false leaves them all zero. */
  readonly pcrs?: boolean;
  /** 'debian' (default): RSA-2048 and P-384 EK certificates; 'p256': one for a low-range P-256 EK as well;
   * 'none': no certificates; 'blank': as it leaves the factory, with seeds of its own. Quick, unlike `fresh`. */
  readonly eks?: 'debian' | 'p256' | 'none' | 'blank';
  /** Own seeds and own keys, not the ones shared by the TPMs of this process. Slower. */
  readonly fresh?: boolean;
  /** Put a fault proxy in front; `tcti` then leads through it. 'managed': it flushes what a lost response made. */
  readonly proxy?: boolean | 'managed';
}

export interface Swtpm {
  /** `swtpm:path=…`: through the proxy where there is one. */
  readonly tcti: string;
  /** The same, past the proxy. swtpm serves one connection at a time. */
  readonly directTcti: string;
  /** A folder of this TPM's own; removed by stop(). */
  readonly dir: string;
  /** PEM of the local CA's root, and of the CA that signed the EK certificates. */
  readonly rootPem: string;
  readonly issuerPem: string;
  readonly proxy: FaultProxy | null;
  /** Power cycle; `orderly` sends TPM2_Shutdown(CLEAR) first. Connections to swtpm itself break. */
  reset(options?: { readonly orderly?: boolean }): Promise<void>;
  /** TPM2_Shutdown(STATE), power cycle, TPM2_Startup(STATE). */
  suspendResume(): Promise<void>;
  /** SIGKILL, and stays off until `powerOn`. */
  kill(): Promise<void>;
  powerOn(): Promise<void>;
  /** A copy of the non-volatile state. */
  copyState(): string;
  /** Puts such a copy back and powers on again. */
  restoreState(copy: string): Promise<void>;
  /** Sends raw commands on a connection of its own (through the proxy where there is one). */
  send(commands: readonly Buffer[]): Promise<Buffer[]>;
  /** Ends the process and removes the folder. */
  stop(): Promise<void>;
}

const made = new Set<string>();
const children = new Set<ChildProcess>();
let exitHook = false;

function scratch(name: string): string {
  if (!exitHook) {
    exitHook = true;
    const clean = () => {
      for (const c of children) c.kill('SIGKILL');
      for (const d of made) rmSync(d, { recursive: true, force: true });
    };
    process.on('exit', clean);
    // vitest ends its workers by SIGTERM, and a signal runs no exit handler.
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      process.once(signal, () => {
        clean();
        process.kill(process.pid, signal);
      });
    }
  }
  const dir = mkdtempSync(join(tmpdir(), `attestd-${name}-`));
  made.add(dir);
  return dir;
}

interface Authority {
  readonly dir: string;
  readonly setupConf: string;
}

let authority: Authority | null = null;

/** The local CA of this process; swtpm_localca makes its keys when it signs for the first time. */
function localCa(): Authority {
  if (authority !== null) return authority;
  const dir = scratch('ca');
  const at = (f: string) => join(dir, f);
  writeFileSync(
    at('localca.conf'),
    `statedir = ${dir}\nsigningkey = ${at('signkey.pem')}\nissuercert = ${at('issuercert.pem')}\ncertserial = ${at('certserial')}\n`,
  );
  writeFileSync(
    at('localca.options'),
    '--platform-manufacturer attestd\n--platform-version 1\n--platform-model test\n',
  );
  writeFileSync(
    at('setup.conf'),
    `create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = ${at('localca.conf')}\ncreate_certs_tool_options = ${at('localca.options')}\nactive_pcr_banks = sha256\n`,
  );
  authority = { dir, setupConf: at('setup.conf') };
  return authority;
}

type Kind = NonNullable<SwtpmOptions['eks']>;
const templates = new Map<Kind, Promise<string>>();

async function provision(kind: Kind): Promise<string> {
  const ca = localCa();
  const state = scratch('tpm-state');
  if (kind === 'blank') return state;
  const args = [
    '--tpm2',
    '--tpmstate',
    state,
    '--config',
    ca.setupConf,
    '--overwrite',
    '--logfile',
    join(ca.dir, 'log'),
  ];
  await run('swtpm_setup', kind === 'none' ? args : [...args, '--create-ek-cert']);
  if (kind === 'p256') await addP256(ca, state);
  return state;
}

/** Makes the low-range P-256 EK, has the local CA certify it, and writes the certificate to NV 0x01c0000a. */
async function addP256(ca: Authority, state: string): Promise<void> {
  const dir = scratch('p256');
  const socket = join(dir, 'tpm');
  const child = await powerUp(state, socket, 'startup-clear');
  const env = { ...process.env, TPM2TOOLS_TCTI: `swtpm:path=${socket}` };
  const tool = (name: string, ...args: string[]) => run(name, args, { env, cwd: dir });
  await tool('tpm2_createek', '-G', 'ecc', '-c', 'ek.ctx', '-u', 'ek.pem', '-f', 'pem');
  writeFileSync(
    join(dir, 'ext'),
    [
      '[v]',
      'basicConstraints=critical,CA:FALSE',
      'keyUsage=critical,keyAgreement',
      'extendedKeyUsage=2.23.133.8.1',
      'subjectAltName=critical,dirName:tpm',
      'authorityKeyIdentifier=keyid',
      '[tpm]',
      '1.2.23.133.2.1=id:00001014',
      '1.2.23.133.2.2=swtpm',
      '1.2.23.133.2.3=id:20191023',
      '',
    ].join('\n'),
  );
  await run(
    'openssl',
    [
      'x509',
      '-new',
      '-force_pubkey',
      'ek.pem',
      '-subj',
      '/',
      '-days',
      '3650',
      '-extfile',
      'ext',
      '-extensions',
      'v',
      '-CA',
      join(ca.dir, 'issuercert.pem'),
      '-CAkey',
      join(ca.dir, 'signkey.pem'),
      '-sha256',
      '-outform',
      'DER',
      '-out',
      'ek.der',
      '-set_serial',
      `0x${createHash('sha256').update(dir).digest('hex').slice(0, 16)}`,
    ],
    { cwd: dir },
  );
  const size = readFileSync(join(dir, 'ek.der')).length;
  const attributes = 'ppwrite|ppread|authread|ownerread|no_da|platformcreate|writedefine';
  await tool('tpm2_nvdefine', '0x1c0000a', '-C', 'p', '-s', String(size), '-a', attributes);
  await tool('tpm2_nvwrite', '0x1c0000a', '-C', 'p', '-i', 'ek.der');
  await send(socket, [shutdownCommand(false)]);
  await powerDown(child);
  rmSync(dir, { recursive: true, force: true });
}

/** Starts swtpm on `socket` (and `socket.ctrl`) and waits until it listens. */
async function powerUp(state: string, socket: string, startup: string): Promise<ChildProcess> {
  const swtpm = [
    'swtpm',
    'socket',
    '--tpm2',
    '--tpmstate',
    `dir=${state}`,
    '--server',
    `type=unixio,path=${socket}`,
    '--ctrl',
    `type=unixio,path=${socket}.ctrl`,
    '--flags',
    `not-need-init,${startup}`,
  ];
  for (const p of [socket, `${socket}.ctrl`]) rmSync(p, { force: true });
  // With setpriv the TPM dies with the test process even where that is killed outright.
  const guarded = existsSync('/usr/bin/setpriv') ? ['setpriv', '--pdeathsig', 'KILL', ...swtpm] : swtpm;
  const child = spawn(guarded[0] as string, guarded.slice(1), { stdio: ['ignore', 'ignore', 'pipe'] });
  children.add(child);
  let said = '';
  child.stderr?.on('data', (b) => {
    said += String(b);
  });
  child.once('exit', () => children.delete(child));
  for (let i = 0; i < 1000; i++) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`swtpm ended: ${said}`);
    if (isListening(socket) && isListening(`${socket}.ctrl`)) return child;
    await sleep(5);
  }
  throw new Error(`swtpm does not listen: ${said}`);
}

/** Whether a Unix socket listens already, without connecting to it: flag __SO_ACCEPTCON of proc(5) net/unix. */
function isListening(path: string): boolean {
  const line = readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .find((l) => l.endsWith(` ${path}`));
  return line?.split(/ +/)[3] === '00010000';
}

async function powerDown(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

/** CMD_STORE_VOLATILE on the control channel: RAM goes to the state folder, as before a migration. */
async function storeVolatile(socket: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const s = connect(`${socket}.ctrl`, () => s.write(Buffer.from([0, 0, 0, 0x0a])));
    s.once('data', (b) => {
      s.destroy();
      if (b.readUInt32BE(0) === 0) resolve();
      else reject(new Error('swtpm did not store its volatile state'));
    });
    s.once('error', reject);
  });
}

const firmware = [...Array(8).keys()].map((i) =>
  extendCommand(i, createHash('sha256').update(`test firmware, PCR ${i}`).digest()),
);

/** Starts a software TPM. Whoever starts it stops it. */
export async function startSwtpm(options: SwtpmOptions = {}): Promise<Swtpm> {
  const kind = options.eks ?? 'debian';
  let template: string;
  if (options.fresh) template = await provision(kind);
  else {
    const cached = templates.get(kind) ?? provision(kind);
    templates.set(kind, cached);
    template = await cached;
  }
  const dir = scratch('tpm');
  const state = join(dir, 'state');
  cpSync(template, state, { recursive: true });
  const raw = join(dir, options.proxy ? 'raw' : 'tpm');
  const booting = join(dir, 'boot');
  let child: ChildProcess | null = null;
  let copies = 0;

  // The firmware comes before anybody else can connect: the sockets get their names when it is done.
  const on = async (startup: string, withFirmware: boolean) => {
    child = await powerUp(state, booting, startup);
    if (withFirmware && options.pcrs !== false) await send(booting, firmware);
    renameSync(`${booting}.ctrl`, `${raw}.ctrl`);
    renameSync(booting, raw);
  };
  const off = async () => {
    if (child !== null) await powerDown(child);
    child = null;
    for (const p of [raw, `${raw}.ctrl`]) rmSync(p, { force: true });
  };
  /** TPM2_Shutdown, though a client holds the only connection: RAM is handed to a second process that says it. */
  const shutdown = async (forSuspend: boolean) => {
    await storeVolatile(raw);
    await off();
    const c = await powerUp(state, booting, 'startup-none');
    await send(booting, [shutdownCommand(forSuspend)]);
    await powerDown(c);
    rmSync(join(state, 'tpm2-00.volatilestate'), { force: true });
  };

  await on('startup-clear', true);
  const proxy = options.proxy ? await startProxy(join(dir, 'tpm'), raw, options.proxy === 'managed') : null;
  const ca = localCa();
  const pem = (f: string) =>
    kind === 'none' || kind === 'blank' ? '' : readFileSync(join(ca.dir, f), 'utf8');
  return {
    tcti: `swtpm:path=${join(dir, 'tpm')}`,
    directTcti: `swtpm:path=${raw}`,
    dir,
    rootPem: pem('swtpm-localca-rootca-cert.pem'),
    issuerPem: pem('issuercert.pem'),
    proxy,
    async reset({ orderly = false } = {}) {
      if (orderly) await shutdown(false);
      else await off();
      await on('startup-clear', true);
    },
    async suspendResume() {
      await shutdown(true);
      await on('startup-state', false);
    },
    kill: off,
    powerOn: () => on('startup-clear', true),
    copyState() {
      const copy = join(dir, `copy-${copies++}`);
      mkdirSync(copy);
      cpSync(state, copy, { recursive: true });
      return copy;
    },
    async restoreState(copy) {
      await off();
      rmSync(state, { recursive: true, force: true });
      cpSync(copy, state, { recursive: true });
      await on('startup-clear', true);
    },
    async send(commands) {
      if (proxy === null) return send(raw, commands);
      const answers: Buffer[] = [];
      for (const c of commands) answers.push(await proxy.send(c));
      return answers;
    },
    async stop() {
      await proxy?.close();
      await off();
      rmSync(dir, { recursive: true, force: true });
      made.delete(dir);
    },
  };
}
