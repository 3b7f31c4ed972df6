/** What a tool call costs more through `attestctl mcp`, counted in serial durable records. */

import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { connect } from '../src/client/client.ts';
import { withGovernedHost } from './govern.ts';
import { ROOT } from './host.ts';
import { type Figure, median } from './report.ts';
import type { Shape } from './scenarios.ts';

const SERVER = join(ROOT, 'test/mcp/server.mjs');
const CALLS = 100;

/** Median milliseconds of `CALLS` pieces of work, one after the other. */
async function serial(work: (i: number) => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < CALLS; i++) {
    const start = performance.now();
    await work(i);
    times.push(performance.now() - start);
  }
  return median(times);
}

export const proxied = ({ runs }: Shape): Promise<Figure> =>
  withGovernedHost(async (host) => {
    const agent = async (command: string[]): Promise<Client> => {
      const client = new Client({ name: 'bench', version: '1' });
      const [file = '', ...args] = command;
      const env = { ...process.env, ATTESTD_SOCKET: host.socket } as Record<string, string>;
      await client.connect(new StdioClientTransport({ command: file, args, env }));
      return client;
    };
    const server = [process.execPath, SERVER];
    const proxy = [process.execPath, join(ROOT, 'dist/cli/main.js'), 'mcp', '--', ...server];
    const [plain, through] = [await agent(server), await agent(proxy)];
    const attestd = connect({ socket: host.socket, client: 'bench/1' });
    try {
      const call = (client: Client) => (i: number) =>
        client.callTool({ name: 'echo', arguments: { value: i } });
      const record = () =>
        attestd.record(
          { phase: 'attempted', action: { type: 'tool.call', name: 'echo' } },
          { wait: 'durable' },
        );
      await serial(call(through));
      const costs: number[] = [];
      const numbers = { record: [] as number[], plain: [] as number[], through: [] as number[] };
      for (let i = 0; i < runs; i++) {
        const [r, p, t] = [await serial(record), await serial(call(plain)), await serial(call(through))];
        costs.push((t - p) / r);
        numbers.record.push(r);
        numbers.plain.push(p);
        numbers.through.push(t);
      }
      return {
        name: 'mcp-call',
        what: 'a governed tool call through attestctl mcp − the call without it, in serial durable records',
        value: median(costs),
        runs: costs,
        bound: { kind: 'at most', value: 5 },
        facts: {
          'record ms': median(numbers.record),
          'call ms': median(numbers.plain),
          'proxied ms': median(numbers.through),
        },
      };
    } finally {
      await Promise.all([plain.close(), through.close()]);
      attestd.close();
    }
  });
