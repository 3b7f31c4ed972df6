/**
 * A software TPM on a loopback port: of the ways to swtpm it is the one that every peer knows. It serves one connection
 * after the other, so peers use it in turn.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

export interface NetTpm {
  readonly port: number;
  readonly tcti: string;
  /** Flushes what whoever came before has left loaded. */
  clear(): Promise<void>;
  stop(): Promise<void>;
}

/** A port that is free, as is the next one. */
async function freePort(): Promise<number> {
  for (;;) {
    const taken = await new Promise<number>((resolve, reject) => {
      const server = createServer().once('error', reject);
      server.listen(0, '127.0.0.1', () => {
        const { port } = server.address() as { port: number };
        const next = createServer().once('error', () => server.close(() => resolve(0)));
        next.listen(port + 1, '127.0.0.1', () => next.close(() => server.close(() => resolve(port))));
      });
    });
    if (taken > 0) return taken;
  }
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const s = connect(port, '127.0.0.1', () => {
      s.destroy();
      resolve(true);
    });
    s.on('error', () => resolve(false));
  });

export async function startNetTpm(dir: string): Promise<NetTpm> {
  const state = join(dir, 'tpm');
  mkdirSync(state);
  const port = await freePort();
  const at = (p: number) => `type=tcp,port=${p},bindaddr=127.0.0.1`;
  const args = [
    'socket',
    '--tpm2',
    '--tpmstate',
    `dir=${state}`,
    '--server',
    at(port),
    '--ctrl',
    at(port + 1),
  ];
  const child: ChildProcess = spawn('swtpm', [...args, '--flags', 'not-need-init,startup-clear'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const tcti = `swtpm:host=127.0.0.1,port=${port}`;
  while (!(await answers(port + 1))) {
    if (child.exitCode !== null) throw new Error('swtpm does not start');
    await sleep(20);
  }
  return {
    port,
    tcti,
    async clear() {
      const env = { ...process.env, TPM2TOOLS_TCTI: tcti };
      for (const kind of ['-t', '-l', '-s']) await promisify(execFile)('tpm2_flushcontext', [kind], { env });
    },
    async stop() {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await gone;
    },
  };
}
