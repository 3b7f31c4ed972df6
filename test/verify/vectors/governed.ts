/** Governed execution: one rule of grants, uses, delegations, policies and approvals broken at a time. */
import { toHex } from '../../../src/core/bytes.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import { pae } from '../../../src/evidence/dsse.ts';
import type { BuiltRecord } from '../../../src/evidence/record.ts';
import { ecdsaDer } from '../../../src/evidence/x509/signature.ts';
import { signRaw } from '../../kit/authority.ts';
import { flip } from '../../kit/forge.ts';
import { at, type GovernedHooks, governed, observed, PARTS, type PartName } from '../../kit/governed.ts';
import type { Hooks } from '../../kit/hooks.ts';
import type { Vector } from './vector.ts';

type Built = Readonly<Record<string, BuiltRecord>>;
const digestOf = (built: Built, name: string): string => toHex((built[name] as BuiltRecord).recordDigest);
type Change = (body: JsonObject) => JsonObject;
const of = (body: JsonObject, name: string): JsonObject => body[name] as JsonObject;
/** A vector whose flow is altered in some parts. */
const flow = (
  id: string,
  name: string,
  g: GovernedHooks,
  more: Partial<Vector> & { also?: Hooks } = {},
): Vector => {
  const { also, ...rest } = more;
  return { id, name, hooks: { governed: governed(g) as NonNullable<Hooks['governed']>, ...also }, ...rest };
};
const altered = (
  id: string,
  name: string,
  part: PartName,
  change: Change,
  more: Partial<Vector> = {},
): Vector => flow(id, name, { alter: { [part]: change } }, more);
/** Both ends of the second use, so that they agree. */
const bothEnds = (change: Change): GovernedHooks => ({ alter: { use2: change, record: change } });
const without =
  (...names: string[]): Change =>
  (b) =>
    Object.fromEntries(Object.entries(b).filter(([n]) => !names.includes(n)));
const authorization =
  (change: Change): Change =>
  (b) => ({
    ...b,
    authorization: change(of(b, 'authorization')),
  });
const use = (change: Change): Change => authorization((a) => ({ ...a, use: change(of(a, 'use')) }));
/** The executable that every caller of the flow runs. */
const EXE = '2'.repeat(64);
const bound =
  (exeSha256: string): Change =>
  (b) => ({ ...b, holder: { ...of(b, 'holder'), exeSha256 } });
/** The grant above, and what was asked and approved, are for this executable. */
const forExecutable = (exeSha256: string): Record<'grant' | 'denial', Change> => ({
  grant: bound(exeSha256),
  denial: (b) => asking(b, { holder: { uid: 1000, unit: 'agent.service', exeSha256 } }),
});
/** A flow in which both grants are for the executable that uses them. */
export const BOUND_EXECUTABLE: GovernedHooks = {
  alter: { ...forExecutable(EXE), delegated: bound(EXE) },
};
const moved = (order: readonly PartName[]): GovernedHooks => ({ order });
const before = (first: PartName, second: PartName): readonly PartName[] =>
  PARTS.flatMap((p) => (p === first ? [] : p === second ? [first, second] : [p]));

const NO_GRANT = [
  'grant-policy',
  'policy-signature',
  'approvals',
  'delegation',
  'grant-window',
  'grant-scope',
  'grant-caller',
  'grant-environment',
  'grant-revoked',
  'grant-uses',
];
const OF_ATTEMPT = [
  'grant-window',
  'grant-scope',
  'grant-caller',
  'grant-environment',
  'grant-revoked',
  'grant-uses',
  'completion',
];
const OF_POLICY = ['grant-policy', 'policy-signature'];

export const GOVERNED_VECTORS: readonly Vector[] = [
  // Given
  flow(
    'grant-given',
    'the grant that was used is missing',
    { omit: ['delegated', 'grant', 'policychange', 'approval', 'denial', 'first'] },
    {
      status: 'unknown',
      blocked: NO_GRANT,
    },
  ),
  flow(
    'grant-given',
    'the grant above the one that was used is missing',
    { omit: ['grant', 'approval', 'denial'] },
    {
      status: 'unknown',
      blocked: NO_GRANT,
    },
  ),
  flow(
    'grant-given',
    'the attempt that the record completes is missing',
    { omit: ['use2'] },
    {
      status: 'unknown',
      blocked: OF_ATTEMPT,
    },
  ),
  flow(
    'grant-given',
    'a parent of the record is missing',
    {
      alter: {
        record: (b) => ({
          ...b,
          parents: [...(b.parents as JsonObject[]), { rel: 'derivedFrom', digest: 'a'.repeat(64) }],
        }),
      },
    },
    { status: 'unknown' },
  ),
  flow(
    'grant-given',
    'a policy digest that resolves to nothing',
    { omit: ['policychange'] },
    {
      status: 'unknown',
      blocked: OF_POLICY,
    },
  ),
  flow(
    'grant-given',
    'an approval that resolves to nothing',
    { omit: ['approval', 'denial'] },
    {
      status: 'unknown',
      blocked: ['approvals'],
    },
  ),
  flow(
    'grant-given',
    'what is named as the grant is an approval',
    {
      alter: Object.fromEntries(
        (['use2', 'record'] as const).map((p) => [
          p,
          (b: JsonObject, built: Built) => {
            const approval = { id: built.approval?.id ?? '', digest: digestOf(built, 'approval') };
            return authorization((a) => ({ ...a, grant: approval, use: { n: 1, prev: approval } }))(b);
          },
        ]),
      ),
      omit: ['first', 'delegated', 'use1', 'grant'],
    },
    { blocked: NO_GRANT },
  ),
  flow(
    'grant-given',
    'the grant is named by the digest of one and the id of another',
    bothEnds(
      authorization((a) => ({ ...a, grant: { ...of(a, 'grant'), id: '01JABCDEFGHJKMNPQRSTVWXY99' } })),
    ),
    { blocked: NO_GRANT },
  ),
  // Order
  flow('grant-order', 'the execution stands in the log before its grant', moved(before('use2', 'delegated'))),
  flow('grant-order', 'the approval came after the grant', moved(before('grant', 'approval'))),
  flow('grant-order', 'the policy came into force after the grant', moved(before('grant', 'policychange'))),
  // Window
  flow('grant-window', 'the grant had expired by one second', {
    alter: { delegated: (b) => ({ ...b, seconds: 11, notAfter: at(11) }) },
  }),
  flow('grant-window', 'the grant was checked a second before it was valid', {
    alter: { delegated: (b) => ({ ...b, seconds: 1791, notBefore: at(9) }) },
  }),
  altered('grant-window', 'the window is longer than was asked for', 'delegated', (b) => ({
    ...b,
    seconds: 1799,
  })),
  // Scope
  flow(
    'grant-scope',
    'another action than was granted',
    bothEnds((b) => ({ ...b, action: { ...of(b, 'action'), name: 'refund.cancel' } })),
  ),
  flow(
    'grant-scope',
    'another target than was granted',
    bothEnds((b) => ({ ...b, action: { ...of(b, 'action'), target: 'crm:customer/1' } })),
  ),
  flow(
    'grant-scope',
    'no target where one was granted',
    bothEnds((b) => ({ ...b, action: without('target')(of(b, 'action')) })),
  ),
  flow(
    'grant-scope',
    'a parameter beyond what was granted',
    bothEnds((b) => ({ ...b, parameters: { _sd: [], amount: 51 } })),
  ),
  flow(
    'grant-scope',
    'a parameter that is bounded was withheld',
    bothEnds((b) => ({ ...b, parameters: { _sd: [] } })),
  ),
  flow(
    'grant-scope',
    'a parameter is a text where a number is bounded',
    bothEnds((b) => ({ ...b, parameters: { _sd: [], amount: '40' } })),
  ),
  // Caller
  flow(
    'grant-caller',
    'another uid used the grant',
    bothEnds((b) => ({ ...b, caller: { observed: observed(1002) } })),
  ),
  flow(
    'grant-caller',
    'another unit used the grant',
    bothEnds((b) => ({ ...b, caller: { observed: observed(1001, { unit: 'other.service' }) } })),
  ),
  altered(
    'grant-caller',
    'the grant is bound to a control group that the caller is not in',
    'delegated',
    (b) => ({
      ...b,
      holder: { uid: 1001, cgroup: '/system.slice/other.service' },
    }),
  ),
  altered('grant-caller', 'another executable used the grant', 'delegated', bound('3'.repeat(64))),
  flow('grant-caller', 'an executable that could not be read used the grant', {
    alter: {
      delegated: bound(EXE),
      ...bothEnds((b) => ({ ...b, caller: { observed: observed(1001, { exe: 'unreadable' }) } })).alter,
    },
  }),
  // Environment
  flow('grant-environment', 'the grant is bound to another run', {
    alter: {
      grant: (b) => ({ ...b, environment: { ...of(b, 'environment'), boot: '5'.repeat(64) } }),
      delegated: (b) => ({ ...b, environment: { ...of(b, 'environment'), boot: '5'.repeat(64) } }),
      denial: (b) =>
        asking(b, { environment: { boot: '5'.repeat(64), pcrs: { sha256: { '7': '18'.repeat(32) } } } }),
    },
  }),
  flow('grant-environment', 'a PCR is not what the grant demands', {
    alter: {
      delegated: (b) => ({
        ...b,
        environment: {
          ...of(b, 'environment'),
          pcrs: { sha256: { '4': '0'.repeat(64), '7': '18'.repeat(32) } },
        },
      }),
    },
  }),
  flow('grant-environment', 'the grant demands a PCR that is not quoted', {
    alter: {
      delegated: (b) => ({
        ...b,
        environment: {
          ...of(b, 'environment'),
          pcrs: { sha256: { '16': '0'.repeat(64), '7': '18'.repeat(32) } },
        },
      }),
    },
  }),
  // Revoked
  flow('grant-revoked', 'the grant was revoked before it was used', {
    record: 'use2',
    order: PARTS.filter((p) => p !== 'record'),
    revoked: true,
  }),
  // Uses
  altered('grant-uses', 'the grant was used once too often', 'delegated', (b) => ({
    ...b,
    maxUses: 1,
    delegation: { ...of(b, 'delegation'), use: { ...of(of(b, 'delegation'), 'use'), count: 1 } },
  })),
  flow('grant-uses', 'two entries took one use', {
    alter: {
      use2: (b) => use(() => ({ n: 1, prev: of(of(b, 'authorization'), 'grant') }))(b),
      record: (b, built) => ({
        ...use(() => ({ n: 1, prev: of(of(b, 'authorization'), 'grant') }))(b),
        parents: [...(b.parents as JsonObject[]), { rel: 'after', digest: digestOf(built, 'use1') }],
      }),
    },
  }),
  flow('grant-uses', 'a use is left out in between', bothEnds(use((u) => ({ ...u, n: 3 })))),
  flow('grant-uses', 'a later use says that it is the first after the grant', {
    ...bothEnds((b) => use((u) => ({ ...u, prev: of(of(b, 'authorization'), 'grant') }))(b)),
    omit: ['use1'],
  }),
  flow('grant-uses', 'a use before this one is not given', { omit: ['use1'] }, { status: 'unknown' }),
  flow('grant-uses', 'more was taken out for a delegation than the grant has', {
    alter: { grant: (b) => ({ ...b, maxUses: 3 }), denial: (b) => asking(b, { maxUses: 3 }) },
  }),
  // Completion
  altered('completion', 'another process completed than attempted', 'record', (b) => ({
    ...b,
    caller: { observed: observed(1001, { pid: 77 }) },
  })),
  altered('completion', 'the same pid, but started at another time', 'record', (b) => ({
    ...b,
    caller: { observed: observed(1001, { startTicks: 100 }) },
  })),
  altered('completion', 'another executable completed', 'record', (b) => ({
    ...b,
    caller: { observed: observed(1001, { exe: { path: '/usr/bin/agent', sha256: '3'.repeat(64) } }) },
  })),
  altered('completion', 'another action was completed than attempted', 'record', (b) => ({
    ...b,
    action: { type: 'tool.call', name: 'refund.approve', target: 'crm:order/18' },
  })),
  // Delegation
  flow('delegation', 'the delegated scope is wider', {
    alter: {
      delegated: (b) => ({
        ...b,
        scope: [{ type: 'tool.call', name: '*', target: 'crm:order/*', parameters: { amount: { max: 50 } } }],
      }),
    },
  }),
  flow('delegation', 'the delegated grant drops a bound', {
    alter: {
      delegated: (b) => ({
        ...b,
        scope: [{ type: 'tool.call', name: 'refund.approve', target: 'crm:order/*' }],
      }),
    },
  }),
  altered('delegation', 'the delegated window is longer', 'delegated', (b) => ({
    ...b,
    seconds: 3601,
    notAfter: at(3601),
  })),
  altered('delegation', 'the delegated grant may be delegated further than that', 'delegated', (b) => ({
    ...b,
    delegable: { depth: 1 },
  })),
  altered(
    'delegation',
    'the delegated grant demands less of the machine',
    'delegated',
    without('environment'),
  ),
  flow('delegation', 'the delegated grant may be used by any executable', { alter: forExecutable(EXE) }),
  flow('delegation', 'the delegated grant may be used by another executable', {
    alter: {
      ...forExecutable(EXE),
      delegated: bound('3'.repeat(64)),
      ...bothEnds((b) => ({
        ...b,
        caller: { observed: observed(1001, { exe: { path: '/usr/bin/agent', sha256: '3'.repeat(64) } }) },
      })).alter,
    },
  }),
  flow('delegation', 'a grant was delegated by another executable than its holder', {
    alter: {
      ...forExecutable(EXE),
      delegated: (b) => ({
        ...bound(EXE)(b),
        caller: { observed: observed(1000, { exe: { path: '/usr/bin/agent', sha256: '3'.repeat(64) } }) },
      }),
    },
  }),
  flow('delegation', 'the grant above may not be delegated', {
    alter: {
      grant: without('delegable'),
      denial: (b) => {
        const requested = of(b, 'requested');
        return { ...b, requested: { ...requested, ask: without('delegable')(of(requested, 'ask')) } };
      },
    },
  }),
  altered('delegation', 'a grant was delegated by another than its holder', 'delegated', (b) => ({
    ...b,
    caller: { observed: observed(1003) },
  })),
  altered('delegation', 'a delegated grant has more uses than were taken for it', 'delegated', (b) => ({
    ...b,
    maxUses: 4,
  })),
  // Policy
  flow(
    'grant-policy',
    'the record names another policy than its grant',
    bothEnds(authorization((a) => ({ ...a, policy: { ...of(a, 'policy'), id: 'refunds@15' } }))),
  ),
  altered(
    'grant-policy',
    'the grant names a policy digest that the log never brought into force',
    'grant',
    (b) => ({
      ...b,
      policy: { ...of(b, 'policy'), sha256: '9'.repeat(64) },
    }),
  ),
  flow(
    'grant-policy',
    'the glass was broken',
    {
      alter: {
        delegated: (b) => ({ ...without('policy')(b), breakGlass: { reason: 'the pager' } }),
        ...Object.fromEntries(
          (['use1', 'use2', 'record'] as const).map((p) => [p, authorization(without('policy'))]),
        ),
      },
    },
    { status: 'unknown' },
  ),
  flow('policy-signature', 'the policy is signed by another key than is named', {
    sign: async (w, bytes) =>
      ecdsaDer(await signRaw(w.ak, pae('application/vnd.attestd.policy+json;version=1', bytes))),
  }),
  flow('policy-signature', 'a bit of the signature of the policy is another', {
    sign: async (w, bytes) =>
      flip(ecdsaDer(await signRaw(w.other, pae('application/vnd.attestd.policy+json;version=1', bytes))), -1),
  }),
  flow(
    'policy-signature',
    'the trust file names other policy keys',
    {},
    { also: { trust: (t) => ({ ...t, policyKeys: ['MAA='] }) } },
  ),
  flow('policy-signature', 'the manifest gives the policy another name', {
    manifest: { schema: 'attestd.dev/policy/v1', id: 'refunds@13', files: [] },
  }),
  // Approvals
  flow('approvals', 'who asked approved', {
    alter: {
      approval: (b) => ({ ...b, caller: { observed: observed(1000) } }),
      grant: (b) => ({ ...b, approvals: (b.approvals as JsonObject[]).map((a) => ({ ...a, uid: 1000 })) }),
    },
  }),
  altered('approvals', 'another uid approved than the grant says', 'approval', (b) => ({
    ...b,
    caller: { observed: observed(2001) },
  })),
  altered('approvals', 'something else was approved than was granted', 'denial', (b) =>
    asking(b, { maxUses: 7 }),
  ),
  altered('approvals', 'the approval had expired', 'approval', (b) => ({ ...b, notAfter: at(7) })),
  altered('approvals', 'one person approved twice', 'grant', (b) => ({
    ...b,
    approvals: [...(b.approvals as JsonObject[]), ...(b.approvals as JsonObject[])],
  })),
  // What stands around it
  flow(
    'inclusion-related',
    'the path of a parent leads to another tree',
    {},
    {
      also: {
        raw: (r) => ({
          ...r,
          related: r.related.map((x, i) => (i === 3 ? { ...x, hashes: x.hashes.map((h) => flip(h, 0)) } : x)),
        }),
      },
    },
  ),
];

function asking(denial: JsonObject, more: JsonObject): JsonObject {
  const requested = of(denial, 'requested');
  return { ...denial, requested: { ...requested, ask: { ...of(requested, 'ask'), ...more } } };
}
