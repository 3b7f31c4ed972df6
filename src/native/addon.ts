/**
 * Finds and types the native addon (native/, built by scripts/build-native). Floor N0: imported by tpm, store,
 * measure and daemon. Arguments are validated by those callers and by types; C++ owns handles and threads only.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { AttestdError } from '../core/errors.ts';
import type { OpenInput } from './input.ts';
import type { TpmContext } from './tpm.ts';

/** The peer of an accepted Unix socket, as the kernel knew it when it connected (unix(7), SO_PEERCRED). */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups at connect (SO_PEERGROUPS, Linux 4.13); absent where there are over 256. */
  readonly groups?: readonly number[];
  /** A pidfd that pins the process, where the kernel has SO_PEERPIDFD (6.5); the caller owns it: `closeFd`. */
  readonly pidfd?: number;
  /** The kernel has SO_PEERPIDFD and gave none: the peer was reaped, and its pid may be another's by now. */
  readonly gone?: true;
}

/** What a descriptor handed down by systemd is. */
export interface InheritedSocket {
  readonly type: 'stream' | 'datagram' | 'other';
  readonly family: 'unix' | 'other';
  readonly listening: boolean;
  /** Bound path of a Unix socket; starts with `@` in the abstract name space; absent when unnamed. */
  readonly path?: string;
}

/**
 * One thread that writes fully (pwritev, continued after short writes), then fdatasync, in order of the calls.
 * After the first failure every write rejects with EPOISONED: a page that could not be written is not tried again.
 */
export interface SyncWriter {
  /**
   * Resolves when these bytes are durable at `offset`, one after the other; with the milliseconds that the disk took.
   * They are copied first.
   */
  write(buffers: readonly Uint8Array[], offset: number): Promise<number>;
  /**
   * The same for a frame, the first buffer, that holds `count` entries (u16 length ‖ bytes, each) from `from` on. They are
   * hashed on the writer's thread while the disk works: `hashes` is SHA-256 of the frame, then the leaf hash of each
   * entry (RFC 6962 §2.1), 32 bytes each; `digests` is SHA-256 of each entry in lower-case hexadecimal, one behind the
   * other.
   */
  writeEntries(
    buffers: readonly Uint8Array[],
    offset: number,
    from: number,
    count: number,
  ): Promise<{ readonly ms: number; readonly hashes: Buffer; readonly digests: string }>;
  /** Settles at once what has ended meanwhile, instead of when the event loop comes round. */
  poll(): void;
  /** Lets queued writes end, then closes the writer's own duplicate of the descriptor; yours stays open. */
  close(): Promise<void>;
}

export interface Addon {
  /** Opens the TCTI and an ESYS context on a thread of its own. Rejects with a TpmNativeError. */
  openTpm(input: OpenInput): Promise<TpmContext>;
  /** Layer and name of a TSS or TPM response code. */
  describeRc(rc: number): { layer: string; name: string; base: string };
  /** `tpm2-tss` version the addon was built against. */
  readonly tssVersion: string;

  /** @throws Error with errno and syscall where `fd` is no connected Unix socket */
  peerCredentials(fd: number): PeerCredentials;
  /** Whether the process of a pidfd still runs (pidfd_open(2): readable once it has ended). */
  pidfdAlive(pidfd: number): boolean;
  /** The pid of a pidfd in our own pid namespace; -1 once it has been reaped, 0 in another namespace. */
  pidOfPidfd(pidfd: number): number;
  closeFd(fd: number): void;

  /** Sends one datagram to a systemd notification socket (`/path` or `@abstract`), without waiting. */
  notify(socket: string, state: string): void;
  /** One request to a Nitro Security Module (linux/nsm.h), at most 4 KiB, and its response. @throws with errno */
  nsmExchange(fd: number, request: Uint8Array): Uint8Array;
  /** Sets CLOEXEC on an inherited descriptor and says what it is. @throws where it is no socket */
  inheritSocket(fd: number): InheritedSocket;
  /** Write lock of the open file description (fcntl(2), F_OFD_SETLK) on the whole file; false: another holds it. */
  lockFile(fd: number): boolean;
  /** PR_SET_DUMPABLE; false keeps same-uid processes from ptrace and /proc/self from others. */
  setDumpable(on: boolean): void;
  /** RLIMIT_CORE 0, hard limit too: no core is ever written (design §8). */
  forbidCores(): void;

  /** Whether the processor has an instruction for CRC32C. */
  hasCrc32c(): boolean;
  /** CRC32C of `b` from `begin` to `end`, going on from `seed`; only where `hasCrc32c`. */
  crc32c(b: Uint8Array, seed: number, begin: number, end: number): number;

  /** See `disclosureOf` of evidence/disclosure.ts, which it stands in for. @throws TypeError */
  disclosure(salt: Uint8Array, rest: string): string;
  /** Writes SHA-256(`input`) to `out` at `at`. @throws RangeError where it does not fit */
  sha256(input: Uint8Array, out: Uint8Array, at: number): void;

  SyncWriter: new (fd: number) => SyncWriter;
  /** Allocates and zeroes `size` bytes so that later writes change no metadata; ends with fdatasync. */
  preallocate(fd: number, size: number): Promise<void>;
  /** A new file with these bytes, 0600, not synced. Rejects with errno EEXIST where there is one already. */
  writeNewFile(path: string, bytes: Uint8Array): Promise<void>;
  /** fsync(2) of a file or directory. */
  syncFd(fd: number): Promise<void>;
}

/** The build's output; the same from src/native and dist/native. */
const DEFAULT_PATH = fileURLToPath(new URL('../../build/Release/attestd.node', import.meta.url));

/** Loads the addon; a second call gives the same one. @throws NATIVE_MISSING with the loader's own words */
export function loadAddon(path: string = DEFAULT_PATH): Addon {
  try {
    return createRequire(import.meta.url)(path) as Addon;
  } catch (cause) {
    throw new AttestdError(
      'NATIVE_MISSING',
      cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : '',
      {
        cause,
      },
    );
  }
}
