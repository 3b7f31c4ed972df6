/** attestctl as a person meets it: the built program in a process of its own, its streams byte for byte. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const CTL = join(process.env.ATTESTD_DIST ?? join(ROOT, 'dist'), 'cli/main.js');

export interface Outcome {
  /** Exit status; null when a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: Buffer;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Circumstances {
  readonly stdin?: string | Uint8Array;
  readonly cwd?: string;
  /** Added to the environment; undefined takes a name out. */
  readonly env?: NodeJS.ProcessEnv;
  /** Another command to run it under: `unshare -n`, `script`. */
  readonly under?: readonly string[];
  /** The user to run it as, where the test runs as root. */
  readonly uid?: number;
}

/** Runs a program to its end. */
export function runProgram(command: readonly string[], given: Circumstances = {}): Promise<Outcome> {
  const { stdin, cwd, env, uid, under = [] } = given;
  const [file, ...args] = [...under, ...command];
  return new Promise((resolve, reject) => {
    const child = spawn(file as string, args, {
      env: { ...process.env, ...env },
      ...(cwd ? { cwd } : {}),
      ...(uid === undefined ? {} : { uid, gid: uid, cwd: '/' }),
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (b: Buffer) => out.push(b));
    child.stderr.on('data', (b: Buffer) => err.push(b));
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin ?? '');
    child.once('error', reject);
    child.once('close', (status, signal) => {
      const all = Buffer.concat(out);
      resolve({ status, signal, out: all, stdout: all.toString(), stderr: Buffer.concat(err).toString() });
    });
  });
}

/** Runs attestctl to its end. */
export const ctl = (args: readonly string[], given?: Circumstances): Promise<Outcome> =>
  runProgram([process.execPath, CTL, ...args], given);
