/**
 * What systemd and the daemon say to each other (sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3)). Node has
 * no datagram Unix sockets, so the addon sends the words; the environment is read once and taken away, so that no
 * child inherits it.
 */
import { AttestdError } from '../core/errors.ts';
import type { Addon } from '../native/addon.ts';

/** First descriptor that systemd hands over. */
const FIRST_FD = 3;

export interface Systemd {
  /** Sockets handed over, by FileDescriptorName= (or their order where there are no names). */
  readonly sockets: { readonly client?: number; readonly admin?: number };
  /** Microseconds within which WATCHDOG=1 is wanted; undefined where nobody watches. */
  readonly watchdogUs: number | undefined;
  /** Sends a state such as `READY=1`; a lost datagram is nobody's fault. */
  notify(state: string): void;
}

/** @throws CONFIG_INVALID when a descriptor handed over is not a listening Unix stream socket */
export function openSystemd(
  env: NodeJS.ProcessEnv,
  native: Pick<Addon, 'notify' | 'inheritSocket'>,
  pid: number,
): Systemd {
  const address = env.NOTIFY_SOCKET;
  const watchdog = Number(env.WATCHDOG_USEC);
  const watched =
    Number.isInteger(watchdog) && watchdog > 0 && [undefined, String(pid)].includes(env.WATCHDOG_PID);
  const sockets = inherited(env, native, pid);
  for (const name of [
    'NOTIFY_SOCKET',
    'WATCHDOG_USEC',
    'WATCHDOG_PID',
    'LISTEN_FDS',
    'LISTEN_PID',
    'LISTEN_FDNAMES',
  ]) {
    delete env[name];
  }
  return {
    sockets,
    watchdogUs: watched ? watchdog : undefined,
    notify(state) {
      if (address === undefined) return;
      try {
        native.notify(address, state);
      } catch {
        // The receiver may be gone or its queue full; the next state comes soon.
      }
    },
  };
}

function inherited(
  env: NodeJS.ProcessEnv,
  native: Pick<Addon, 'inheritSocket'>,
  pid: number,
): { client?: number; admin?: number } {
  const count = Number(env.LISTEN_FDS ?? '0');
  if (!Number.isInteger(count) || count < 1 || env.LISTEN_PID !== String(pid)) return {};
  const names = env.LISTEN_FDNAMES?.split(':') ?? [];
  const out: { client?: number; admin?: number } = {};
  for (let i = 0; i < count; i++) {
    const fd = FIRST_FD + i;
    const socket = native.inheritSocket(fd);
    if (socket.family !== 'unix' || socket.type !== 'stream' || !socket.listening) {
      throw new AttestdError('CONFIG_INVALID', `descriptor ${fd} from systemd is no listening Unix socket`);
    }
    const admin = names[i]?.includes('admin') ?? (names.length === 0 && i === 1);
    if (admin) out.admin ??= fd;
    else out.client ??= fd;
  }
  return out;
}
