/**
 * An IMA list on disk, compressed once and for every bundle of a boot. It is cut at every 256 KiB; each piece is DEFLATE
 * of its own that ends on a byte (RFC 1951 §3.2.4), so that the pieces and an empty last block make one stream of the
 * list up to any moment, and the same list always has the same bytes and digest.
 *
 *     <dir>/00000000.z …   whole pieces, never written again
 *     <dir>/00000007.tail  what came after them, replaced as the list grows
 *
 * Trusted? No: an attacker who can modify a file can only make the list miss the quoted register. A directory can be
 * deleted; bundles of that boot then come without the list.
 */
import { createHash, type Hash } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { constants, deflateRawSync } from 'node:zlib';
import { writeDurably } from '../layout.ts';

const PIECE = 256 * 1024;
/** The last block of the stream: final, fixed codes, empty (RFC 1951 §3.2.6). */
const END = Uint8Array.of(3, 0);

/** The compressed list up to one moment. */
export interface Snapshot {
  /** SHA-256 in hex, and bytes. */
  readonly sha256: string;
  readonly size: number;
  pieces(): AsyncGenerator<Uint8Array>;
}

/** The list of the boot that runs. */
export interface Chunks {
  /** Takes what came behind the last bytes. Nothing is durable before `settle`. */
  append(bytes: Uint8Array): void;
  /** Makes the last bytes durable. */
  settle(): void;
  /** The list as far as it is durable; undefined while there is none. */
  readonly snapshot: Snapshot | undefined;
}

const compress = (raw: Uint8Array): Uint8Array =>
  // Full: the next piece must not refer to this one.
  new Uint8Array(deflateRawSync(raw, { finishFlush: constants.Z_FULL_FLUSH }));
const wholeName = (n: number): string => `${String(n).padStart(8, '0')}.z`;
const tailName = (n: number): string => `${String(n).padStart(8, '0')}.tail`;

/** Begins the list of a boot from its first byte; what an earlier run of the daemon wrote of it is kept where it is the same. */
export function createChunks(dir: string): Chunks {
  const open = new Uint8Array(PIECE);
  let used = 0;
  let whole = 0;
  let size = 0;
  const hash: Hash = createHash('sha256');
  let dirty = false;
  let snapshot: Snapshot | undefined;
  mkdirSync(dir, { recursive: true, mode: 0o700 });

  function close(): void {
    const bytes = compress(open);
    const path = join(dir, wholeName(whole));
    if (!isSame(path, bytes)) writeDurably(path, bytes);
    rmSync(join(dir, tailName(whole)), { force: true });
    hash.update(bytes);
    size += bytes.length;
    whole++;
    used = 0;
  }

  return {
    append(bytes) {
      for (let at = 0; at < bytes.length; ) {
        const some = bytes.subarray(at, at + PIECE - used);
        open.set(some, used);
        used += some.length;
        at += some.length;
        if (used === PIECE) close();
      }
      dirty ||= bytes.length > 0;
    },
    settle() {
      if (!dirty) return;
      const tail = used === 0 ? undefined : compress(open.subarray(0, used));
      if (tail !== undefined) writeDurably(join(dir, tailName(whole)), tail);
      dirty = false;
      snapshot = snapshotOf(dir, whole, tail, hash.copy(), size);
    },
    get snapshot() {
      return snapshot;
    },
  };
}

/** What is kept of the list of another boot; undefined where nothing is. */
export async function keptSnapshot(dir: string): Promise<Snapshot | undefined> {
  if (!existsSync(dir)) return undefined;
  const names = new Set(readdirSync(dir));
  const hash = createHash('sha256');
  let whole = 0;
  let size = 0;
  for (; names.has(wholeName(whole)); whole++) {
    const path = join(dir, wholeName(whole));
    for await (const piece of createReadStream(path)) hash.update(piece as Uint8Array);
    size += statSync(path).size;
  }
  const tail = names.has(tailName(whole))
    ? new Uint8Array(readFileSync(join(dir, tailName(whole))))
    : undefined;
  return whole === 0 && tail === undefined ? undefined : snapshotOf(dir, whole, tail, hash, size);
}

function snapshotOf(
  dir: string,
  whole: number,
  tail: Uint8Array | undefined,
  hash: Hash,
  size: number,
): Snapshot {
  const rest = tail === undefined ? [END] : [tail, END];
  for (const bytes of rest) hash.update(bytes);
  return {
    sha256: hash.digest('hex'),
    size: size + rest.reduce((n, b) => n + b.length, 0),
    async *pieces() {
      for (let n = 0; n < whole; n++) yield new Uint8Array(readFileSync(join(dir, wholeName(n))));
      yield* rest;
    },
  };
}

function isSame(path: string, bytes: Uint8Array): boolean {
  try {
    return Buffer.compare(readFileSync(path), bytes) === 0;
  } catch {
    return false;
  }
}
