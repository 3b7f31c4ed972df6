/** For each operation a request that the host takes: what most damages are done to, for nothing else gets as far. */
import { randomBytes } from 'node:crypto';
import { ask, body } from '../daemon/kit.ts';
import { ACT, SCOPE } from '../govern/kit.ts';
import { textOf as cerText, makeNode, packed, sealed } from '../kit/cer.ts';
import type { Socket } from './request.ts';

/** What there is of a request beyond what the document says. */
export interface Example {
  /** Absent: the client socket. */
  readonly socket?: Socket;
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly value?: unknown;
}

/** Operations whose success takes more than one host has, and where it is tried. */
export const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ['getProvenance', 'takes a whole recorded CI run: test/e2e/provenance.test.ts'],
  ['approve', 'takes somebody else than who asked: test/govern/acceptance.test.ts'],
  ['retain', 'takes records that are sealed and anchored: test/cli/retain.test.ts'],
  ['getAttachment', 'takes an IMA list that is too long for a bundle: test/daemon/ima.test.ts'],
]);

/** Keys that one caller may have, with some to spare. */
const KEYS = 24;
/** Uses that a grant is good for. */
const USES = 90;
const hex = (bytes: number): string => randomBytes(bytes).toString('hex');
const node = makeNode();

const spans = () => ({
  resourceSpans: [
    {
      scopeSpans: [
        {
          spans: [
            {
              traceId: hex(16),
              spanId: hex(8),
              name: 'chat',
              kind: 3,
              startTimeUnixNano: '1760000000000000000',
              endTimeUnixNano: '1760000001000000000',
              attributes: [{ key: 'attestd.record', value: { boolValue: true } }],
            },
          ],
        },
      ],
    },
  ],
});

export type Examples = Readonly<Record<string, () => Example | Promise<Example>>>;

/** Examples on a host that runs; each call makes what the request will use up. */
export function createExamples(client: string, epoch: string): Examples {
  const post = async (path: string, value: unknown): Promise<string> => {
    const { status, json, text } = await ask(client, path, { body: JSON.stringify(value) });
    if (status > 201) throw new Error(`${path} answered ${status}: ${text}`);
    return json.id ?? json.name;
  };
  const grant = (maxUses: number) =>
    post('/v1/grants?wait=durable', { scope: SCOPE, maxUses, seconds: 3600 });
  /** Callers may have few keys: all but the one that is kept are withdrawn before they are too many. */
  const room = async (): Promise<void> => {
    const { json } = await ask(client, '/v1/keys');
    const names = (json.keys as { name: string }[]).map(({ name }) => name);
    const spare = names.length < KEYS ? [] : names.filter((n) => n !== 'record' && n !== 'kept');
    for (const n of spare) await post(`/v1/keys/${n}/withdraw`, { reason: 'room' });
  };
  const makeKey = async (name = `k${hex(6)}`) => {
    await room();
    return post('/v1/keys', { name, role: 'workload' });
  };
  let used = 0;
  let shared: Promise<string> | undefined;
  const use = (): Promise<string> => {
    if (shared === undefined || ++used % USES === 0) shared = grant(USES + 1);
    return shared;
  };
  const once = (make: () => Promise<string>) => {
    let made: Promise<string> | undefined;
    return () => {
      made ??= make();
      return made;
    };
  };
  const record = once(() => post('/v1/records', JSON.parse(body())));
  const key = once(() => makeKey('kept'));
  const ofRecord = async (): Promise<Example> => ({ path: { id: await record() } });
  const begun = async () => post('/v1/executions?wait=durable', { grant: await use(), ...ACT });
  let executions = 0;

  return {
    record: () => ({ value: JSON.parse(body()) }),
    listRecords: () => ({ query: { limit: '5', kind: 'execution' } }),
    exportTraces: () => ({ value: spans() }),
    requestGrant: () => ({ value: { scope: SCOPE, maxUses: 2, seconds: 600 } }),
    begin: async () => ({ value: { grant: await use(), ...ACT } }),
    complete: async () => ({
      path: { id: await begun() },
      value: { outcome: { status: 'succeeded', effect: 'confirmed' } },
    }),
    approve: async () => {
      const danger = [{ type: 'tool.call', name: 'danger.drop' }];
      const asked = { body: JSON.stringify({ scope: danger, maxUses: 1, seconds: 60 }) };
      const { json } = await ask(client, '/v1/grants?wait=durable', asked);
      return { value: { request: json.denial.id, seconds: 60 } };
    },
    getGrant: async () => ({ path: { id: await use() } }),
    revokeGrant: async () => ({ path: { id: await grant(1) } }),
    getAttachment: () => ({ socket: 'admin' }),
    getRecord: ofRecord,
    getBundle: ofRecord,
    getEnvelope: ofRecord,
    getProvenance: ofRecord,
    getCose: ofRecord,
    forget: async () => ({ ...(await ofRecord()), value: { reason: 'no longer needed' } }),
    quote: () => ({ value: { nonce: randomBytes(32).toString('base64url') } }),
    getCheckpoint: () => ({ path: { epoch } }),
    getTile: () => ({ path: { epoch, '*': '0/000.p/1' } }),
    retain: () => ({ socket: 'admin', value: { before: 1, dryRun: true } }),
    getRemains: () => ({ socket: 'admin', path: { epoch, n: '0' } }),
    getSeals: () => ({ socket: 'admin', path: { epoch }, query: { from: '1' } }),
    importRecord() {
      const cer = sealed({ executionId: `exec-${executions++}` });
      return {
        value: { format: 'nexart-cer', content: cerText(packed(node, cer)), keys: [{ ...node.key }] },
      };
    },
    measure: () => ({
      socket: 'admin',
      value: { type: 'image', name: 'example.org/app:1', sha256: hex(32) },
    }),
    listKeys: () => ({}),
    async createKey() {
      await room();
      return { value: { name: `k${hex(6)}`, role: 'workload' } };
    },
    sign: async () => ({ path: { name: await key() }, value: { message: 'bWVzc2FnZQ==' } }),
    withdrawKey: async () => ({ path: { name: await makeKey() }, value: { reason: 'rotated' } }),
    getKeyRequest: async () => ({ path: { name: await key() } }),
    getStatus: () => ({}),
    getHealth: () => ({}),
    getMetrics: () => ({ socket: 'admin' }),
  };
}
