/** An independent witness: litewitness of filippo.io/torchwood, as published, with its key in an ssh-agent of its own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './port.ts';
import { installGo } from './toolchain.ts';

const VERSION = 'v0.6.1';

export interface Litewitness {
  readonly url: string;
  readonly vkey: string;
  /** Makes it know a log by its origin and verifier key. */
  know(origin: string, vkey: string): void;
  close(): Promise<void>;
}

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  const done = spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, ...env } });
  if (done.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${done.stderr}`);
  return done.stdout;
}

async function until<T>(what: string, look: () => T | undefined): Promise<T> {
  const end = Date.now() + 60_000;
  while (Date.now() < end) {
    const found = look();
    if (found !== undefined) return found;
    await sleep(20);
  }
  throw new Error(`${what}: waited for a minute`);
}

export async function startLitewitness(name: string): Promise<Litewitness> {
  const program = installGo('litewitness', `filippo.io/torchwood/cmd/litewitness@${VERSION}`);
  const dir = mkdtempSync(join(tmpdir(), 'attestd-witness-'));
  const at = (f: string) => join(dir, f);
  const children: ChildProcess[] = [];
  run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at('key')]);
  const fingerprint = run('ssh-keygen', ['-lf', at('key.pub')]).split(' ')[1] as string;
  children.push(spawn('ssh-agent', ['-D', '-a', at('agent')], { stdio: 'ignore' }));
  await until('ssh-agent', () => (existsSync(at('agent')) ? true : undefined));
  run('ssh-add', ['-q', at('key')], { SSH_AUTH_SOCK: at('agent') });
  const port = await freePort();
  const options = {
    '-name': name,
    '-key': fingerprint,
    '-ssh-agent': at('agent'),
    '-db': at('db'),
    '-listen': `127.0.0.1:${port}`,
  };
  const witness = spawn(program, Object.entries(options).flat(), { stdio: ['ignore', 'ignore', 'pipe'] });
  children.push(witness);
  let said = '';
  witness.stderr?.on('data', (b: Buffer) => {
    said += b;
  });
  const ended = (): never => {
    throw new Error(`litewitness ended: ${said}`);
  };
  const vkey = await until('litewitness', () =>
    witness.exitCode !== null ? ended() : /listening/.test(said) ? /vkey=(\S+)/.exec(said)?.[1] : undefined,
  );
  return {
    url: `http://127.0.0.1:${port}`,
    vkey,
    know(origin, key) {
      // Its own tool for this does not build from the module proxy; these two rows are what that tool writes.
      const empty = '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=';
      const rows = `INSERT INTO log VALUES ('${origin}', 0, '${empty}'); INSERT INTO key VALUES ('${origin}', '${key}');`;
      run('sqlite3', ['-cmd', '.timeout 10000', at('db'), rows]);
    },
    async close() {
      for (const child of children) {
        if (child.exitCode !== null) continue;
        const gone = new Promise((resolve) => child.once('exit', resolve));
        child.kill();
        await gone;
      }
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
