/**
 * The caller of a connection: asked of the kernel once, when the connection is accepted, and kept for its life.
 * Everything the record says under `caller.observed` is here, already in canonical JSON, so that a request can
 * neither set it nor pay for it again.
 */
import type { Socket } from 'node:net';
import { AttestdError } from '../core/errors.ts';
import { jcs } from '../core/json.ts';
import type { ExecutableReader } from '../measure/executable.ts';
import { type ObservedCaller, observeCaller } from '../measure/process.ts';
import type { Addon } from '../native/addon.ts';

export interface Caller {
  readonly uid: number;
  /** Connected to the admin socket: reads every record. */
  readonly admin: boolean;
  readonly observed: ObservedCaller;
  /** RFC 8785 text of `observed`. */
  readonly observedJcs: string;
}

export interface Callers {
  /** Starts to observe the peer of an accepted connection. @returns its uid @throws when the kernel does not say */
  accept(socket: Socket, admin: boolean): number;
  /** The caller of a connection; a promise only until it has been observed once. */
  of(socket: Socket): Caller | Promise<Caller>;
}

export function createCallers(
  native: Pick<Addon, 'peerCredentials' | 'pidOfPidfd' | 'closeFd'>,
  executables: ExecutableReader,
): Callers {
  const known = new WeakMap<Socket, Caller | Promise<Caller>>();
  return {
    accept(socket, admin) {
      const peer = native.peerCredentials(descriptor(socket));
      const { pid, uid, gid, pidfd } = peer;
      const alive = pidfd === undefined ? undefined : () => native.pidOfPidfd(pidfd) === pid;
      const caller = observeCaller({ pid, uid, gid, alive }, executables)
        .then((observed) => {
          const c: Caller = { uid, admin, observed, observedJcs: jcs(observed) };
          known.set(socket, c);
          return c;
        })
        .finally(() => {
          if (pidfd !== undefined) native.closeFd(pidfd);
        });
      known.set(socket, caller);
      return uid;
    },
    of(socket) {
      const caller = known.get(socket);
      if (caller === undefined)
        throw new AttestdError('FORBIDDEN', 'the caller of this connection is not known');
      return caller;
    },
  };
}

/**
 * File descriptor of an accepted socket. Node has no public way to it; this is the one place that reaches into the
 * handle, and a test watches over it.
 */
function descriptor(socket: Socket): number {
  const fd = (socket as unknown as { _handle?: { fd?: unknown } })._handle?.fd;
  if (typeof fd !== 'number' || fd < 0)
    throw new AttestdError('INTERNAL', 'the connection has no descriptor');
  return fd;
}
