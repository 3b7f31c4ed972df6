// Microseconds for one execution record on one thread: a 452-byte request with two disclosures, written by the
// execution writer with the platform's SHA-256. Run: npx tsx or a build first; see the import below.
import { hash, randomFillSync } from 'node:crypto';

const base = new URL(process.argv[2] ?? '../../../dist/', import.meta.url);
const load = (p) => import(new URL(p, base));
const { useSha256 } = await load('core/hash.js');
const { jcs, parseJson } = await load('core/json.js');
const { createExecutionWriter } = await load('evidence/execution.js');
const { pae } = await load('evidence/dsse.js');
const { makeDisclosure, disclosureDigest } = await load('evidence/disclosure.js');
useSha256(platformSha256);

// A binary string costs half of what a Buffer made in C++ does.
function platformSha256(data) {
  const s = hash('sha256', data, 'latin1');
  const out = new Uint8Array(32);
  for (let i = 0; i < 32; i++) out[i] = s.charCodeAt(i);
  return out;
}

const request = {
  action: { name: 'refund.approve', target: 'crm:order/17', type: 'tool.call' },
  claimed: { iss: 'https://id.example.org', sub: 'agent:refund-bot' },
  inputs: { prompt: 'x'.repeat(120) },
  outcome: { code: 0, effect: 'confirmed', status: 'succeeded' },
  outputs: { answer: 'y'.repeat(80) },
  phase: 'completed',
};
const body = JSON.stringify(request);
const observed = jcs({
  uid: 1001,
  gid: 1001,
  pid: 4242,
  startTicks: 883212,
  exe: { path: '/usr/lib/agents/refund-bot/bin/agent', sha256: 'cd'.repeat(32) },
  exeMethod: 'procfs',
  cgroup: '/system.slice/agent.service',
  unit: 'agent.service',
  method: 'SO_PEERCRED+SO_PEERPIDFD',
});
const write = createExecutionWriter({
  log: 'example.org/host-1/17',
  boot: 'ab'.repeat(32),
  random: (n) => randomFillSync(new Uint8Array(n)),
});

// The same work with the library over the whole statement, for a ratio that holds on a busy machine too.
function byLibrary() {
  const random = (n) => randomFillSync(new Uint8Array(n));
  const sd = (name, value) => {
    const d = makeDisclosure(random(16), name, value);
    return Buffer.from(disclosureDigest(d)).toString('base64url');
  };
  const predicate = {
    v: 1,
    id: '01J0000000000000000000000A',
    log: 'example.org/host-1/17',
    boot: 'ab'.repeat(32),
    time: new Date(1763737331000).toISOString(),
    salt: Buffer.from(random(16)).toString('base64url'),
    phase: parsed.phase,
    action: parsed.action,
    caller: { observed: JSON.parse(observed), claimed: parsed.claimed },
    authorization: 'ungoverned',
    inputs: { _sd: [sd('prompt', parsed.inputs.prompt)] },
    outputs: { _sd: [sd('answer', parsed.outputs.answer)] },
    outcome: { ...parsed.outcome, observedBy: 'caller' },
  };
  const sha256 = Buffer.from(platformSha256(Buffer.from(jcs(predicate)))).toString('hex');
  const subject = [{ name: `execution:${predicate.id}`, digest: { sha256 } }];
  const statement = { _type: 'https://in-toto.io/Statement/v1', subject, predicateType: 'x', predicate };
  return platformSha256(pae('application/vnd.in-toto+json', Buffer.from(jcs(statement))));
}

function time(f, n) {
  // CPU time, not the clock on the wall: other work on the machine does not count.
  const from = process.cpuUsage();
  for (let i = 0; i < n; i++) f();
  const { user, system } = process.cpuUsage(from);
  return (user + system) / n;
}
const parsed = parseJson(body);
const results = {};
for (let round = 0; round < 7; round++) {
  for (const [name, f] of Object.entries({
    write: () => write(parsed, observed, 1763737331000),
    library: byLibrary,
    parse: () => parseJson(body),
    plainParse: () => JSON.parse(body),
  })) {
    results[name] ??= [];
    results[name].push(time(f, 20_000));
  }
}
const median = (a) => a.sort((x, y) => x - y)[a.length >> 1];
console.log(
  JSON.stringify({
    bodyBytes: body.length,
    entryBytes: write(parsed, observed, 1763737331000).entry.length,
    microseconds: Object.fromEntries(
      Object.entries(results).map(([k, v]) => [k, Number(median(v).toFixed(2))]),
    ),
  }),
);
