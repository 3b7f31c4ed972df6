/**
 * The lmdb file of the index: opened so that a damaged one costs a rebuilding and not the process, with keys and
 * values of fixed length.
 */
import { chmodSync, closeSync, existsSync, openSync, readSync, rmSync } from 'node:fs';
import { open, type RootDatabase } from 'lmdb';
import type { Place } from './segment.ts';

export type Database = RootDatabase<Buffer, Buffer>;

/** What the first meta page of an lmdb file begins with, behind its page header. */
const LMDB_MAGIC = 0xbeefc0de;

/**
 * Opens the file. One that is none, or at which an earlier opening died, is thrown away and begun anew: lmdb trusts
 * its file, and a damaged one can end the process, which must not happen at every start.
 */
export function openDatabase(path: string, warn: (what: string, cause: unknown) => void): Database {
  const opening = `${path}.opening`;
  if (existsSync(opening) || !isIndex(path)) {
    warn('the index cannot be used and is made anew', undefined);
    for (const name of [path, `${path}-lock`]) rmSync(name, { force: true });
  }
  closeSync(openSync(opening, 'w', 0o600));
  const db = open<Buffer, Buffer>({
    path,
    noSubdir: true,
    keyEncoding: 'binary',
    encoding: 'binary',
    maxReaders: 16,
    // Such a batch has a promise that nobody gets to see: a commit that fails would end the process.
    eventTurnBatching: false,
  });
  db.get(key('m'));
  for (const name of [path, `${path}-lock`]) chmodSync(name, 0o600);
  rmSync(opening, { force: true });
  return db;
}

/** Whether there is no file yet, or one that begins as an lmdb file does. */
function isIndex(path: string): boolean {
  if (!existsSync(path)) return true;
  const b = Buffer.alloc(28);
  const fd = openSync(path, 'r');
  readSync(fd, b, 0, b.length, 0);
  closeSync(fd);
  // The page header has 24 bytes in this version of lmdb, 16 in others.
  return b.readUInt32LE(24) === LMDB_MAGIC || b.readUInt32LE(16) === LMDB_MAGIC;
}

/** A key: one letter and numbers below 2^48. */
export function key(kind: string, ...numbers: number[]): Buffer {
  const b = Buffer.alloc(1 + 6 * numbers.length);
  b.write(kind, 'latin1');
  for (const [i, n] of numbers.entries()) b.writeUIntBE(n, 1 + 6 * i, 6);
  return b;
}

/** A number below 2^48. */
export function u48(n: number): Buffer {
  const b = Buffer.alloc(6);
  b.writeUIntBE(n, 0, 6);
  return b;
}

/** A place, in 8 bytes. */
export function placeBytes({ ordinal, offset }: Place): Buffer {
  const b = Buffer.alloc(8);
  b.writeUInt32BE(ordinal);
  b.writeUInt32BE(offset, 4);
  return b;
}

/** Reads a place. */
export const placeAt = (b: Buffer, at: number): Place => ({
  ordinal: b.readUInt32BE(at),
  offset: b.readUInt32BE(at + 4),
});

/** u32 uid and the first half of the key's digest, as text for a Map. */
export function keyText(uid: number, digest: Uint8Array): string {
  const b = Buffer.alloc(20);
  b.writeUInt32BE(uid);
  b.set(digest.subarray(0, 16), 4);
  return b.toString('latin1');
}
