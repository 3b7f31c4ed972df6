/** The rows of what stands between others and the daemon: MCP servers, OpenTelemetry SDKs. */
import type { Command } from '../command.ts';
import { SOCKET } from './option.ts';

export const MCP: Command = {
  name: 'mcp',
  summary: 'stand between an agent and an MCP server: ask before each tool call, record it after',
  examples: [
    'attestctl mcp -- npx -y @modelcontextprotocol/server-filesystem /srv/data',
    'attestctl mcp --name crm -- ./crm-server',
    'attestctl mcp --http https://crm.example/mcp --port 8931',
  ],
  arguments: [{ name: '[command...]', help: 'a server that speaks over stdin and stdout, after --' }],
  options: [
    SOCKET,
    { flags: '--seconds <n>', help: 'how long the grant is good that each call asks for; 60 when absent' },
    { flags: '--grant <id>', help: 'use this grant for every call, and ask for none' },
    { flags: '--ungoverned', help: 'ask for nothing: each call is recorded, as ungoverned' },
    { flags: '--name <name>', help: 'what the server is called in records; its command or host when absent' },
    { flags: '--http <url>', help: 'a server by streamable HTTP; then this listens on 127.0.0.1' },
    { flags: '--port <n>', help: 'where it listens; any free port when absent' },
    {
      flags: '--spool <dir>',
      help: 'with --ungoverned, let records wait here while the daemon is away; without, calls are refused then',
    },
  ],
  load: () => import('../commands/mcp.ts'),
};

export const OTLP_BRIDGE: Command = {
  name: 'otlp-bridge',
  summary: 'take spans of OpenTelemetry SDKs on loopback, and have them recorded',
  examples: ['attestctl otlp-bridge', 'attestctl otlp-bridge --port 14318'],
  options: [SOCKET, { flags: '--port <n>', help: 'where it listens on 127.0.0.1; 4318 when absent' }],
  load: () => import('../commands/otlp-bridge.ts'),
};
