/**
 * The caller of a connection: asked of the kernel once, when the connection is accepted, and kept for its life.
 * Everything the record says under `caller.observed` is here, already in canonical JSON, so that a request can
 * neither set it nor pay for it again.
 */
import type { Socket } from 'node:net';
import { AttestdError } from '../core/errors.ts';
import { jcs } from '../core/json.ts';
import { type ObservedCaller, type ObserveInput, observeCaller, type Pin } from '../measure/process.ts';
import type { Addon, PeerCredentials } from '../native/addon.ts';
import { createHorizon } from './horizon.ts';

export interface Caller {
  readonly uid: number;
  /** Connected to the admin socket: reads every record. */
  readonly admin: boolean;
  readonly observed: ObservedCaller;
  /** RFC 8785 text of `observed`. */
  readonly observedJcs: string;
}

export interface Callers {
  /**
   * Starts to observe the peer of an accepted connection, unless it is one too many: looking at a process costs more
   * than to turn its connection away.
   * @param admit whether its uid may have another connection
   * @returns whether it may, and its uid
   * @throws when the kernel does not say who it is
   */
  accept(
    socket: Socket,
    admin: boolean,
    admit: (uid: number) => boolean,
  ): { readonly admitted: boolean; readonly uid: number };
  /** The caller of a connection; a promise only until it has been observed once. */
  of(socket: Socket): Caller | Promise<Caller>;
  close(): void;
}

export function createCallers(
  native: Pick<Addon, 'peerCredentials' | 'pidOfPidfd' | 'closeFd'>,
  observe: ObserveInput,
): Callers {
  const horizon = createHorizon();
  const known = new WeakMap<Socket, Caller | Promise<Caller>>();
  /** What ties the pid to the process that connected. */
  function pinOf({ pid, pidfd, gone }: PeerCredentials): Pin {
    if (pidfd !== undefined) {
      horizon.close();
      return { kind: 'pidfd', alive: () => native.pidOfPidfd(pidfd) === pid };
    }
    // A kernel that has pidfds and gives none for this peer says that it is gone.
    return gone === true
      ? { kind: 'pidfd', alive: () => false }
      : { kind: 'age', connectedAfter: horizon.ticks };
  }

  return {
    accept(socket, admin, admit) {
      horizon.accepted();
      const peer = native.peerCredentials(descriptor(socket));
      const { pid, uid, gid, groups, pidfd } = peer;
      if (!admit(uid)) {
        if (pidfd !== undefined) native.closeFd(pidfd);
        return { admitted: false, uid };
      }
      const caller = observeCaller({ pid, uid, gid, groups, pin: pinOf(peer) }, observe)
        .then((observed) => {
          const c: Caller = { uid, admin, observed, observedJcs: jcs(observed) };
          known.set(socket, c);
          return c;
        })
        .finally(() => {
          if (pidfd !== undefined) native.closeFd(pidfd);
        });
      known.set(socket, caller);
      return { admitted: true, uid };
    },
    of(socket) {
      const caller = known.get(socket);
      if (caller === undefined)
        throw new AttestdError('FORBIDDEN', 'the caller of this connection is not known');
      return caller;
    },
    close: horizon.close,
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
