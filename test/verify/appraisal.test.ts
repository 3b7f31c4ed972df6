/** The language of policies, learning from real machines, and what a trust file may say of policies. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { Check } from 'typebox/value';
import { beforeAll, describe, expect, it } from 'vitest';
import { concat, toHex, utf8 } from '../../src/core/bytes.ts';
import { isAttestdError } from '../../src/core/errors.ts';
import { type JsonObject, jcsBytes, parseJson } from '../../src/core/json.ts';
import {
  envelopeSigned,
  parseEnvelope,
  parsePolicy,
  policyOf,
  printPolicy,
  sealPolicy,
} from '../../src/evidence/appraisal.ts';
import { parseTcgLog } from '../../src/evidence/eventlog/tcg.ts';
import { TrustSchema } from '../../src/evidence/schema/trust.ts';
import { appraise, type Machine } from '../../src/verify/appraisal/appraise.ts';
import { learn } from '../../src/verify/appraisal/learn.ts';
import { fits } from '../../src/verify/appraisal/pattern.ts';
import { replayLogs } from '../../src/verify/appraisal/replay.ts';
import { judge } from '../../src/verify/judge.ts';
import { got } from '../../src/verify/outcome.ts';
import { parseTrust } from '../../src/verify/trust.ts';
import { runs } from '../fuzz/runs.ts';
import {
  BOOT,
  COMMAND_LINE,
  hash,
  machineOfBoot,
  NO_LIST,
  OWNER,
  trusted,
  variable,
} from '../kit/bootlog.ts';
import { forge } from '../kit/forge.ts';
import { appraised, GOLDEN } from './vectors/appraisal.ts';

const golden = printPolicy(GOLDEN);
const spki = (key = OWNER.publicKey) => new Uint8Array(key.export({ format: 'der', type: 'spki' }));

describe('patterns', () => {
  it.each<[string, string, boolean]>([
    ['', '', true],
    ['a', '', false],
    ['*', '', true],
    ['*', 'anything at all', true],
    ['root=* ro', 'root=/dev/vda1 ro', true],
    ['root=* ro', 'root=/dev/vda1 ro init=/bin/sh', false],
    ['root=*', 'x root=/dev/vda1', false],
    ['?uiet', 'quiet', true],
    ['?uiet', 'uiet', false],
    ['a*b*c', 'a b b c', true],
    ['a*b*c', 'a c b', false],
    ['.+', 'ab', false],
  ])('%j and %j: %j', (pattern, text, expected) => expect(fits(pattern, text)).toBe(expected));

  it('agree with a regular expression of the same meaning', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 12 });
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '?'), maxLength: 8 });
    fc.assert(
      fc.property(pattern, letters, (p, t) => {
        const same = p.replace(/[.]/g, '\\.').replace(/\*/g, '[\\s\\S]*').replace(/\?/g, '[\\s\\S]');
        expect(fits(p, t)).toBe(new RegExp(`^${same}$`).test(t));
      }),
      { numRuns: runs(2000) },
    );
  });

  it('take time in proportion, where a regular expression would not end', () => {
    expect(fits(`${'*a'.repeat(1000)}b`, 'a'.repeat(4000))).toBe(false);
  });
});

describe('policies', () => {
  it('print back to the same bytes', () => expect(printPolicy(parsePolicy(golden))).toEqual(golden));

  it.each<[string, (p: JsonObject) => JsonObject]>([
    ['an unknown name', (p) => ({ ...p, extra: 1 })],
    ['another schema', (p) => ({ ...p, schema: 'attestd.dev/appraisal/v2' })],
    ['a register beyond 23', (p) => ({ ...p, pcrs: { 24: ['ab'.repeat(32)] } })],
    ['a register without a value', (p) => ({ ...p, pcrs: { 1: [] } })],
    ['a register both judged and ignored', (p) => ({ ...p, pcrs: { 13: ['ab'.repeat(32)] } })],
    ['a digest in upper case', (p) => ({ ...p, kernel: ['AB'.repeat(32)] })],
    ['no allowed command line', (p) => ({ ...p, commandLine: [] })],
    ['nothing ignored in so many words', ({ ignore: _, ...p }) => p],
    [
      'Secure Boot as a word',
      (p) => ({ ...p, secureBoot: { ...(p.secureBoot as JsonObject), enabled: 'on' } }),
    ],
  ])('with %s are refused', (_, change) => {
    const bytes = jcsBytes(change(parseJson(golden) as JsonObject));
    expect(() => parsePolicy(bytes)).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
  });

  it('of any bytes are a policy that prints back, or malformed', () => {
    fc.assert(
      fc.property(fc.nat(golden.length - 1), fc.nat(255), fc.boolean(), (at, value, cut) => {
        const bytes = cut ? golden.slice(0, at) : golden.slice();
        if (!cut) bytes[at] = value;
        try {
          expect(printPolicy(parsePolicy(bytes))).toEqual(bytes);
        } catch (e) {
          expect(isAttestdError(e, 'MALFORMED')).toBe(true);
        }
      }),
      { numRuns: runs(500) },
    );
  });

  it.each(['ed25519', 'P-256'])('are signed by %s and by no other key', async (kind) => {
    const pair = kind === 'ed25519' ? OWNER : generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const hash = kind === 'ed25519' ? null : 'sha256';
    const key = spki(pair.publicKey);
    const file = sealPolicy(golden, key, (m) => new Uint8Array(sign(hash, m, pair.privateKey)));
    const envelope = parseEnvelope(file);
    expect(policyOf(envelope)).toEqual(GOLDEN);
    expect(await envelopeSigned(envelope, key)).toBe(true);
    expect(await envelopeSigned(envelope, spki(generateKeyPairSync('ed25519').publicKey))).toBe(false);
    const payload = envelope.payload.replace(
      /^(.{40})./,
      (_, s: string) => `${s}${envelope.payload[40] === 'A' ? 'B' : 'A'}`,
    );
    expect(await envelopeSigned({ ...envelope, payload }, key)).toBe(false);
  });

  it('are not signed by a key of another kind', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    expect(() => sealPolicy(golden, spki(publicKey), () => new Uint8Array(64))).toThrow(
      /neither Ed25519 nor/,
    );
  });
});

describe('learning', () => {
  const machine = (name: string): Machine => {
    const log = parseTcgLog(new Uint8Array(readFileSync(new URL(`../vectors/tcg/${name}`, import.meta.url))));
    const registers = new Map();
    for (const [pcr, replay] of replayLogs({ firmware: log })) {
      if (pcr < 16) registers.set(pcr, { pcr, value: replay.value, replay, explained: true });
    }
    return { registers, logged: true, own: new Set(), ima: NO_LIST };
  };
  const REAL = [
    'rhel8-uefi.bin',
    'ubuntu-2404-amd-sevsnp.bin',
    'ubuntu-2104-no-dbx.bin',
    'glinux-alex.bin',
    'event-sd-boot-fedora37.bin',
    'binary_bios_measurements-secureboot',
  ];
  it.each(REAL)('from %s makes a policy that accepts it and no other', (name) => {
    const { policy, decisions } = learn([machine(name)], { name: 'real' });
    expect(parsePolicy(printPolicy(policy))).toEqual(policy);
    expect(decisions.length).toBeGreaterThan(8);
    const refused = (m: Machine) => appraise(policy, m).filter((f) => f.verdict === 'refused');
    expect(refused(machine(name))).toEqual([]);
    for (const other of REAL.filter((o) => o !== name))
      expect(refused(machine(other)).length).toBeGreaterThan(5);
  });
  it('knows whether Secure Boot was on', () => {
    const on = (name: string) => learn([machine(name)], { name: 'x' }).policy.secureBoot?.enabled;
    expect([on('rhel8-uefi.bin'), on('ubuntu-2404-amd-sevsnp.bin')]).toEqual([true, false]);
  });
  it.each([
    ['event-bootorder.bin', /^\/boot\/vmlinuz-5.4.0-45-generic root=/],
    ['binary_bios_measurements-secureboot', /^\(hd0,gpt2\)\/vmlinuz-5.14.0\S* root=/],
    ['event-sd-boot-fedora37.bin', /console=ttyS0 console=tty0/],
  ])('finds the command line that was measured in %s', (name, line) => {
    const { policy } = learn([machine(name)], { name: 'x' });
    expect(policy.commandLine?.some((l) => line.test(l))).toBe(true);
  });
  it('finds kernel and initrd', () => {
    const { policy } = learn([machine('event-bootorder.bin')], { name: 'x' });
    expect([policy.kernel?.length, policy.initrd?.length]).toEqual([1, 1]);
  });
  it('ignores an event by its name only where it is told to', () => {
    const ignoreEvents = [{ pcr: 9, name: '/initrd*' }];
    const { policy } = learn([machineOfBoot(BOOT)], { name: 'x', ignoreEvents });
    expect(policy.ignore.events).toEqual([{ pcr: 9, type: 13, name: '/initrd*' }]);
    const other = BOOT.map((e) => (e.pcr === 9 ? { ...e, digest: new Uint8Array(32).fill(7) } : e));
    const found = appraise(policy, machineOfBoot(other)).filter((f) => f.pcr === 9);
    expect(found.map((f) => f.verdict)).toEqual(['refused', 'ignored']);
  });
  it.each<[string, string]>([
    ['ubuntu-2404-amd-sevsnp.bin', 'EV_EFI_BOOT_SERVICES_APPLICATION in PCR 4, PciRoot(0x0)/Pci(0x4,0x0)'],
    ['ubuntu-2404-amd-sevsnp.bin', 'EV_EFI_GPT_EVENT in PCR 5, disk '],
    ['ubuntu-2404-amd-sevsnp.bin', 'EV_EFI_VARIABLE_BOOT in PCR 1, BootOrder: Boot0002'],
    ['rhel8-uefi.bin', 'EV_EFI_VARIABLE_DRIVER_CONFIG in PCR 7, db: C=US, ST=Washington'],
    ['rhel8-uefi.bin', 'EV_EFI_VARIABLE_DRIVER_CONFIG in PCR 7, SecureBoot: on'],
    ['event-bootorder.bin', 'EV_EFI_BOOT_SERVICES_DRIVER in PCR 2, PciRoot(0x0)/Pci(0x3,0x0)/Offset'],
  ])('of an unknown machine says what each event of %s is: %s', (name, beginning) => {
    const nothing = { ...GOLDEN, pcrs: {}, events: [], ignore: { pcrs: [], events: [] } };
    const { secureBoot: _, commandLine: __, kernel: ___, initrd: ____, ima: _____, ...policy } = nothing;
    const sentences = appraise(policy, machine(name)).map((f) => f.sentence);
    expect(sentences.filter((s) => s.startsWith(beginning)).length, sentences.join('\n')).toBeGreaterThan(0);
    expect(Math.max(...sentences.map((s) => s.length))).toBeLessThan(400);
  });
  it('names a variable that shim measured, which counts a byte more than it hashed', () => {
    const said = concat(variable('SbatLevel', utf8('sbat,1')), new Uint8Array(1));
    const event = { pcr: 7, type: 0x800000e0, data: said, digest: hash(said.subarray(0, -1)) };
    const [found] = appraise(GOLDEN, machineOfBoot([...BOOT, event])).filter((f) => f.verdict === 'refused');
    expect(found?.sentence).toMatch(/^EV_EFI_VARIABLE_AUTHORITY in PCR 7, SbatLevel/);
    // Accepted by the list of authorities, into which it is learnt, or by a rule of its own.
    const machine = machineOfBoot([...BOOT, event]);
    const refused = (policy: typeof GOLDEN) =>
      appraise(policy, machine).filter((f) => f.verdict === 'refused');
    const { policy } = learn([machine], { name: 'x' });
    expect(policy.secureBoot?.authorities).toContain(toHex(event.digest));
    expect(refused(policy)).toEqual([]);
    const rule = { pcr: 7, type: event.type, digests: [toHex(event.digest)], what: 'shim' };
    expect(refused({ ...GOLDEN, events: [...GOLDEN.events, rule] })).toEqual([]);
  });
  it('from two machines accepts both', () => {
    const both = [machine('ubuntu-2404-amd-sevsnp.bin'), machine('ubuntu-2104-no-dbx.bin')];
    const { policy } = learn(both, { name: 'two' });
    for (const m of both) expect(appraise(policy, m).filter((f) => f.verdict === 'refused')).toEqual([]);
  });
  it('refuses machines that differ in Secure Boot', () => {
    const both = [machine('ubuntu-2404-amd-sevsnp.bin'), machine('rhel8-uefi.bin')];
    expect(() => learn(both, { name: 'two' })).toThrow(/Secure Boot is on in one/);
  });
  it('takes patterns in place of the exact command lines', () => {
    const options = { name: 'x', commandLines: ['/vmlinuz-* root=/dev/vda1 ro quiet'] };
    const { policy } = learn([machineOfBoot(BOOT)], options);
    expect(policy.commandLine).toEqual(options.commandLines);
    const wrong = { ...policy, commandLine: [`${COMMAND_LINE} *`] };
    const refused = appraise(wrong, machineOfBoot(BOOT)).filter((f) => f.verdict === 'refused');
    expect(refused.map((f) => f.section)).toEqual(['command-line', 'command-line']);
  });
});

describe('policies of a trust file', () => {
  let good: JsonObject;
  beforeAll(async () => {
    good = { ...(await forge()).trust, policies: [trusted(GOLDEN)] };
  });
  const verdict = async (policies: (typeof GOLDEN)[], more: JsonObject = {}) => {
    const { raw, trust } = await forge(appraised(BOOT, policies, more));
    return (await judge(got(raw), parseTrust(utf8(JSON.stringify(trust))))).verdict;
  };
  const other = { ...GOLDEN, name: 'other', pcrs: { 1: ['ab'.repeat(32)] } };

  it('stand in place of a list of states', async () => expect(await verdict([GOLDEN])).toBe('verified'));
  it('accept where one of them does', async () => expect(await verdict([other, GOLDEN])).toBe('verified'));
  it('reject where none does', async () => expect(await verdict([other])).toBe('rejected'));
  it('can all be asked for', async () => {
    expect(await verdict([other, GOLDEN], { appraisals: [['golden'], ['other']] })).toBe('rejected');
    expect(await verdict([other, GOLDEN], { appraisals: [['golden']] })).toBe('verified');
    expect(await verdict([other, GOLDEN], { appraisals: [['golden', 'other']] })).toBe('verified');
  });

  it.each<[string, (t: JsonObject) => JsonObject, boolean]>([
    ['as it is', (t) => t, true],
    ['with groups', (t) => ({ ...t, appraisals: [['golden']] }), true],
    ['with a group of nothing', (t) => ({ ...t, appraisals: [[]] }), false],
    ['with no groups', (t) => ({ ...t, appraisals: [] }), false],
    [
      'with another payload type',
      (t) => ({ ...t, policies: [envelope(t, { payloadType: 'text/plain' })] }),
      false,
    ],
    ['without a signature', (t) => ({ ...t, policies: [envelope(t, { signatures: [] })] }), false],
  ])('%s: schema and reader agree', (_, change, expected) => {
    const file = change(good);
    const reads = () => parseTrust(utf8(JSON.stringify(file)));
    if (expected) expect(reads).not.toThrow();
    else expect(reads).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
    expect(Check(TrustSchema, file)).toBe(expected);
  });
  it.each<[string, (t: JsonObject) => JsonObject, string]>([
    ['a group of a name that no policy has', (t) => ({ ...t, appraisals: [['none']] }), '/appraisals/0/0'],
    [
      'groups without policies',
      ({ policies: _, ...t }) => ({ ...t, appraisals: [['golden']] }),
      '/appraisals',
    ],
    [
      'two policies of one name',
      (t) => ({ ...t, policies: [trusted(GOLDEN), trusted(GOLDEN)] }),
      '/policies/1',
    ],
    [
      'a key that is none',
      (t) => ({ ...t, policies: [{ ...trusted(GOLDEN), key: 'AAAA' }] }),
      '/policies/0/key',
    ],
    [
      'a payload that is no policy',
      (t) => ({ ...t, policies: [envelope(t, { payload: 'AAAA' })] }),
      '/policies/0/envelope',
    ],
  ])('%s is refused by name', (_, change, field) => {
    expect(() => parseTrust(utf8(JSON.stringify(change(good))))).toThrow(
      expect.objectContaining({ facts: expect.objectContaining({ field }) }),
    );
  });
  const envelope = (t: JsonObject, over: JsonObject): JsonObject => {
    const [first] = t.policies as JsonObject[];
    return { ...first, envelope: { ...(first?.envelope as JsonObject), ...over } };
  };
});
