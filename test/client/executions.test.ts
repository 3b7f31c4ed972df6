/**
 * What executions leave in the log, through the SDK and through the Python client, held to the same vectors against a
 * real daemon and TPM; and the spool: who may read it, how much it holds, in what order and how often it is recorded.
 */
import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../src/client/client.ts';
import { openSpool } from '../../src/client/spool.ts';
import { fromBase64 } from '../../src/core/bytes.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { ask, type Host, makeHost } from '../daemon/kit.ts';
import { makePolicies, POLICIES, type PolicyFolder } from '../govern/kit.ts';
import { ROOT } from '../kit/ctl.ts';
import {
  type Case,
  type Driven,
  type Driver,
  driveNode,
  type Placed,
  startLossy,
  startPython,
} from './drive.ts';

const { cases } = JSON.parse(readFileSync(join(ROOT, 'test/vectors/client/executions.json'), 'utf8')) as {
  cases: Case[];
};
let policies: PolicyFolder;
let host: Host;
let lossy: Awaited<ReturnType<typeof startLossy>>;
let dir: string;
const python = startPython();
const drivers: Record<string, Driver> = { node: driveNode, python: python.drive };

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-client-'));
  policies = makePolicies(POLICIES);
  host = await makeHost({ policy: { directory: policies.directory, keys: [policies.publicKey] } });
  await host.init();
  await (await host.start()).started;
  lossy = await startLossy(join(dir, 'lossy.sock'), host.config.socket.path);
}, 120_000);
afterAll(async () => {
  await python.stop();
  lossy?.server.close();
  await host?.remove();
  rmSync(policies.directory, { recursive: true, force: true });
  rmSync(dir, { recursive: true, force: true });
});

let places = 0;
const place = (c: Case, more: Partial<Placed> = {}): Placed => {
  const at = join(dir, `case-${places++}`);
  mkdirSync(at);
  lossy.left = c.loses ?? 0;
  lossy.pass = c.passes ?? 0;
  return {
    action: { type: 'tool.call', name: 'refund.approve' },
    ...c,
    socket: c.loses === undefined ? host.config.socket.path : join(dir, 'lossy.sock'),
    link: join(at, 'attestd.sock'),
    spool: join(at, 'spool'),
    ...more,
  };
};

interface Found {
  readonly digest: string;
  readonly index: number;
  // biome-ignore lint/suspicious/noExplicitAny: predicates are read in many shapes
  readonly predicate: any;
  readonly values: Record<string, unknown>;
}
async function found(id: string): Promise<Found> {
  const { json } = await ask(host.config.admin_socket.path, `/v1/records/${id}`);
  const opened = (json.disclosures as string[]).map((d) =>
    JSON.parse(Buffer.from(d, 'base64url').toString()),
  );
  return {
    digest: json.digest,
    index: json.index,
    predicate: readStatement(fromBase64(json.entry)).predicate,
    values: Object.fromEntries(opened.map(([, name, value]) => [name, value])),
  };
}
/** The records of an execution, in order of the log: those with receipts, and those that came out of the spool. */
async function recordsOf({ attempt, receipt, flushed = [] }: Driven): Promise<Found[]> {
  const ids = new Set([attempt.id, ...flushed.map((f) => f.id), receipt.id].filter((id) => id !== undefined));
  return (await Promise.all([...ids].map(found))).sort((a, b) => a.index - b.index);
}
function plainOf({ inputs, parameters, outputs }: Record<string, Record<string, unknown> | undefined>) {
  const { _sd, ...plain } = { ...inputs, ...parameters, ...outputs };
  return plain;
}

describe.each(['node', 'python'])('through the client for %s', (language) => {
  test.each(cases)('$name', async (c) => {
    const driven = await (drivers[language] as Driver)(place(c));
    expect(driven.faults).toEqual([]);
    expect([driven.raised, driven.worked]).toEqual([c.raises ?? null, c.works ?? true]);
    const records = await recordsOf(driven);
    expect(records.map((r) => r.predicate.phase)).toEqual(c.records.map((r) => r.phase));
    for (const [i, expected] of c.records.entries()) {
      const { predicate: p, values } = records[i] as Found;
      expect(values).toEqual(expected.values ?? {});
      expect(plainOf(p)).toEqual(expected.plain ?? {});
      expect(p.outcome).toEqual(expected.outcome && { ...expected.outcome, observedBy: 'caller' });
      expect(p.caller.claimed?.late !== undefined).toBe(expected.late);
      expect(p.capture?.complete).toBe(expected.late ? false : undefined);
      expect(p.authorization === 'ungoverned').toBe(expected.governed !== true);
      const first = (records[0] as Found).digest;
      expect(p.parents ?? []).toEqual((expected.parents ?? []).map((rel) => ({ rel, digest: first })));
      const { late, latePid, ...claimed } = p.caller.claimed ?? {};
      if (expected.late) expect([Date.parse(late) > 0, latePid > 1]).toEqual([true, true]);
      // What a record says late of a lease is said by the client, not by the work.
      if (expected.governed !== true)
        expect(claimed).toEqual(i === 0 || !c.spec?.govern ? (c.spec?.claimed ?? {}) : {});
    }
    if (c.records.some((r) => r.late)) expect(driven.files).toEqual(['0o600']);
  });
});

const PYTHON = `
import ast, json, sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
import attestd
tree = ast.parse(open(sys.argv[1] + "/attestd.py").read())
names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
names |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
foreign = sorted(n for n in names if n.split(".")[0] not in sys.stdlib_module_names)
client = attestd.connect("python-test/1", socket=sys.argv[2])
ask = {"scope": [{"type": "tool.call", "name": "refund.*"}], "maxUses": 2, "seconds": 60}
grant = client.grant(ask)["id"]
states = [client.show_grant(grant)["state"]]
with client.execution({"type": "tool.call", "name": "refund.approve"}, grant=grant):
    pass
receipt = client.revoke(grant, "no longer & needed")
states.append(client.show_grant(grant)["state"])
codes = []
for refused in (
    lambda: client.begin({"grant": grant, "action": {"type": "tool.call", "name": "refund.approve"}}),
    lambda: client.grant({**ask, "scope": [{"type": "exec", "name": "rm"}]}),
):
    try:
        refused()
    except attestd.AttestdError as e:
        codes.append(e.code)
        denial = e.denial["id"]
try:
    client.approve(denial, 60, "of myself")
except attestd.AttestdError as e:
    codes.append(e.code)
records = client.list(grant=grant, limit=10)["records"]
print(json.dumps({"foreign": foreign, "states": states, "codes": codes, "revocation": receipt["id"],
    "kinds": [r["kind"] for r in records]}))
`;

test('Python, of the standard library alone, asks, uses, withdraws and lists, and is told each refusal', async () => {
  const args = ['-c', PYTHON, join(ROOT, 'clients/python'), host.config.socket.path];
  const { stdout } = await promisify(execFile)('python3', args, { timeout: 120_000 });
  const { revocation, ...said } = JSON.parse(stdout);
  expect(said).toEqual({
    foreign: [],
    states: ['live', 'revoked'],
    codes: ['GRANT_EXPIRED', 'POLICY_DENY', 'IDENTITY_MISMATCH'],
    kinds: ['denial', 'revocation', 'execution', 'execution', 'grant'],
  });
  expect((await found(revocation)).predicate.reason).toBe('no longer & needed');
});

describe('the spool', () => {
  const away: Case = { name: '', spools: true, daemon: { begin: false, end: false }, records: [] };
  const open = (spool: string, socket = host.config.socket.path, maxBytes?: number) =>
    connect({
      client: 'test/1',
      socket,
      onUnavailable: 'spool',
      onFault: () => undefined,
      spool: { directory: spool, ...(maxBytes === undefined ? {} : { maxBytes }) },
    });
  const hello = (n: number) => ({
    phase: 'completed' as const,
    action: { type: 'note', name: `n-${n}` },
    outcome: { status: 'succeeded' as const, effect: 'confirmed' as const },
  });

  test.each([
    ['node', 'python'],
    ['python', 'node'],
  ])('what %s leaves behind, %s records once that process has ended', async (writer, reader) => {
    const other = startPython();
    const placed = place({ ...away, work: { outputs: { text: 'ü' as never } } }, { flush: false });
    if (writer === 'python') await other.drive(placed);
    else {
      // The file of a process that lives is its own: this one is made to look like another's that has ended.
      await driveNode(placed);
      const [name] = readdirSync(placed.spool) as [string];
      const gone = name.replace(/-\d+-(?=[0-9a-f]{16})/, '-999999999-');
      writeFileSync(join(placed.spool, gone), readFileSync(join(placed.spool, name)), { mode: 0o600 });
      rmSync(join(placed.spool, name));
    }
    if (writer === 'python') {
      expect((await open(placed.spool).flush()).recorded).toEqual([]);
      await other.stop();
    }
    // The next execution comes behind what waited.
    const drive = reader === 'node' ? driveNode : other.drive;
    const { receipt, flushed } = await drive({ ...placed, flush: true, daemon: { begin: true, end: true } });
    expect(readdirSync(placed.spool)).toEqual([]);
    expect([receipt.strength, flushed]).toEqual(['sealed', []]);
    if (reader === 'python') await other.stop();
  });

  test('is recorded in order, once, however often it is sent', async () => {
    const spool = join(dir, 'order');
    const client = open(spool, join(dir, 'nobody.sock'));
    for (let i = 0; i < 5; i++)
      expect(await client.record(hello(i), { idempotencyKey: `order-${i}` })).toEqual({
        strength: 'spooled',
        key: `order-${i}`,
      });
    const copies = readdirSync(spool).map((f) => [join(spool, f), readFileSync(join(spool, f))] as const);
    const back = open(spool);
    const { recorded } = await back.flush();
    const records = await Promise.all(recorded.map((r) => found(r.id)));
    expect(records.map((r) => r.predicate.action.name)).toEqual(['n-0', 'n-1', 'n-2', 'n-3', 'n-4']);
    const indices = records.map((r) => r.index);
    expect(indices).toEqual([...indices].sort((a, b) => a - b));
    // As after a crash between the record and the removal of its file, with half a line of a write that never ended.
    for (const [file, bytes] of copies) writeFileSync(file, `${bytes}{"v":1,"ke`, { mode: 0o600 });
    expect((await back.flush()).recorded).toEqual(recorded);
    expect(readdirSync(spool)).toEqual([]);
  });

  test('what is recorded next stands behind what waited', async () => {
    const spool = join(dir, 'next');
    await open(spool, join(dir, 'nobody.sock')).record(hello(1), { idempotencyKey: 'next-1' });
    const receipt = await open(spool).record(hello(2), { wait: 'durable' });
    expect(receipt.strength).toBe('durable');
    expect(readdirSync(spool)).toEqual([]);
  });

  test('holds no more than it may', async () => {
    const client = open(join(dir, 'full'), join(dir, 'nobody.sock'), 1500);
    const outcomes: string[] = [];
    for (let i = 0; i < 8; i++)
      outcomes.push(
        await client.record(hello(i)).then(
          (r) => r.strength,
          (e) => e.code,
        ),
      );
    expect(outcomes[0]).toBe('spooled');
    expect(outcomes.at(-1)).toBe('SPOOL_FULL');
  });

  test('is not shared with other users, in either client', async () => {
    const spool = join(dir, 'shared');
    mkdirSync(spool);
    chmodSync(spool, 0o755);
    const refused = { ...away, raises: 'SPOOL_UNAVAILABLE', works: false };
    for (const driver of Object.values(drivers))
      expect(await driver(place(refused, { spool, flush: false }))).toMatchObject({
        raised: 'SPOOL_UNAVAILABLE',
        worked: false,
      });
    expect(readdirSync(spool)).toEqual([]);
  });

  test('what the daemon refuses for good lies aside and does not hold up the rest', async () => {
    const spool = join(dir, 'refused');
    const client = open(spool, join(dir, 'nobody.sock'));
    await client.record({ ...hello(1), phase: 'begun' } as never);
    await client.record(hello(2));
    writeFileSync(join(spool, '0000000000001-000000-999999999-0123456789abcdef.spool'), 'no line\n');
    const { recorded, refused } = await open(spool).flush();
    expect(recorded.length).toBe(1);
    expect(refused.map((r) => r.error.code)).toEqual(['SPOOL_UNAVAILABLE', 'INVALID_REQUEST']);
    expect(readdirSync(spool).every((f) => f.endsWith('.refused'))).toBe(true);
  });

  test('is opened where the environment says', () => {
    const at = (env: NodeJS.ProcessEnv) => openSpool({}, env).directory;
    expect(at({ ATTESTD_SPOOL: '/a/b', XDG_STATE_HOME: '/x' })).toBe('/a/b');
    expect(at({ XDG_STATE_HOME: '/x' })).toBe('/x/attestd-spool');
    expect(at({})).toMatch(/\/\.local\/state\/attestd-spool$/);
  });
});
