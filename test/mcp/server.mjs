/** An MCP server for tests by the official SDK: tools that answer, fail, take their time, write a file, or end it all. */
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';

const text = (value) => ({ content: [{ type: 'text', text: value }] });
const TOOLS = {
  echo: ({ value = '' }) => text(String(value)),
  fail: () => ({ ...text('it failed'), isError: true }),
  throw: () => {
    throw new Error('no such thing');
  },
  slow: async ({ ms = 60_000 }, { signal }) => {
    await sleep(ms, undefined, { signal }).catch(() => undefined);
    return text('late');
  },
  die: () => process.exit(7),
  big: ({ bytes = 0 }) => text('x'.repeat(bytes)),
};

const server = new Server({ name: 'test', version: '1' }, { capabilities: { tools: {} } });
server.setRequestHandler(ListToolsRequestSchema, () => ({
  tools: [...Object.keys(TOOLS), 'forbidden'].map((name) => ({ name, inputSchema: { type: 'object' } })),
}));
server.setRequestHandler(CallToolRequestSchema, (request, extra) => {
  const { name, arguments: given = {} } = request.params;
  if (process.env.MCP_TEST_LOG !== undefined) appendFileSync(process.env.MCP_TEST_LOG, `${name}\n`);
  return TOOLS[name]?.(given, extra) ?? text('done');
});
await server.connect(new StdioServerTransport());
