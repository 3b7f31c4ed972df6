/**
 * A governed flow in a forged log: a policy, a request that was refused and then approved by somebody else, the grant,
 * a use of it, a delegation out of it, two uses of that, and the completion of the second, which is the record. Every
 * part can be altered before what rests on it is made, so that a vector breaks one rule and keeps all others.
 */
import { toBase64, toHex } from '../../src/core/bytes.ts';
import { sha256 } from '../../src/core/hash.ts';
import { type JsonObject, jcsBytes } from '../../src/core/json.ts';
import { POLICY_PAYLOAD_TYPE } from '../../src/core/namespace.ts';
import { formatTime } from '../../src/core/time.ts';
import { pae } from '../../src/evidence/dsse.ts';
import type { BuiltRecord } from '../../src/evidence/record.ts';
import { ecdsaDer } from '../../src/evidence/x509/signature.ts';
import { signRaw } from './authority.ts';
import { type Hooks, T0, type World } from './hooks.ts';

export const PARTS = [
  'policychange',
  'denial',
  'approval',
  'grant',
  'first',
  'delegated',
  'use1',
  'use2',
  'record',
] as const;
export type PartName = (typeof PARTS)[number];

const KIND: Record<PartName, string> = {
  policychange: 'policychange',
  denial: 'denial',
  approval: 'approval',
  grant: 'grant',
  first: 'execution',
  delegated: 'grant',
  use1: 'execution',
  use2: 'execution',
  record: 'execution',
};

type Built = Readonly<Record<string, BuiltRecord>>;
export interface GovernedHooks {
  /** Changes the body of a part; sees the records that were built before it. */
  readonly alter?: Partial<Record<PartName, (body: JsonObject, built: Built) => JsonObject>>;
  /** The order of the parts in the log. */
  readonly order?: readonly PartName[];
  /** Parts that the bundle does not hold. */
  readonly omit?: readonly PartName[];
  /** Another part is the record. */
  readonly record?: PartName;
  /** The grant is revoked before the last use, which names that as a parent. */
  readonly revoked?: true;
  /** The manifest of the policy. */
  readonly manifest?: JsonObject;
  /** The signature over it. */
  readonly sign?: (w: World, bytes: Uint8Array) => Promise<Uint8Array>;
}

export const observed = (uid: number, more: JsonObject = {}): JsonObject => ({
  uid,
  gid: uid,
  pid: 4000 + uid,
  startTicks: 99,
  exe: { path: '/usr/bin/agent', sha256: '2'.repeat(64) },
  exeMethod: '/proc/pid/exe',
  cgroup: '/system.slice/agent.service',
  unit: 'agent.service',
  method: 'SO_PEERCRED',
  ...more,
});

/** A moment so many seconds into the log. */
export const at = (seconds: number): string => formatTime(T0 + seconds * 1000);

/** Hooks of `forge` for a governed record. */
export function governed(hooks: GovernedHooks = {}): Hooks['governed'] {
  return async (stage) => {
    const built: Record<string, BuiltRecord> = {};
    const ref = (name: string): JsonObject => ({
      id: (built[name] as BuiltRecord).id,
      digest: toHex((built[name] as BuiltRecord).recordDigest),
    });
    const order = hooks.order ?? PARTS;
    const make = (name: PartName, body: JsonObject): void => {
      const index = stage.next + order.indexOf(name);
      built[name] = stage.build(KIND[name], hooks.alter?.[name]?.(body, built) ?? body, index);
    };

    const manifest = jcsBytes(
      hooks.manifest ?? {
        schema: 'attestd.dev/policy/v1',
        id: 'refunds@14',
        files: [{ name: 'refunds.cedar', sha256: '7'.repeat(64) }],
      },
    );
    const sign =
      hooks.sign ??
      (async (w: World, b: Uint8Array) => ecdsaDer(await signRaw(w.other, pae(POLICY_PAYLOAD_TYPE, b))));
    const set = { id: 'refunds@14', sha256: toHex(sha256(manifest)), engine: 'cedar-4.13.0' };
    make('policychange', {
      policy: set,
      schema: '8'.repeat(64),
      manifest: toBase64(manifest),
      signature: toBase64(await sign(stage.world, manifest)),
      key: toBase64(stage.world.other.spki),
    });
    const policy = { ...set, change: ref('policychange'), determining: ['refunds.cedar#0'] };
    const holder = { uid: 1000, unit: 'agent.service' };
    const scope = [
      { type: 'tool.call', name: 'refund.*', target: 'crm:*', parameters: { amount: { max: 100 } } },
    ];
    const environment = { boot: stage.boot, pcrs: { sha256: { '7': '18'.repeat(32) } } };
    const ask = { scope, holder, maxUses: 8, seconds: 3600, delegable: { depth: 1 }, environment };
    make('denial', {
      caller: { observed: observed(1000) },
      requested: { what: 'grant', ask },
      reason: 'POLICY_DENY',
      condition: 'nobody has approved it',
      policy,
    });
    make('approval', { caller: { observed: observed(2000) }, request: ref('denial'), notAfter: at(1800) });
    make('grant', {
      caller: { observed: observed(1000) },
      ...ask,
      notBefore: at(0),
      notAfter: at(3600),
      policy,
      approvals: [{ ...ref('approval'), uid: 2000 }],
    });
    const execution = (phase: string, uid: number, authorization: JsonObject): JsonObject => ({
      phase,
      action: { type: 'tool.call', name: 'refund.approve', target: 'crm:order/17' },
      caller: { observed: observed(uid) },
      parameters: { _sd: [], amount: 40 },
      authorization: { ...authorization, policy: set, checkedAt: at(8) },
    });
    make('first', execution('completed', 1000, { grant: ref('grant'), use: { n: 1, prev: ref('grant') } }));
    make('delegated', {
      caller: { observed: observed(1000) },
      scope: [
        {
          type: 'tool.call',
          name: 'refund.approve',
          target: 'crm:order/*',
          parameters: { amount: { max: 50 } },
        },
      ],
      holder: { uid: 1001, unit: 'agent.service' },
      maxUses: 3,
      seconds: 1800,
      notBefore: at(0),
      notAfter: at(1800),
      policy,
      environment,
      delegation: { grant: ref('grant'), use: { n: 2, prev: ref('first'), count: 3 } },
    });
    const granted = ref('delegated');
    make('use1', execution('attempted', 1001, { grant: granted, use: { n: 1, prev: granted } }));
    const revocation = hooks.revoked
      ? stage.build(
          'revocation',
          { caller: { observed: observed(1000) }, grant: ref('grant') },
          stage.next + 7,
        )
      : undefined;
    make('use2', {
      ...execution('attempted', 1001, { grant: granted, use: { n: 2, prev: ref('use1') } }),
      ...(revocation === undefined
        ? {}
        : { parents: [{ rel: 'after', digest: toHex(revocation.recordDigest) }] }),
    });
    if (order.includes('record'))
      make('record', {
        ...execution('completed', 1001, { grant: granted, use: { n: 2, prev: ref('use1') } }),
        outcome: { status: 'succeeded', effect: 'confirmed', observedBy: 'caller' },
        parents: [{ rel: 'completes', digest: toHex((built.use2 as BuiltRecord).recordDigest) }],
      });
    const places = new Map<string, number>();
    const wanted = hooks.record ?? 'record';
    for (const name of order) if (name !== wanted) places.set(name, stage.put(built[name] as BuiltRecord));
    const beside = revocation === undefined ? [] : [stage.put(revocation)];
    const record = stage.put(built[wanted] as BuiltRecord);
    const related = [...places].filter(([name]) => !hooks.omit?.includes(name as PartName)).map(([, i]) => i);
    return { record, related: [...related, ...beside].sort((a, b) => a - b) };
  };
}
