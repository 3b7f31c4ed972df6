import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromBase64 } from '../../src/core/bytes.ts';
import { leafHash } from '../../src/log/merkle.ts';
import { parseProof, verifyProof } from '../../src/log/proof.ts';
import { ask, body, type Host, makeHost } from './kit.ts';

let host: Host;
let socket: string;
beforeAll(async () => {
  host = await makeHost();
  await host.init();
  const daemon = await host.start();
  await daemon.started;
  socket = host.config.socket.path;
});
afterAll(() => host.remove());

describe('a record', () => {
  it('comes back sealed, with a proof that leads from its entry to the checkpoint', async () => {
    const answer = await ask(socket, '/v1/records', { body: body() });
    expect(answer.status).toBe(201);
    expect(answer.json).toMatchObject({
      strength: 'sealed',
      log: `test/host-1/${answer.json.log.split('/')[2]}`,
    });
    const got = await ask(socket, `/v1/records/${answer.json.id}`);
    const entry = fromBase64(got.json.entry);
    expect(createHash('sha256').update(entry).digest('hex')).toBe(answer.json.digest);
    const proof = parseProof(new TextEncoder().encode(answer.json.proof));
    expect(proof.index).toBe(answer.json.index);
    expect(verifyProof(proof, leafHash(entry))).toBe(true);
    expect(got.json).toMatchObject({
      strength: 'sealed',
      index: answer.json.index,
      digest: answer.json.digest,
    });
    expect(got.json.disclosures).toHaveLength(2);
  });
});
