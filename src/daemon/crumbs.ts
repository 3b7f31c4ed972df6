/**
 * Bodies that come in crumbs. A chunk of one byte costs its sender six bytes and the event loop as much as a whole record:
 * 64 KiB of them keep it for tens of milliseconds, and every connection can have as much waiting. So small pieces are
 * counted by user, and who sends too many has all connections cut on which a body is under way, at once, before the next
 * of them is read. Slow senders of single bytes are no burden, and stay.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Limits } from './limits.ts';

/** A piece of fewer bytes is a small one. */
const SMALL = 64;

/** What is known of a connection: whose it is, and the answer to its newest request. */
interface Connection {
  readonly uid: number;
  readonly newest: ServerResponse | undefined;
}

export interface Crumbs {
  /** Watches the connections of a server. */
  watch(connections: ReadonlyMap<Socket, Connection>): void;
  /** A piece of a body came. @returns false where its connection has been cut: nothing of it counts any more */
  came(request: IncomingMessage, bytes: number): boolean;
}

/** @param onCut told for each connection that is cut */
export function createCrumbs(limits: Pick<Limits, 'takePiece'>, onCut: () => void): Crumbs {
  const servers: ReadonlyMap<Socket, Connection>[] = [];

  function cut(uid: number): void {
    for (const connections of servers) {
      for (const [socket, { uid: whose, newest }] of connections) {
        if (whose !== uid || newest === undefined || newest.req.complete || socket.destroyed) continue;
        onCut();
        socket.destroy();
      }
    }
  }

  return {
    watch: (connections) => void servers.push(connections),
    came({ socket }, bytes) {
      if (socket.destroyed) return false;
      if (bytes >= SMALL) return true;
      const connection = servers.map((c) => c.get(socket)).find((c) => c !== undefined);
      if (connection === undefined || limits.takePiece(connection.uid)) return true;
      cut(connection.uid);
      return !socket.destroyed;
    },
  };
}
