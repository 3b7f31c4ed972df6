/** A listener on the bus: relays a Unix socket (data and control) and keeps what passed, as an interposer would. */
import { connect, createServer, type Server, type Socket } from 'node:net';

export interface Tap {
  readonly tcti: string;
  /** Whether these bytes passed, in either direction. */
  heard(bytes: Uint8Array): boolean;
  forget(): void;
  close(): Promise<void>;
}

/** Listens on `path` (and `path.ctrl`) for the TPM at `upstream`. */
export async function startTap(path: string, upstream: string): Promise<Tap> {
  let kept: Buffer[] = [];
  const sockets = new Set<Socket>();
  const relay = (suffix: string): Promise<Server> =>
    new Promise((resolve) => {
      const server = createServer((near) => {
        const far = connect(upstream + suffix);
        const pair: [Socket, Socket][] = [
          [near, far],
          [far, near],
        ];
        for (const [from, to] of pair) {
          sockets.add(from);
          from.on('data', (b) => {
            kept.push(b);
            to.write(b);
          });
          from.on('error', () => to.destroy());
          from.on('close', () => to.destroy());
        }
      });
      server.listen(path + suffix, () => resolve(server));
    });
  const servers = [await relay(''), await relay('.ctrl')];
  return {
    tcti: `swtpm:path=${path}`,
    heard: (bytes) => Buffer.concat(kept).includes(Buffer.from(bytes)),
    forget() {
      kept = [];
    },
    async close() {
      for (const s of sockets) s.destroy();
      await Promise.all(servers.map((s) => new Promise((resolve) => s.close(resolve))));
    },
  };
}
