/**
 * The floods of `npm run bench -- --only floods` in small: what the daemon does with each, and that a caller who was there
 * before them gets receipts all the while. How fast is the bench's business.
 */
import { Agent, request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type FloodKind, startFlood } from '../../bench/flood.ts';
import { createCallers } from '../../src/daemon/caller.ts';
import { createHorizon } from '../../src/daemon/horizon.ts';
import { createLineTurns } from '../../src/daemon/lineturns.ts';
import { makePolicies, POLICIES } from '../govern/kit.ts';
import { ask, body, type Host, makeHost, until } from './kit.ts';

let host: Host;
let socket: string;
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
beforeAll(async () => {
  const policies = makePolicies(POLICIES);
  host = await makeHost({
    limits: { connections_per_caller: 12, request_ms: 500, stalled_ms: 500 },
    policy: { directory: policies.directory, keys: [policies.publicKey], open_attempts_per_caller: 5 },
  });
  await host.init();
  await (await host.start()).started;
  socket = host.config.socket.path;
});
afterAll(async () => {
  agent.destroy();
  await host.remove();
});

/** One record on the connection that was there first. @returns the status of the answer */
function decent(): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { 'attestd-client': 'test/1', 'content-type': 'application/json' };
    const options = { socketPath: socket, path: '/v1/records?wait=durable', method: 'POST', headers, agent };
    const r = httpRequest(options, (res) => {
      res.resume();
      res.on('end', () => resolve(res.statusCode));
    });
    r.on('error', reject);
    r.end(body());
  });
}
const status = async () => (await ask(host.config.admin_socket.path, '/v1/status')).json;
const cuts = (why: string): number =>
  host.lines
    .filter((l) => l.why === why && /^(a connection was|connections were) cut$/.test(String(l.msg)))
    .reduce((n, l) => n + ((l.count as number | undefined) ?? 1), 0);

/** Runs a flood until `enough`, with the decent caller at work. @returns its report */
async function under(
  kind: FloodKind,
  connections: number,
  enough: (flood: ReturnType<typeof startFlood>) => boolean | Promise<boolean>,
  bytes?: number,
) {
  expect(await decent()).toBe(201);
  const flood = startFlood({
    kind,
    socket,
    connections,
    everyMs: 20,
    ...(bytes === undefined ? {} : { bytes }),
  });
  try {
    await flood.ready;
    await until(async () => {
      expect(await decent()).toBe(201);
      return enough(flood);
    });
    return flood.report();
  } finally {
    flood.stop();
  }
}
/** Nothing of a flood is left. */
afterEach(() =>
  until(async () => {
    // Undefined as long as the share of connections is used up.
    const queue = (await status()).queue ?? {};
    return queue.records === 0 && queue.bytes === 0;
  }),
);

describe('a flood of', () => {
  it('connections is turned away by name beyond its share, and fills no journal', async () => {
    const before = cuts('limit');
    const report = await under('connections', 60, () => host.lines.some((l) => l.count !== undefined));
    expect(report.answers['503']).toBeGreaterThan(40);
    const lines = host.lines.filter((l) => l.why === 'limit').length;
    // A line at once and one for the rest, each second: never one for each of hundreds.
    await until(() => cuts('limit') - before >= (report.answers['503'] as number));
    expect(lines).toBeLessThan(report.answers['503'] as number);
  });

  it('readers who take nothing, or little, is cut when they take nothing', async () => {
    await under('slow-readers', 4, () => cuts('stalled') > 0);
  });

  it('writers of a byte now and then is ended when a request does not come to its end', async () => {
    const report = await under('slow-writers', 6, (flood) => flood.report().ended > 2);
    expect(Object.keys(report.answers).every((s) => ['200', '400', '503'].includes(s))).toBe(true);
  });

  it('bodies in single bytes is cut on every connection at once, and kept out for a while', async () => {
    const report = await under('crumbs', 6, () => cuts('crumbs') > 2 && cuts('limit') > 0);
    expect(report.ended).toBeGreaterThan(2);
  });

  it('attempts that are never completed gets no more than its share of them', async () => {
    await under('attempts', 2, (flood) => (flood.report().answers['429'] ?? 0) > 3);
    const query = '/v1/records?kind=execution&decision=permitted&limit=500';
    expect((await ask(host.config.admin_socket.path, query)).json.records).toHaveLength(5);
  });

  it('records in one long stream is answered line by line', async () => {
    let over = false;
    const flood = await under(
      'stream',
      1,
      async (f) => {
        void f.done.then(() => {
          over = true;
        });
        return over;
      },
      2_000_000,
    );
    expect(flood.answers).toEqual({ 200: 1, lines: Math.ceil(Math.ceil(2_000_000 / 513) / 64) * 64 });
  });
});

describe('answers that nobody reads', () => {
  it('count as what they are, and are given back when they leave or their reader does', async () => {
    const line = `${body()}\n`;
    const open = () =>
      new Promise<Socket>((resolve) => {
        const s = connect(socket, () => {
          s.write(
            'POST /v1/records?wait=durable HTTP/1.1\r\nhost: x\r\nattestd-client: test/1\r\n' +
              'content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n',
          );
          const piece = line.repeat(64);
          for (let i = 0; i < 40; i++) s.write(`${piece.length.toString(16)}\r\n${piece}\r\n`);
          resolve(s);
        });
        s.pause();
        s.on('error', () => undefined);
      });
    const s = await open();
    // Until nothing more is taken: what is left over waits in its answers.
    let last = -1;
    let same = 0;
    await until(async () => {
      const { entries } = await status();
      same = entries === last ? same + 1 : 0;
      last = entries;
      return same === 10;
    });
    expect((await status()).queue.records).toBeGreaterThan(0);
    s.destroy();
  });
});

describe('a connection that is one too many', () => {
  it('is not looked at', () => {
    const closed: number[] = [];
    let read = 0;
    const executables = {
      read: () => {
        read++;
        return Promise.resolve('unreadable' as const);
      },
    };
    const native = {
      peerCredentials: () => ({ pid: process.pid, uid: 7, gid: 7, groups: [], pidfd: 99 }),
      pidOfPidfd: () => process.pid,
      closeFd: (fd: number) => void closed.push(fd),
    };
    const callers = createCallers(native, { executables, observer: undefined, accounts: undefined });
    const peer = { _handle: { fd: 5 } } as unknown as Socket;
    expect(callers.accept(peer, false, () => false)).toEqual({ admitted: false, uid: 7 });
    expect([closed, read]).toEqual([[99], 0]);
    expect(() => callers.of(peer)).toThrowError(expect.objectContaining({ code: 'FORBIDDEN' }));
    expect(callers.accept(peer, false, () => true)).toEqual({ admitted: true, uid: 7 });
    expect(read).toBe(1);
    callers.close();
  });
});

describe('lines of streams', () => {
  it('are taken by users in turn, however many streams one of them has, and never many at once', async () => {
    const turns = createLineTurns(10);
    const got: Record<number, number> = { 1: 0, 2: 0 };
    let streak = 0;
    let longest = 0;
    const stream = (uid: number) => {
      const pump = () => {
        while (turns.take()) {
          if ((got[2] as number) >= 500) continue;
          got[uid] = (got[uid] as number) + 1;
          longest = Math.max(longest, ++streak);
        }
        if ((got[2] as number) < 500) turns.later(uid, pump);
      };
      return pump;
    };
    const look = setInterval(() => undefined, 1000);
    const between = () => {
      streak = 0;
      if ((got[2] as number) < 500) setImmediate(between);
    };
    setImmediate(between);
    for (let i = 0; i < 200; i++) turns.later(1, stream(1));
    turns.later(2, stream(2));
    await until(() => (got[2] as number) >= 500);
    clearInterval(look);
    expect(got[1]).toBeLessThan(600);
    expect(longest).toBeLessThanOrEqual(20);
  });
});

describe('the moment before which a connection cannot have been made', () => {
  it('moves on though somebody connects without end', async () => {
    const horizon = createHorizon(8);
    const busy = setInterval(() => undefined, 1);
    let on = true;
    const connects = () => {
      horizon.accepted();
      if (on) setImmediate(connects);
    };
    connects();
    const first = await until(() => horizon.ticks);
    await until(() => (horizon.ticks as number) > first);
    on = false;
    clearInterval(busy);
    horizon.close();
  });
});
