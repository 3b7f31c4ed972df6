/** scripts/npm-audit against registries that answer, find something, or refuse the question. */
import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ROOT } from '../kit/ctl.ts';

const ASKED = '/-/npm/v1/security/advisories/bulk';
let registry: Server;
let answer: (asked: Record<string, string[]>) => [number, object | string];
beforeAll(async () => {
  registry = createServer((request, reply) => {
    const parts: Buffer[] = [];
    request.on('data', (d: Buffer) => parts.push(d));
    request.on('end', () => {
      const body = Buffer.concat(parts);
      const text = request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
      const [status, said] = request.url === ASKED ? answer(JSON.parse(text.toString())) : [404, {}];
      reply.writeHead(status, { 'content-type': 'application/json' });
      reply.end(typeof said === 'string' ? said : JSON.stringify(said));
    });
  });
  await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
});
afterAll(() => registry.close());

async function audit(said: typeof answer): Promise<{ status: number; stdout: string; stderr: string }> {
  answer = said;
  const { port } = registry.address() as AddressInfo;
  const env = { ...process.env, npm_config_registry: `http://127.0.0.1:${port}/` };
  return promisify(execFile)(join(ROOT, 'scripts/npm-audit'), [], { env }).then(
    (done) => ({ status: 0, ...done }),
    (e: { code: number; stdout: string; stderr: string }) => ({ status: e.code, ...e }),
  );
}

it('passes where the registry knows of nothing, having asked about every package', async () => {
  let asked: string[] = [];
  const { status, stderr } = await audit((names) => {
    asked = Object.keys(names);
    return [200, {}];
  });
  expect([status, stderr]).toEqual([0, expect.stringMatching(/ packages, 0 with advisories/)]);
  expect(asked).toEqual(expect.arrayContaining(['fastify', 'pkijs', 'lmdb', 'vitest']));
});

it('fails where there is an advisory, and names the package', async () => {
  const advisory = {
    id: 1,
    url: 'https://example.org/1',
    title: 'a fault',
    severity: 'high',
    vulnerable_versions: '*',
    cwe: [],
    cvss: { score: 8, vectorString: null },
  };
  const { status, stdout } = await audit(() => [200, { pkijs: [advisory] }]);
  expect([status, stdout]).toEqual([1, expect.stringMatching(/^pkijs .*: high$/m)]);
});

it.each([
  ['refuses the question', 405, {}],
  ['is broken', 500, {}],
  ['answers rubbish', 200, '<html>welcome</html>'],
  ['breaks off', 200, '{"pkijs":[{"id":1,'],
  ['answers nothing', 200, ''],
])('is no pass where the registry %s', async (_, code, said) => {
  const { status, stderr } = await audit(() => [code, said]);
  expect([status, stderr]).toEqual([4, expect.stringContaining('not checked')]);
});
