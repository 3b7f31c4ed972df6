/** The peer of test/peers/exports: independent Go code that reads our exports and uses our workload keys. */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PeerAnswer } from './go.ts';
import { buildGo } from './toolchain.ts';

const SOURCES = fileURLToPath(new URL('../peers/exports/', import.meta.url));

let built: string | undefined;

function program(): string {
  if (built !== undefined) return built;
  const digest = createHash('sha256');
  for (const file of readdirSync(SOURCES).sort()) digest.update(readFileSync(join(SOURCES, file)));
  built = buildGo('exports', SOURCES, digest.digest('hex').slice(0, 16));
  return built;
}

function read(status: number | null, stdout: string, stderr: string): PeerAnswer {
  if (status === 0) return { ok: true, facts: JSON.parse(stdout) as Record<string, unknown>, reason: '' };
  // A crash of the peer (2, or a signal) is not a refusal.
  if (status !== 1) throw new Error(`the Go peer failed: ${stderr}`);
  return { ok: false, facts: {}, reason: stderr.trim() };
}

/** Runs the peer: cose, request or slsa, see test/peers/exports/main.go. */
export function runExports(args: readonly string[]): PeerAnswer {
  const { status, stdout, stderr } = spawnSync(program(), args, { encoding: 'utf8' });
  return read(status, stdout, stderr);
}

/** The same beside a daemon in this process, which must go on meanwhile. */
export function askExports(args: readonly string[]): Promise<PeerAnswer> {
  return new Promise((resolve, reject) => {
    const child = spawn(program(), args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (b: Buffer) => {
      stdout += b.toString();
    });
    child.stderr.on('data', (b: Buffer) => {
      stderr += b.toString();
    });
    child.once('error', reject);
    child.once('close', (status) => {
      try {
        resolve(read(status, stdout, stderr));
      } catch (e) {
        reject(e as Error);
      }
    });
  });
}
