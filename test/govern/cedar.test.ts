/** Policies: what they may speak of, what is refused at load, and that many cost what few do. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createDecider } from '../../src/daemon/govern/cedar.ts';
import { createNumbers } from '../../src/daemon/govern/numbers.ts';
import { type Entity, POLICY_SCHEMA, type Question } from '../../src/daemon/govern/vocabulary.ts';

const question = (more: Partial<Question> = {}): Question => ({
  action: 'execute',
  observed: {
    uid: 1000,
    gid: 100,
    groups: [100, 200],
    account: {
      user: { name: 'alice' },
      groups: [
        { gid: 100, name: 'users' },
        { gid: 200, name: 'agents' },
      ],
      unresolved: [],
    },
    pid: 1,
    startTicks: 1,
    exe: 'unreadable',
    exeMethod: '/proc/pid/exe',
    cgroup: '/a',
    unit: 'agent.service',
    method: 'SO_PEERCRED',
  },
  claimed: { sub: 'agent:x', level: 3 },
  row: { type: 'tool.call', name: 'refund.approve', target: 'crm:order/17' },
  parameters: { amount: 40 },
  ask: { maxUses: 1, seconds: 60 },
  forAnother: false,
  approvers: [],
  environment: {
    epoch: '7',
    boot: 'b'.repeat(64),
    simulated: false,
    pcrs: { 7: 'f'.repeat(64) },
    tpm: { clockSafe: true, resetCount: 5, restartCount: 0, firmwareVersion: '0001000200030004' },
  },
  log: { continuous: true, sealAge: 0 },
  lineage: { parents: 0, delegated: false },
  now: Date.UTC(2026, 10, 21),
  ...more,
});
const ANY = 'permit(principal, action, resource)';
const decider = (text: string, stored: readonly Entity[] = []) =>
  createDecider([{ name: 'p.cedar', text }], stored);

it('the published schema is the one that policies are held to', () => {
  expect(readFileSync('docs/policy.cedarschema', 'utf8')).toBe(POLICY_SCHEMA);
});

it('names of groups are there all or none, so that a policy cannot miss the one that it asks for', async () => {
  const asked = question();
  const { account } = asked.observed;
  const policy = await decider(
    'permit(principal, action, resource) when { principal has groups && !principal.groups.contains("contractors") };',
  );
  expect(policy.decide(asked).permitted).toBe(true);
  const partly = { ...account, groups: [{ gid: 100, name: 'users' }], unresolved: [200] } as typeof account;
  for (const observed of [
    { ...asked.observed, ...(partly === undefined ? {} : { account: partly }) },
    { ...asked.observed, groups: 'unreadable' as const },
  ])
    expect(policy.decide({ ...asked, observed }).permitted).toBe(false);
});

describe('a policy may ask for', () => {
  it.each([
    ['a uid', 'permit(principal == Caller::"1000", action, resource);', true],
    ['another uid', 'permit(principal == Caller::"1001", action, resource);', false],
    ['a group', 'permit(principal in Group::"100", action, resource);', true],
    [
      'a user by name',
      'permit(principal, action, resource) when { principal has user && principal.user == "alice" };',
      true,
    ],
    [
      'another user',
      'permit(principal, action, resource) when { principal has user && principal.user == "bob" };',
      false,
    ],
    [
      'a group by name',
      'permit(principal, action, resource) when { principal has groups && principal.groups.contains("agents") };',
      true,
    ],
    ['a unit', 'permit(principal in Unit::"agent.service", action, resource);', true],
    [
      'what the caller claims',
      'permit(principal, action, resource) when { principal.claimed.hasTag("sub") && principal.claimed.getTag("sub") == "agent:x" };',
      true,
    ],
    [
      'a kind of action',
      'permit(principal, action == Action::"execute", resource in Kind::"tool.call");',
      true,
    ],
    ['another action', 'permit(principal, action == Action::"approve", resource);', false],
    ['a target', 'permit(principal, action, resource in Target::"crm:order/17");', true],
    [
      'a parameter',
      'permit(principal, action, resource) when { context.parameters.hasTag("amount") && context.parameters.getTag("amount") == "40" };',
      true,
    ],
    [
      'a PCR',
      `permit(principal, action, resource) when { context.environment.platform.hasTag("7") && context.environment.platform.getTag("7") == "${'f'.repeat(64)}" };`,
      true,
    ],
    [
      'the health of the log',
      'permit(principal, action, resource) when { context.log.continuous && context.log.sealAge < 5 };',
      true,
    ],
    [
      'the time',
      'permit(principal, action, resource) when { context.now < datetime("2026-11-21T00:00:01Z") };',
      true,
    ],
    ['a TPM whose clock is safe', `${ANY} when { context.environment.tpm.clockSafe };`, true],
    ['the resets of a TPM', `${ANY} when { context.environment.tpm.resetCount <= 4 };`, false],
    [
      'the firmware of a TPM',
      `${ANY} when { context.environment.tpm.firmwareVersion == "0001000200030004" };`,
      true,
    ],
    ['a hardware TPM', 'permit(principal, action, resource) unless { context.environment.simulated };', true],
    ['two approvals', 'permit(principal, action, resource) when { context.approvals >= 2 };', false],
    [
      'one person’s approval',
      'permit(principal, action, resource) when { context.approvers.contains(Caller::"7") };',
      false,
    ],
  ])('%s', async (_what, text, permitted) => {
    const d = await decider(text);
    expect(d.decide(question()).permitted).toBe(permitted);
    expect(d.decide(question({ approvers: [7, 8] })).permitted).toBe(
      permitted || (/approv/.test(text) && !/Action/.test(text)),
    );
  });

  it('what the operator stores above callers and targets', async () => {
    const stored: Entity[] = [
      { uid: { type: 'Group', id: '100' }, attrs: {}, parents: [{ type: 'Group', id: 'staff' }] },
      { uid: { type: 'Target', id: 'crm:order/17' }, attrs: {}, parents: [{ type: 'Target', id: 'crm' }] },
    ];
    const d = await decider(
      'permit(principal in Group::"staff", action, resource in Target::"crm");',
      stored,
    );
    expect(d.decide(question())).toMatchObject({ permitted: true, determining: ['p.cedar#0'] });
  });
});

describe('refused at load', () => {
  it.each([
    ['no Cedar', 'permit principal'],
    [
      'an attribute that the schema does not know',
      'permit(principal, action, resource) when { principal.root };',
    ],
    ['a template', 'permit(principal == ?principal, action, resource);'],
  ])('%s', async (_what, text) => {
    await expect(decider(text)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});

it('a policy that cannot be evaluated refuses, although Cedar would leave it out', async () => {
  const d = await decider(
    'permit(principal, action, resource); forbid(principal, action, resource) when { principal.claimed.getTag("gone") == "x" };',
  ).catch((e: Error) => e);
  // The validator refuses this one already; arithmetic that overflows it cannot foresee.
  expect(d).toBeInstanceOf(Error);
  const late = await decider(
    'permit(principal, action, resource); forbid(principal, action, resource) when { context.ask.uses + 9223372036854775807 > 0 };',
  );
  expect(late.decide(question())).toMatchObject({
    permitted: false,
    why: expect.stringContaining('cannot be evaluated'),
  });
});

it('of many policies and entities only those that can matter are asked', async () => {
  const many = Array.from(
    { length: 1000 },
    (_, i) => `permit(principal == Caller::"${i}", action, resource);`,
  );
  const stored = Array.from({ length: 5000 }, (_, i) => ({
    uid: { type: 'Group', id: `g${i}` },
    attrs: {},
    parents: [{ type: 'Group', id: `g${i + 1}` }],
  }));
  const d = await decider(many.join('\n'), stored.slice(0, 5));
  expect(d.policies).toBe(1000);
  expect(d.decide(question({ observed: { ...question().observed, uid: 999 } })).determining).toEqual([
    'p.cedar#999',
  ]);
  expect(d.decide(question())).toMatchObject({ permitted: false, determining: [] });
});

it('no caller is taken for another, nor a machine for one in another state', async () => {
  const policy = await decider(
    'permit(principal == Caller::"1000", action, resource) when { context.environment.tpm.clockSafe };',
  );
  const asked = question();
  const ask = (uid: number, environment = asked.environment) =>
    policy.decide({ ...asked, environment, observed: { ...asked.observed, uid } }).permitted;
  const { tpm } = asked.environment;
  const unsafe = { ...asked.environment, tpm: { ...tpm, clockSafe: false } };
  for (const uid of [1000, 1001, 1000, 1002, 1001, 1000]) {
    expect(ask(uid)).toBe(uid === 1000);
    expect(ask(uid, unsafe)).toBe(false);
  }
});

it('whatever a policy can speak of is asked anew where it is another', async () => {
  const policy = await decider(`permit(principal, action == Action::"execute", resource) when {
    context.ask.uses == 1 && context.ask.seconds == 60 && context.ask.delegations == 0 && !context.ask.forAnother &&
    context.approvals == 0 && context.log.continuous && context.log.sealAge == 0 && context.lineage.parents == 0 &&
    !context.lineage.delegated && context.now < datetime("2026-11-22") && resource.name == "refund.approve" &&
    principal.claimed.hasTag("sub") && principal.claimed.getTag("sub") == "agent:x" &&
    context.parameters.hasTag("amount") && context.parameters.getTag("amount") == "40" };`);
  const asked = question();
  const others: Partial<Question>[] = [
    { action: 'approve' },
    { claimed: { sub: 'agent:y', level: 3 } },
    { row: { ...asked.row, name: 'refund.ask' } },
    { parameters: { amount: 41 } },
    { ask: { maxUses: 2, seconds: 60 } },
    { ask: { maxUses: 1, seconds: 61 } },
    { ask: { maxUses: 1, seconds: 60, delegable: { depth: 1 } } },
    { forAnother: true },
    { approvers: [7] },
    { log: { continuous: false, sealAge: 0 } },
    { log: { continuous: true, sealAge: 1 } },
    { lineage: { parents: 1, delegated: false } },
    { lineage: { parents: 0, delegated: true } },
    { now: asked.now + 86_400_000 },
  ];
  for (const other of others) {
    expect(policy.decide(question()).permitted).toBe(true);
    expect(policy.decide({ ...asked, ...other }).permitted, JSON.stringify(other)).toBe(false);
  }
});

it('a number never stands for two texts, however many there are', () => {
  const numberOf = createNumbers();
  const texts = new Map<number, string>();
  const same = { kept: 'by whoever asks' };
  for (let i = 0; i < 20_000; i++) {
    for (const value of [{ caller: i }, { caller: i }, { caller: i >> 1 }, same]) {
      const number = numberOf(value);
      const text = texts.get(number);
      if (text === undefined) texts.set(number, JSON.stringify(value));
      else if (text !== JSON.stringify(value))
        expect.fail(`${text} and ${JSON.stringify(value)} are both ${number}`);
    }
    expect(numberOf({ caller: i })).toBe(numberOf({ caller: i }));
    expect(numberOf(same)).toBe(numberOf({ ...same }));
  }
});
