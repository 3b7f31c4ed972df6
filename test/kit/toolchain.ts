/**
 * What peers in other languages are built with, made once and kept.
 *
 * A Go new enough for the peers that need one (1.26): that of the machine, which fetches the toolchain itself from 1.21
 * on, or, where Debian's old one is, the toolchain as the Go module that it is, checked against the checksum database.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const MINOR = 26;
const VERSION = 'go1.26.8';
/** Outside node_modules, which npm empties: what is built here takes minutes. */
const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'attestd-tests');

interface Go {
  readonly command: string;
  readonly env: NodeJS.ProcessEnv;
}

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv, cwd = CACHE): string {
  const options = { cwd, env: { ...process.env, ...env }, encoding: 'utf8', maxBuffer: 64 << 20 } as const;
  const { status, stdout, stderr, error } = spawnSync(command, args, options);
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stderr}`);
  return stdout;
}

let found: Go | undefined;

/** The Go to build with. @throws Error that says what to install where there is none */
function modernGo(): Go {
  if (found !== undefined) return found;
  mkdirSync(CACHE, { recursive: true });
  let version: string;
  try {
    version = run('go', ['version'], {});
  } catch {
    throw new Error('these tests need Go: apt-get install golang-go');
  }
  const minor = Number(/go1\.(\d+)/.exec(version)?.[1] ?? 0);
  if (minor >= MINOR) found = { command: 'go', env: {} };
  else if (minor >= 21) found = { command: 'go', env: { GOTOOLCHAIN: VERSION } };
  else {
    const wanted = `golang.org/toolchain@v0.0.1-${VERSION}.linux-${process.arch === 'arm64' ? 'arm64' : 'amd64'}`;
    const { Dir } = JSON.parse(run('go', ['mod', 'download', '-json', wanted], {})) as { Dir: string };
    // A module keeps no permission bits.
    for (const folder of ['bin', ...readdirSync(join(Dir, 'pkg/tool')).map((t) => join('pkg/tool', t))]) {
      for (const file of readdirSync(join(Dir, folder))) chmodSync(join(Dir, folder, file), 0o755);
    }
    found = { command: join(Dir, 'bin/go'), env: { GOROOT: Dir, GOTOOLCHAIN: 'local' } };
  }
  return found;
}

/** Makes `name` once for each `key` and keeps it. @param build writes the program to a path @returns its path */
function once(name: string, key: string, build: (out: string) => void): string {
  const dir = join(CACHE, name);
  const kept = join(dir, key);
  if (existsSync(kept)) return kept;
  mkdirSync(dir, { recursive: true });
  const temporary = mkdtempSync(join(dir, 'build-'));
  try {
    build(temporary);
    // Another test process may have made it meanwhile; both are the same.
    renameSync(join(temporary, name), kept);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return kept;
}

/** Builds the command of a folder that has its own go.mod. @param key changes when its sources do */
export function buildGo(name: string, folder: string, key: string): string {
  return once(name, key, (out) => {
    const go = modernGo();
    run(go.command, ['build', '-buildvcs=false', '-trimpath', '-o', join(out, name), '.'], go.env, folder);
  });
}

/** Installs a command of a published module at a pinned version. @param path `module/cmd/name@version` */
export function installGo(name: string, path: string): string {
  return once(name, path.slice(path.lastIndexOf('@') + 1), (out) => {
    const go = modernGo();
    const env = { ...go.env, GOBIN: out, CGO_ENABLED: '0' };
    const args = ['-n', '19', go.command, 'install', '-trimpath', '-ldflags=-s -w', path];
    // A proxy that does not answer once is asked again; what was fetched stays.
    for (let tries = 1; ; tries++) {
      try {
        run('nice', args, env);
        return;
      } catch (e) {
        if (tries === 3) throw e;
      }
    }
  });
}

/**
 * Packages of PyPI in exactly the versions of a file, in an environment of their own.
 * @param requirements path of the file; must name everything, for what it does not name is not installed
 * @returns path of the Python that has them
 */
export function installPython(name: string, requirements: string): string {
  mkdirSync(CACHE, { recursive: true });
  const digest = createHash('sha256')
    .update(run('python3', ['-VV'], {}))
    .update(readFileSync(requirements));
  const kept = once(name, digest.digest('hex').slice(0, 16), (out) => {
    const dir = join(out, name);
    run('python3', ['-m', 'venv', dir], {});
    const options = ['--quiet', '--disable-pip-version-check', '--no-input', '--only-binary', ':all:'];
    const args = ['-m', 'pip', 'install', ...options, '--no-deps', '--retries', '5', '-r', requirements];
    run(join(dir, 'bin/python'), args, {});
  });
  return join(kept, 'bin/python');
}
