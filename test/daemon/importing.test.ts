/** CERs that a daemon takes into its log: what it writes of them, and what it refuses because something else is recorded. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fromBase64, fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import { sha256 } from '../../src/core/hash.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { parseDisclosure } from '../../src/evidence/disclosure.ts';
import { printCer } from '../../src/evidence/export/cer.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { makeNode, packed, resealed, sealed, textOf } from '../kit/cer.ts';
import { ask, body, type Host, makeHost } from './kit.ts';

let host: Host;
let socket: string;
beforeAll(async () => {
  host = await makeHost();
  await host.init();
  await (await host.start()).started;
  socket = host.config.socket.path;
});
afterAll(() => host?.remove());

const node = makeNode();
const cer = sealed();
const post = (content: string, more: JsonObject = {}) =>
  ask(socket, '/v1/imports?wait=durable', { body: textOf({ format: 'nexart-cer', content, ...more }) });
const pinned = { keys: [{ ...node.key }] };
const otherOutput = (c: JsonObject) =>
  resealed(c, (s) => ({ ...s, output: 'no', outputHash: `sha256:${toHex(sha256(utf8('no')))}` }));

it('writes what a CER proves by itself, withholds its content, and keeps its bytes', async () => {
  const content = textOf(packed(node, cer));
  const answer = await post(content, pinned);
  expect(answer.status, answer.text).toBe(201);
  const got = await ask(socket, `/v1/records/${answer.json.id}`);
  const { kind, predicate, artefacts } = readStatement(fromBase64(got.json.entry));
  expect(kind).toBe('import');
  expect(predicate).toMatchObject({
    proved: 'node-signed',
    checks: { integrity: 'pass', receipt: 'pass', envelope: 'pass', record: 'absent' },
    assertedBy: node.key,
    source: { certificateHash: cer.certificateHash, executionId: 'exec-001' },
  });
  expect(artefacts).toEqual([
    { name: 'nexart:cer', digest: { sha256: String(cer.certificateHash).slice(7) } },
  ]);
  expect(fromUtf8(fromBase64(got.json.entry))).not.toContain('helpful assistant');
  expect(parseDisclosure(got.json.disclosures[0])).toMatchObject({ name: 'cer', value: content });
});

it('takes the same CER again, and refuses another one for the same execution', async () => {
  expect((await post(textOf(cer))).status).toBe(201);
  const answer = await post(textOf(otherOutput(cer)));
  expect([answer.status, answer.json.type]).toEqual([422, 'urn:attestd:error:IMPORT_REFUSED']);
  expect(answer.json.detail).toMatch(/^execution-mutated: /);
});

it('refuses what does not hold and what nobody pinned, and says which condition', async () => {
  const mutated = await post(textOf({ ...sealed({ executionId: 'e2' }), createdAt: '2027-01-01T00:00:00Z' }));
  expect(mutated.json.detail).toMatch(/^certificate-hash: /);
  const unknown = await post(textOf(packed(node, sealed({ executionId: 'e3' }))));
  expect(unknown.json.detail).toMatch(/^unknown-key: /);
  const expected = await post(textOf(sealed({ executionId: 'e4' })), { expect: `sha256:${'0'.repeat(64)}` });
  expect(expected.json.detail).toMatch(/^expected-hash: /);
  expect((await post('x', { proved: 'hardware' })).status).toBe(400);
});

it('holds a CER that links to a record of this log against that record', async () => {
  const made = await ask(socket, '/v1/records', { body: body() });
  const got = await ask(socket, `/v1/records/${made.json.id}`);
  const source = { record: { entry: got.json.entry }, disclosures: got.json.disclosures };
  for (const plaintext of [false, true]) {
    const own = JSON.parse(fromUtf8(printCer(source, plaintext))) as JsonObject;
    const forged = await post(textOf(otherOutput(own)));
    expect(forged.json.detail, forged.text).toMatch(/^link-contradicts: /);
    const moved = resealed(own, (s) => ({ ...s, executionId: '01KAE3X5V0N9S8QX1Z7M2R4B6C' }));
    expect((await post(textOf(moved))).json.detail).toMatch(/^link-unknown: /);
    if (plaintext) continue;
    const answer = await post(textOf(own));
    expect(answer.status, answer.text).toBe(201);
    const imported = await ask(socket, `/v1/records/${answer.json.id}`);
    expect(readStatement(fromBase64(imported.json.entry)).predicate).toMatchObject({
      proved: 'integrity-only',
      checks: { record: 'pass' },
      parents: [{ rel: 'derivedFrom', digest: made.json.digest }],
    });
  }
});
