/** What is on record is read, and taken out as evidence, while nothing can be recorded. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import type { Daemon } from '../../src/daemon/daemon.ts';
import { epochOf } from '../../src/daemon/layout.ts';
import { parseNote } from '../../src/log/note.ts';
import { verifyBundle } from '../../src/verify/verify.ts';
import { enrol, trustFor } from './enrol.ts';
import { ask, body, type Host, makeHost, until } from './kit.ts';

let host: Host;
let daemon: Daemon;
let root: Uint8Array;
let epoch: string;
let id: string;
const callers = (path: string) => ask(host.config.socket.path, path);
const admin = (path: string) => ask(host.config.admin_socket.path, path);
const record = () => ask(host.config.socket.path, '/v1/records', { body: body() });

beforeAll(async () => {
  host = await makeHost({ tpm: { deadline_ms: 500 } });
  await host.init();
  root = await enrol(host);
  await (await host.start()).started;
  const { json } = await record();
  id = json.id;
  epoch = epochOf(json.log);
  await until(async () => (await callers(`/v1/log/${epoch}/checkpoint`)).status === 200);
  await host.stop();
  await host.tpm.kill();
  daemon = await host.start();
  await until(async () => (await record()).status === 503);
}, 60_000);
afterAll(() => host?.remove());

it('without a TPM nothing is recorded, and everything is read', async () => {
  expect((await record()).json.type).toBe('urn:attestd:error:TPM_UNAVAILABLE');
  expect(daemon.gate.engine).toBeUndefined();
  expect((await callers(`/v1/records/${id}`)).json).toMatchObject({ id, strength: 'sealed' });
  const { size, records } = (await callers('/v1/records')).json;
  expect(records.map((r: { id: string }) => r.id)).toEqual([id]);
  parseNote(utf8((await callers(`/v1/log/${epoch}/checkpoint`)).text));
  expect((await callers(`/v1/log/${epoch}/tile/0/000.p/${size}`)).status).toBe(200);
  const { seals } = (await admin(`/v1/log/${epoch}/seals`)).json;
  expect(seals.length).toBeGreaterThan(0);
  expect((await admin(`/v1/log/${epoch}/remains/0`)).status).toBe(200);
});

it('each by whom it is for, as ever', async () => {
  const forbidden = [
    `/v1/log/${epoch}/seals`,
    `/v1/log/${epoch}/remains/0`,
    `/v1/log/${epoch}/tile/entries/000.p/1`,
  ];
  for (const path of forbidden) expect([path, (await callers(path)).status]).toEqual([path, 403]);
  expect((await callers('/v1/log/4711/checkpoint')).status).toBe(404);
});

it('and the evidence that is taken out verifies', async () => {
  const bytes = utf8((await callers(`/v1/records/${id}/bundle`)).text);
  const report = await verifyBundle(bytes, trustFor(root, bytes, 4));
  expect(report).toMatchObject({ verdict: 'verified', level: 4 });
});

it('what the TPM has to sign is refused with the reason', async () => {
  const { status, json } = await callers(`/v1/records/${id}/cose`);
  expect([status, json.type]).toEqual([503, 'urn:attestd:error:TPM_UNAVAILABLE']);
});

it('with the TPM it goes on, and what is read is of the run that began', async () => {
  await host.tpm.powerOn();
  await daemon.started;
  const { json } = await record();
  expect((await callers(`/v1/records/${json.id}`)).json.strength).toBe('sealed');
  expect((await callers(`/v1/records/${id}/bundle`)).status).toBe(200);
});
