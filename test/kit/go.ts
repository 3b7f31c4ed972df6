/**
 * The peer of test/peers/go: independent Go code that reads our notes, tiles and proofs. It is built once for each
 * state of its sources. With Go ≥ 1.25 it is built from its go.mod; otherwise from Debian's golang-go and
 * golang-golang-x-mod-dev, which need no network.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCES = fileURLToPath(new URL('../peers/go/', import.meta.url));
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/attestd-peer/', import.meta.url));
const DEBIAN = '/usr/share/gocode';

interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Run {
  const options = { cwd: SOURCES, env: { ...process.env, ...env }, encoding: 'utf8' } as const;
  const { status, stdout, stderr } = spawnSync(command, args, options);
  return { status, stdout: stdout ?? '', stderr: stderr ?? '' };
}

/** Path of the built peer. @throws Error that says what to install where there is no Go */
function build(): string {
  const version = run('go', ['version']);
  if (version.status !== 0) {
    throw new Error('these tests need Go: apt-get install golang-go golang-golang-x-mod-dev, or Go ≥ 1.25');
  }
  const digest = createHash('sha256').update(version.stdout);
  for (const file of readdirSync(SOURCES).sort()) digest.update(readFileSync(join(SOURCES, file)));
  const peer = join(CACHE, digest.digest('hex').slice(0, 16));
  if (existsSync(peer)) return peer;

  mkdirSync(CACHE, { recursive: true });
  const temporary = mkdtempSync(join(CACHE, 'build-'));
  const binary = join(temporary, 'peer');
  try {
    const minor = Number(/go1\.(\d+)/.exec(version.stdout)?.[1] ?? 0);
    let built: Run = { status: 1, stdout: '', stderr: version.stdout };
    if (minor >= 25) built = run('go', ['build', '-buildvcs=false', '-trimpath', '-o', binary, '.']);
    if (built.status !== 0 && existsSync(join(DEBIAN, 'src/golang.org/x/mod/sumdb'))) {
      const env = { GO111MODULE: 'off', GOPATH: DEBIAN, GOFLAGS: '' };
      built = run('go', ['build', '-buildvcs=false', '-tags', 'debian', '-o', binary, '.'], env);
    }
    if (built.status !== 0) throw new Error(`the Go peer does not build: ${built.stderr}`);
    // Another test process may have built it meanwhile; both are the same.
    renameSync(binary, peer);
    return peer;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

let built: string | undefined;

/** What the peer says. */
export interface PeerAnswer {
  /** Whether it accepts. */
  readonly ok: boolean;
  /** Its facts where it accepts, see test/peers/go/main.go. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** Its reason where it refuses. */
  readonly reason: string;
}

/** Runs the peer: note-open, tiles, proof or consistency, with paths of files as arguments. */
export function runPeer(args: readonly string[]): PeerAnswer {
  built ??= build();
  const { status, stdout, stderr } = run(built, args);
  if (status === 0) return { ok: true, facts: JSON.parse(stdout) as Record<string, unknown>, reason: '' };
  // A crash of the peer (2, or a signal) is not a refusal.
  if (status !== 1) throw new Error(`the Go peer failed: ${stderr}`);
  return { ok: false, facts: {}, reason: stderr.trim() };
}
