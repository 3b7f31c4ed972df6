/**
 * A fault proxy between a TCTI and swtpm, on Unix sockets (data and control). It serialises any number of clients
 * onto one TPM, and answers, delays, cuts or swallows commands by their command code. Without faults it is also the
 * way to reach one swtpm from several processes at a time, since swtpm serves one connection only.
 */
import { rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CC, exchange, failure, flushCommand } from './wire.ts';

/** What to do with a command. Exactly the first matching fault that has `times` left is used. */
export interface Fault {
  /** Command code; absent: every command. */
  readonly cc?: number;
  /** How many commands it hits; absent: for ever. */
  readonly times?: number;
  /** Matching commands that pass before the first hit. */
  readonly after?: number;
  /** The TPM is busy for so many milliseconds before it answers. May stand with any other. */
  readonly delayMs?: number;
  /** Answer this response code without asking the TPM. */
  readonly rc?: number;
  /**
   * The TPM executes; its response is cut to so many bytes and its size field says so. Below 10, a response header,
   * the connection ends with it.
   */
  readonly truncate?: number;
  /** The connection ends: 'before' the TPM executes the command, or 'after' it, with the response lost. */
  readonly eof?: 'before' | 'after';
  /** No answer until `release()` or until the client leaves. */
  readonly hang?: boolean;
}

export interface FaultProxy {
  readonly path: string;
  /** TCTI configuration that leads through the proxy. */
  readonly tcti: string;
  /** Adds a fault; returns what removes it. */
  inject(fault: Fault): () => void;
  /** Removes all faults and lets hung commands fail. */
  clear(): void;
  /** Lets hung commands end: their connections are closed. */
  release(): void;
  /** Hits that are still to come; Infinity with a fault without `times`. */
  readonly pending: number;
  /** How many commands of this code (or all) came in. */
  seen(cc?: number): number;
  /** Runs one command of the test's own, past all faults. */
  send(bytes: Buffer): Promise<Buffer>;
  /** Closes all client connections, as a resource manager that restarts. */
  dropClients(): void;
  close(): Promise<void>;
}

interface Live {
  readonly fault: Fault;
  left: number;
  skip: number;
}

/** Commands whose response begins with the handle of what they made (TPM 2.0 Part 3). */
const MAKING: ReadonlySet<number> = new Set([
  ...[CC.createPrimary, CC.load, CC.startAuthSession, CC.loadExternal, CC.contextLoad, CC.createLoaded],
]);

/**
 * Listens on `path` and `path.ctrl` for a TPM at `upstream` and `upstream.ctrl`.
 * @param path absolute path of the socket to make; the TCTI string is `swtpm:path=<path>`
 * @param manage flush what a command made whose response is lost, as the kernel's resource manager does once the client
 *   has given up its connection
 */
export async function startProxy(path: string, upstream: string, manage = false): Promise<FaultProxy> {
  let faults: Live[] = [];
  const counts = new Map<number, number>();
  const clients = new Set<Socket>();
  const hung = new Set<() => void>();
  let tpm: Socket | null = null;
  let turn: Promise<unknown> = Promise.resolve();
  let closed = false;

  const inTurn = <T>(f: () => Promise<T>): Promise<T> => {
    const run = turn.then(f, f);
    turn = run.catch(() => undefined);
    return run;
  };

  const reach = async (): Promise<Socket> => {
    if (tpm !== null && !tpm.destroyed && tpm.writable) return tpm;
    for (let tries = 0; ; tries++) {
      try {
        return await new Promise<Socket>((resolve, reject) => {
          const s = connect(upstream);
          s.once('connect', () => {
            s.off('error', reject);
            s.on('error', () => s.destroy());
            s.on('close', () => {
              if (tpm === s) tpm = null;
            });
            tpm = s;
            resolve(s);
          });
          s.once('error', reject);
        });
      } catch (e) {
        if (closed || tries > 200) throw e;
        await sleep(10);
      }
    }
  };

  const match = (cc: number): Fault | null => {
    for (const l of faults) {
      if (l.left === 0 || (l.fault.cc !== undefined && l.fault.cc !== cc)) continue;
      if (l.skip > 0) {
        l.skip--;
        continue;
      }
      l.left--;
      return l.fault;
    }
    return null;
  };

  /** The response to send, or null to end the connection. */
  const answer = async (client: Socket, bytes: Buffer): Promise<Buffer | null> => {
    const cc = bytes.readUInt32BE(6);
    counts.set(cc, (counts.get(cc) ?? 0) + 1);
    const fault = match(cc);
    if (fault?.delayMs !== undefined) await sleep(fault.delayMs);
    if (fault?.hang) {
      await new Promise<void>((resolve) => {
        const end = () => {
          hung.delete(end);
          client.off('close', end);
          resolve();
        };
        hung.add(end);
        client.once('close', end);
      });
      return null;
    }
    if (fault?.rc !== undefined) return failure(fault.rc);
    if (fault?.eof === 'before') return null;
    const response = await exchange(await reach(), bytes).catch(() => null);
    const lost = fault?.eof === 'after' || fault?.truncate !== undefined;
    if (manage && lost && MAKING.has(cc) && response?.readUInt32BE(6) === 0)
      await exchange(await reach(), flushCommand(response.readUInt32BE(10))).catch(() => null);
    if (response === null || fault?.eof === 'after') return null;
    if (fault?.truncate !== undefined) {
      const cut = Buffer.from(response.subarray(0, fault.truncate));
      if (cut.length >= 6) cut.writeUInt32BE(cut.length, 2);
      return cut;
    }
    return response;
  };

  const data = createServer((client) => {
    clients.add(client);
    let got: Buffer = Buffer.alloc(0);
    client.on('error', () => client.destroy());
    client.on('close', () => clients.delete(client));
    client.on('data', (b) => {
      got = Buffer.concat([got, b]);
      while (got.length >= 10 && got.length >= got.readUInt32BE(2)) {
        const size = Math.max(10, got.readUInt32BE(2));
        const one = got.subarray(0, size);
        got = got.subarray(size);
        void inTurn(async () => {
          const response = await answer(client, one);
          if (response === null) client.destroy();
          else if (!client.destroyed) {
            client.write(response);
            if (response.length < 10) client.end();
          }
        });
      }
    });
  });
  const control = createServer((client) => {
    clients.add(client);
    const up = connect(`${upstream}.ctrl`);
    const end = () => {
      clients.delete(client);
      client.destroy();
      up.destroy();
    };
    for (const s of [client, up]) s.on('error', end).on('close', end);
    client.pipe(up).pipe(client);
  });

  const paths: readonly (readonly [Server, string])[] = [
    [data, path],
    [control, `${path}.ctrl`],
  ];
  for (const [server, at] of paths) {
    rmSync(at, { force: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(at, resolve);
    });
  }

  const release = () => {
    for (const end of [...hung]) end();
  };
  const dropClients = () => {
    for (const c of [...clients]) c.destroy();
  };
  return {
    path,
    tcti: `swtpm:path=${path}`,
    inject(fault) {
      const l: Live = { fault, left: fault.times ?? Number.POSITIVE_INFINITY, skip: fault.after ?? 0 };
      faults.push(l);
      return () => {
        faults = faults.filter((x) => x !== l);
      };
    },
    clear() {
      faults = [];
      release();
    },
    release,
    get pending() {
      return faults.reduce((n, l) => n + l.left, 0);
    },
    seen(cc) {
      if (cc !== undefined) return counts.get(cc) ?? 0;
      let n = 0;
      for (const c of counts.values()) n += c;
      return n;
    },
    send: (bytes) => inTurn(async () => exchange(await reach(), bytes)),
    dropClients,
    async close() {
      closed = true;
      faults = [];
      release();
      dropClients();
      tpm?.destroy();
      await Promise.all(paths.map(([s]) => new Promise<void>((resolve) => s.close(() => resolve()))));
    },
  };
}
