/** `trust init`, `add`, `show` and `policy check`: what an auditor decides, and what is said about it. */
import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { printPem } from '../../src/evidence/certfile.ts';
import { demandsOf, findingsOf } from '../../src/verify/demands.ts';
import { parseTrust } from '../../src/verify/trust.ts';
import { type Issued, issue, makeCrl } from '../kit/authority.ts';
import { ctl } from '../kit/ctl.ts';
import { forge } from '../kit/forge.ts';

let dir: string;
let roots: Issued[];
const at = (name: string) => join(dir, name);
const pem = (i: Issued) => printPem([{ label: 'CERTIFICATE', der: i.certificate.der }]);
const json = (name: string) => JSON.parse(readFileSync(at(name), 'utf8'));
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-trust-'));
  roots = await Promise.all(['one', 'two', 'tsa'].map((subject) => issue({ subject, ca: {} })));
  mkdirSync(at('roots'));
  const [one, two, tsa] = roots as [Issued, Issued, Issued];
  writeFileSync(at('roots/one.pem'), `one\n${pem(one)}`);
  writeFileSync(at('roots/two.der'), two.certificate.der);
  writeFileSync(at('roots/README'), 'no certificate');
  writeFileSync(at('tsa.pem'), pem(tsa));
  writeFileSync(at('one.crl'), await makeCrl(one, []));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('a directory of roots, timestamps, keys and an age go into the file, and more can be added', async () => {
  const made = await ctl([
    ...['trust', 'init', '--root', at('roots'), '--level', '2', '--timestamp-root', at('tsa.pem')],
    ...['--timestamps', '1', '--key', 'EC P-256', 'RSA 3072', '--max-age', '60', '-o', at('trust.json')],
  ]);
  expect([made.status, made.stdout]).toEqual([0, '']);
  expect(json('trust.json')).toMatchObject({
    roots: [{ kind: 'hardware' }, { kind: 'hardware' }],
    timestamps: { authorities: [{ name: 'tsa.pem' }], required: 1 },
    keys: ['EC P-256', 'RSA 3072'],
    maxAge: 60,
    acceptHostTime: false,
  });
  const added = await ctl([
    'trust',
    'add',
    at('trust.json'),
    '--crl',
    at('one.crl'),
    '--root',
    at('tsa.pem'),
  ]);
  expect(added.status).toBe(0);
  expect(json('trust.json')).toMatchObject({ roots: [{}, {}, {}], keys: ['EC P-256', 'RSA 3072'] });
  expect(json('trust.json').crls).toHaveLength(1);
  const again = await ctl(['trust', 'add', at('trust.json'), '--crl', at('one.crl')]);
  expect([again.status, json('trust.json').crls.length]).toEqual([0, 1]);
  const shown = await ctl(['trust', 'show', at('trust.json')]);
  expect(shown.stdout).toMatch(/stamps {4}tsa\.pem; 1 needed\n/);
  expect((await ctl(['trust', 'add', at('trust.json')])).status).toBe(2);
  expect((await ctl(['trust', 'add', at('trust.json'), '--host', 'attestd://a/b'])).status).toBe(2);
});

test('witnesses, keys and appraisal groups go into the file, and more of what it names can be added', async () => {
  const pair = () => generateKeyPairSync('ed25519').publicKey;
  const keyFile = (name: string) => {
    writeFileSync(at(name), pair().export({ format: 'pem', type: 'spki' }));
    return at(name);
  };
  const vkey = (name: string) => {
    const raw = pair().export({ format: 'der', type: 'spki' }).subarray(-32);
    const typed = Buffer.concat([Buffer.of(4), raw]);
    const id = createHash('sha256').update(`${name}\n`).update(typed).digest('hex').slice(0, 8);
    return `${name}+${id}+${typed.toString('base64')}`;
  };
  const made = await ctl([
    ...['trust', 'init', '--root', at('tsa.pem'), '--level', '1', '--witness', vkey('w.example/1')],
    ...['--witnesses', '1', '--policy-key', keyFile('one.pub')],
    ...['-o', at('more.json')],
  ]);
  expect([made.status, made.stderr]).toEqual([0, expect.not.stringMatching(/error/)]);
  const group = ['--appraised-by', 'base,base-next', '-o', at('none.json')];
  const none = await ctl(['trust', 'init', '--root', at('tsa.pem'), '--level', '1', ...group]);
  expect([none.status, none.stderr]).toEqual([3, expect.stringMatching(/at \/appraisals/)]);
  const add = (...more: string[]) => ctl(['trust', 'add', at('more.json'), ...more]);
  expect((await add('--witness', vkey('w.example/2'), '--policy-key', keyFile('two.pub'))).status).toBe(0);
  const file = json('more.json');
  expect(file.witnesses).toMatchObject({
    keys: [/1\+/, /2\+/].map((m) => expect.stringMatching(m)),
    required: 1,
  });
  expect(file.policyKeys).toHaveLength(2);
  const before = readFileSync(at('more.json'), 'utf8');
  // A list that is not there stands for all: naming one would take the others away.
  const narrowed = await add('--node-key', `node.example/k1=${'A'.repeat(43)}`);
  expect([narrowed.status, narrowed.stderr]).toEqual([2, expect.stringMatching(/accepts all of them/)]);
  expect((await add('--witness', 'w.example/3+00000000+BAAA')).status).toBe(3);
  expect((await add('--policy-key', at('one.crl'))).status).toBe(3);
  expect(readFileSync(at('more.json'), 'utf8')).toBe(before);
});

test('what a file demands is said in sentences, and what is odd about it', async () => {
  const told = await ctl(['policy', 'check', at('trust.json')]);
  expect(told.status).toBe(0);
  expect(told.stdout).toMatch(/Level 2/);
  expect(told.stdout).toMatch(/timestamps of at least 1 of 1 authority/);
  expect(told.stdout).toMatch(/never by the clock of the host/);
  const text = JSON.stringify({ ...json('trust.json'), timestamps: undefined });
  writeFileSync(at('timeless.json'), text);
  const timeless = await ctl(['policy', 'check', at('timeless.json'), '--json']);
  expect([timeless.status, JSON.parse(timeless.stdout).sound]).toEqual([1, false]);
  expect(timeless.stdout).toMatch(/No time can be proven/);
});

test('every member of a trust file has its sentence', async () => {
  const { trust } = await forge();
  const read = (over: object) => parseTrust(utf8(JSON.stringify({ ...trust, ...over })));
  const T = Date.UTC(2026, 6, 1);
  expect(demandsOf(read({})).join(' ')).toMatch(
    /Level 4.* 1 host\. .*state "reference".*clock of the host counts/,
  );
  const warnings = (over: object, now = T) =>
    findingsOf(read(over), now)
      .map((f) => f.sentence)
      .join('\n');
  expect(warnings({})).toMatch(/host may say any time/);
  expect(warnings({ hosts: undefined })).toMatch(/Every host/);
  expect(warnings({ hosts: [] })).toMatch(/No host is accepted/);
  expect(warnings({ keys: [] })).toMatch(/No kind of key/);
  expect(warnings({ revocation: 'if-present' })).toMatch(/leave out the list/);
  expect(warnings({}, Date.UTC(2050, 0))).toMatch(/not valid now/);
  const [root] = trust.roots as object[];
  expect(warnings({ roots: [root, root] })).toMatch(/twice/);
  expect(warnings({ roots: [{ ...root, kind: 'software' }] })).toMatch(
    /does not say that its TPMs are software/,
  );
  expect(warnings({ pcrs: [{ name: 'few', sha256: { 0: ['ab'.repeat(32)] } }] })).toMatch(
    /leaves the PCRs 1, 2/,
  );
});

test('policies of record keys and seals of other logs are demanded by options', async () => {
  const init = (...more: string[]) =>
    ctl(['trust', 'init', '--root', at('roots'), '--level', '2', ...more, '-o', at('bound.json')]);
  const policy = '5A'.repeat(32);
  expect((await init('--record-key-policy', policy, '--foreign-seals')).status).toBe(0);
  expect(json('bound.json')).toMatchObject({
    recordKeyPolicies: [policy.toLowerCase()],
    foreignSeals: true,
  });
  const { stdout } = await ctl(['trust', 'show', at('bound.json')]);
  expect(stdout).toMatch(new RegExp(`^record +key under ${policy}$`, 'im'));
  expect(stdout).toMatch(/^seals +of other logs/m);
  const wrong = await init('--record-key-policy', 'abc');
  expect([wrong.status, wrong.stderr]).toEqual([
    2,
    expect.stringContaining('--record-key-policy takes 64 hexadecimal digits'),
  ]);
  expect((await init()).status).toBe(0);
  expect(Object.keys(json('bound.json'))).not.toContain('recordKeyPolicies');
});
