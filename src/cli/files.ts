/** Files that a person names: read whole and bounded, written whole or not at all. */
import { constants } from 'node:fs';
import { open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import type { Io } from './io.ts';

const MAX_INPUT = 64 * 1024 * 1024;

/** Reads a file, or stdin for `-`. @throws USAGE when it cannot be read, TOO_LARGE over 64 MiB */
export async function readInput(path: string, io: Io): Promise<Uint8Array> {
  if (path === '-') return readStream(io.stdin);
  try {
    const { size } = await stat(path);
    if (size > MAX_INPUT) throw new AttestdError('TOO_LARGE', `${path} has ${size} bytes`);
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    if (cause instanceof AttestdError) throw cause;
    throw new AttestdError('USAGE', `${path}: ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
}

async function readStream(stream: NodeJS.ReadStream): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_INPUT) throw new AttestdError('TOO_LARGE', 'stdin is longer than 64 MiB');
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

/**
 * Writes a file beside its place, syncs it and renames it there, so that nobody ever reads half of it.
 * @param mode permission bits; 0600 keeps a secret
 */
export async function writeOutput(
  path: string,
  bytes: Uint8Array | string,
  io: Io,
  mode = 0o644,
): Promise<void> {
  if (path === '-') {
    // A file on its way through a pipe: as it is.
    io.out(typeof bytes === 'string' ? utf8(bytes) : bytes);
    return;
  }
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const file = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    const dir = await open(dirname(path) || '.', constants.O_RDONLY);
    try {
      await dir.sync();
    } finally {
      await dir.close();
    }
  } catch (cause) {
    await unlink(temporary).catch(() => undefined);
    throw new AttestdError('USAGE', `${path}: ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
}

/**
 * With --json, says what was written as the one document on stdout; nothing when stdout took the file itself.
 * @param facts what else a program wants to know of it
 */
export function reportWritten(io: Io, file: string, facts: Readonly<Record<string, unknown>> = {}): void {
  if (io.json && file !== '-') {
    io.out(`${JSON.stringify({ schema: 'attestd.dev/written/v1', file, ...facts })}\n`);
  }
}
