/**
 * What a policy may speak of: the Cedar schema, published as docs/policy.cedarschema, and a request in its terms. The
 * caller that the kernel showed is the principal; what it says about itself stands apart, as tags of `claimed`
 * (design §3). Times are whole seconds, so that equal questions are equal.
 */
import type { ObservedCaller } from '../../evidence/schema/execution.ts';
import type { Asked, ScopeRow } from '../../evidence/schema/governance.ts';

/** The schema, in Cedar's own notation. */
export const POLICY_SCHEMA = `// What policies of attestd speak of. Policies are checked against this before they come into force.
entity Group in [Group];
entity Unit in [Group];
entity Kind in [Kind];
entity Target in [Target];
// What a caller says about itself, the plain parameters it names, and PCR values: text by name.
entity Claims tags String;
entity Parameters tags String;
entity Platform tags String;
// Caller::"<uid>": what the kernel says of the process at the other end; in Group::"<gid>" for each group it was in when it
// connected, and in Unit::"<unit>". user and groups are names, the host's word for these numbers: user is there only if the
// uid has a name, groups only if each of its groups has one.
entity Caller in [Group, Unit] {
  uid: Long,
  gid: Long,
  user?: String,
  groups?: Set<String>,
  unit?: String,
  cgroup: String,
  claimed: Claims,
};
// One row of the scope that is asked for; in its Kind::"<type>" and its Target::"<target>".
entity Operation in [Kind, Target] {
  kind: String,
  name: String,
  target?: String,
};
// The TPM as the newest seal shows it: whether its clock is above every value that it ever gave, how often it was reset and
// restarted, its firmware as 16 hexadecimal digits. One that does not answer or whose counts went back allows nothing at all.
type Tpm = { clockSafe: Bool, resetCount: Long, restartCount: Long, firmwareVersion: String };
type Context = {
  now: datetime,
  approvers: Set<Caller>,
  approvals: Long,
  parameters: Parameters,
  ask: { uses: Long, seconds: Long, delegations: Long, forAnother: Bool },
  environment: { epoch: String, boot: String, simulated: Bool, platform: Platform, tpm: Tpm },
  log: { continuous: Bool, sealAge: Long },
  lineage: { parents: Long, delegated: Bool },
};
action execute, delegate, approve appliesTo {
  principal: [Caller],
  resource: [Operation],
  context: Context,
};
`;

/** An entity as Cedar takes it. */
export interface Entity {
  readonly uid: { readonly type: string; readonly id: string };
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly parents: readonly { readonly type: string; readonly id: string }[];
  readonly tags?: Readonly<Record<string, string>>;
}

/** What is asked of the policy about one row of a scope. */
export interface Question {
  readonly action: 'execute' | 'delegate' | 'approve';
  readonly observed: ObservedCaller;
  readonly claimed: Readonly<Record<string, unknown>>;
  readonly row: ScopeRow;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly ask: Pick<Asked, 'maxUses' | 'seconds' | 'delegable'>;
  readonly forAnother: boolean;
  readonly approvers: readonly number[];
  readonly environment: {
    readonly epoch: string;
    readonly boot: string;
    readonly simulated: boolean;
    readonly pcrs: Readonly<Record<string, string>>;
    readonly tpm: {
      readonly clockSafe: boolean;
      readonly resetCount: number;
      readonly restartCount: number;
      readonly firmwareVersion: string;
    };
  };
  readonly log: { readonly continuous: boolean; readonly sealAge: number };
  readonly lineage: { readonly parents: number; readonly delegated: boolean };
  /** Milliseconds since 1970. */
  readonly now: number;
}

const reference = (type: string, id: string) => ({ __entity: { type, id } });
const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
const tagsOf = (values: Readonly<Record<string, unknown>>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).map(([n, v]) => [n, textOf(v)]));

/** A set that lacks a name would answer `contains` wrongly, so it is there only when it is whole. */
function namesOf({ account, groups }: ObservedCaller): { user?: string; groups?: string[] } {
  if (account === undefined) return {};
  const whole = account.unresolved.length === 0 && Array.isArray(groups);
  return {
    ...(account.user === 'unresolved' ? {} : { user: account.user.name }),
    ...(whole ? { groups: account.groups.map((g) => g.name) } : {}),
  };
}

/** A question in Cedar's terms; entities that the operator stores are added by whoever asks. */
export function requestOf(q: Question) {
  const { observed, row } = q;
  const principal = { type: 'Caller', id: String(observed.uid) };
  const resource = { type: 'Operation', id: 'requested' };
  const groups = new Set([observed.gid, ...(Array.isArray(observed.groups) ? observed.groups : [])]);
  const units = observed.unit === undefined ? [] : [{ type: 'Unit', id: observed.unit }];
  const targets = row.target === undefined ? [] : [{ type: 'Target', id: row.target }];
  const entities: Entity[] = [
    {
      uid: principal,
      attrs: {
        uid: observed.uid,
        gid: observed.gid,
        ...namesOf(observed),
        ...(observed.unit === undefined ? {} : { unit: observed.unit }),
        cgroup: observed.cgroup,
        claimed: reference('Claims', 'claimed'),
      },
      parents: [...[...groups].map((gid) => ({ type: 'Group', id: String(gid) })), ...units],
    },
    { uid: { type: 'Claims', id: 'claimed' }, attrs: {}, parents: [], tags: tagsOf(q.claimed) },
    { uid: { type: 'Parameters', id: 'parameters' }, attrs: {}, parents: [], tags: tagsOf(q.parameters) },
    { uid: { type: 'Platform', id: 'platform' }, attrs: {}, parents: [], tags: q.environment.pcrs },
    {
      uid: resource,
      attrs: {
        kind: row.type,
        name: row.name,
        ...(row.target === undefined ? {} : { target: row.target }),
      },
      parents: [{ type: 'Kind', id: row.type }, ...targets],
    },
  ];
  const { epoch, boot, simulated, tpm } = q.environment;
  const context = {
    now: { __extn: { fn: 'datetime', arg: `${new Date(q.now).toISOString().slice(0, 19)}Z` } },
    approvers: q.approvers.map((uid) => reference('Caller', String(uid))),
    approvals: q.approvers.length,
    parameters: reference('Parameters', 'parameters'),
    ask: {
      uses: q.ask.maxUses,
      seconds: q.ask.seconds,
      delegations: q.ask.delegable?.depth ?? 0,
      forAnother: q.forAnother,
    },
    environment: { epoch, boot, simulated, platform: reference('Platform', 'platform'), tpm },
    log: q.log,
    lineage: q.lineage,
  };
  return { principal, action: { type: 'Action', id: q.action }, resource, context, entities };
}
