/** Spans of the real OpenTelemetry SDK for Python, protobuf and JSON, through the bridge; what they are on record. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Host, makeHost } from '../daemon/kit.ts';
import { installPython } from '../kit/toolchain.ts';
import { type Watch, watchLog } from '../kit/watch.ts';
import { expectRecords } from './agent.ts';
import { type Bridge, startBridge } from './bridge.ts';

const PEER = fileURLToPath(new URL('../peers/otel/', import.meta.url));

let python: string;
let host: Host;
let watch: Watch;
let bridge: Bridge;
beforeAll(async () => {
  python = installPython('otel', `${PEER}requirements.txt`);
  host = await makeHost();
  await host.init();
  await (await host.start()).started;
  watch = await watchLog(host.config.admin_socket.path);
  bridge = await startBridge(host.config.socket.path, 40_000 + (process.pid % 20_000));
}, 600_000);
afterAll(async () => {
  watch?.close();
  await bridge?.stop();
  await host?.remove();
});

/** Runs the agent beside the daemon of this process. */
function turn(encoding: string, compression: string): Promise<Record<string, unknown>> {
  const child = spawn(python, [`${PEER}agent.py`, encoding, compression, bridge.url], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (b: Buffer) => {
    out += b;
  });
  child.stderr.on('data', (b: Buffer) => {
    err += b;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => {
      // The SDK tells of refused exports on stderr and ends well all the same.
      if (status === 0 && err === '') resolve(JSON.parse(out));
      else reject(new Error(`the agent ended with ${status}: ${err}`));
    });
  });
}

test.each([
  ['protobuf', 'none'],
  ['protobuf', 'gzip'],
  ['protobuf', 'deflate'],
  ['json', 'none'],
  ['json', 'gzip'],
])('the Python SDK, %s, compression %s', async (encoding, compression) => {
  await watch.look();
  const said = await turn(encoding, compression);
  expect(said).toMatchObject({ answers: ['SUCCESS', 'SUCCESS'], spans: 5 });
  // Exported twice, recorded once.
  const found = await watch.look();
  const { chat } = expectRecords(found, bridge, {
    claimed: { 'telemetry.sdk.language': 'python' },
    // This SDK sends no W3C flags with a span, and none are made up.
    traceparent: `00-${said.trace}-${said.agent}-00`,
    agent: String(said.agent),
  });
  expect(chat?.values.span.attributes).toMatchObject({ 'gen_ai.request.temperature': 0.25 });
});
