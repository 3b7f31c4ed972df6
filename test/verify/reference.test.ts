/** Reference values of manifests as policies: what is taken, whose word counts, and one manifest for every refusal. */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { isAttestdError } from '../../src/core/errors.ts';
import { parsePolicy, printPolicy } from '../../src/evidence/appraisal.ts';
import type { Cbor } from '../../src/evidence/cbor.ts';
import { parseCorim } from '../../src/evidence/corim/manifest.ts';
import { appraise } from '../../src/verify/appraisal/appraise.ts';
import { type ImportOptions, importReferences } from '../../src/verify/appraisal/import.ts';
import { type ProviderTrust, readProvided } from '../../src/verify/appraisal/provider.ts';
import { EVENT_PROFILE, PARSEC_PROFILE } from '../../src/verify/appraisal/reference.ts';
import { type Issued, issue } from '../kit/authority.ts';
import { BOOT, EV, hash, machineOfBoot } from '../kit/bootlog.ts';
import * as kit from '../kit/corim.ts';

const sample = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../vectors/corim/${name}`, import.meta.url)));
const hex = (n: number): string => n.toString(16).padStart(2, '0').repeat(32);
const OPTIONS: ImportOptions = { name: 'vendor', triples: [], ignorePcrs: [], leaveOut: false };
const imported = (bytes: Uint8Array, options: Partial<ImportOptions> = {}) =>
  importReferences(parseCorim(bytes), { ...OPTIONS, ...options });
const values = (...states: readonly (readonly [Readonly<Record<string, string>>, string?])[]) =>
  states.map(([v, model]) => kit.triple([kit.registers(v)], kit.environment(model)));

async function refusal(act: () => unknown): Promise<string> {
  try {
    await act();
  } catch (e) {
    if (isAttestdError(e)) return `${e.code} ${e.message}`;
    throw e;
  }
  return 'accepted';
}

describe('what is taken', () => {
  test('integrity registers are values of PCRs', () => {
    const { policy, leftOut } = imported(kit.corim({ triples: values([{ 0: hex(1), 7: hex(2) }]) }), {
      ignorePcrs: [5],
    });
    expect(policy).toEqual({
      schema: 'attestd.dev/appraisal/v1',
      name: 'vendor',
      pcrs: { 0: [hex(1)], 7: [hex(2)] },
      events: [],
      ignore: { pcrs: [5], events: [] },
    });
    expect(leftOut).toEqual([]);
    expect(parsePolicy(printPolicy(policy))).toEqual(policy);
  });
  test('keys of Parsec are registers, and its other banks say the same once more', () => {
    const { policy, unused } = imported(sample('corim-parsec-tpm-valid.cbor'));
    expect(policy.pcrs).toEqual({ 0: [hex(0)], 1: [hex(0)], 2: [hex(0)] });
    expect(unused).toEqual([expect.stringMatching(/1 of attest-key-triples$/)]);
  });
  test('states of one environment that differ in one register are one policy', () => {
    const both = kit.corim({ triples: values([{ 0: hex(1), 1: hex(9) }], [{ 0: hex(2), 1: hex(9) }]) });
    expect(imported(both).policy.pcrs).toEqual({ 0: [hex(1), hex(2)], 1: [hex(9)] });
  });
  test('environments that share no register are one machine', () => {
    const two = kit.corim({ triples: values([{ 0: hex(1) }, 'firmware'], [{ 4: hex(2) }, 'loader']) });
    expect(imported(two).policy.pcrs).toEqual({ 0: [hex(1)], 4: [hex(2)] });
  });
  test('events by our profile accept the machine that they were taken from, and refuse another kernel', () => {
    const triples = [
      kit.triple(BOOT.map((e) => kit.event(...eventOf(e.pcr, e.type, e.digest ?? hash(e.data))))),
    ];
    const { policy } = imported(kit.corim({ triples, profile: EVENT_PROFILE }));
    const differences = (boot: typeof BOOT) =>
      appraise(policy, machineOfBoot(boot)).filter((f) => f.verdict !== 'allowed' && f.verdict !== 'ignored');
    expect(differences(BOOT)).toEqual([]);
    const changed = BOOT.map((e) => (e.pcr === 9 ? { ...e, digest: hash(e.digest as Uint8Array) } : e));
    expect(new Set(differences(changed).map((f) => f.section))).toEqual(new Set(['boot']));
  });
  test('one state of several, by its number', () => {
    const triples = values([{ 0: hex(1), 1: hex(1) }], [{ 0: hex(2), 1: hex(2) }]);
    expect(imported(kit.corim({ triples }), { triples: [2] }).policy.pcrs).toEqual({
      0: [hex(2)],
      1: [hex(2)],
    });
  });
});

const EVENT_NAMES = new Map<number, string>([
  [EV.separator, 'EV_SEPARATOR'],
  [EV.action, 'EV_ACTION'],
  [EV.crtm, 'EV_S_CRTM_VERSION'],
  [EV.ipl, 'EV_IPL'],
  [EV.driverConfig, 'EV_EFI_VARIABLE_DRIVER_CONFIG'],
  [EV.application, 'EV_EFI_BOOT_SERVICES_APPLICATION'],
  [EV.authority, 'EV_EFI_VARIABLE_AUTHORITY'],
]);
const eventOf = (pcr: number, type: number, digest: Uint8Array): [string, string] => [
  `pcr${pcr}/${EVENT_NAMES.get(type) ?? `0x${type.toString(16).padStart(8, '0')}`}`,
  Buffer.from(digest).toString('hex'),
];

/** Manifests of which a part cannot be said by a policy; with `--leave-out` it is named, and the rest is taken. */
const DEMANDS: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ...(
    [
      ['an svn', [1, 5]],
      ['a version', [0, kit.map([0, '1.0'])]],
      ['flags', [3, kit.map([1, true])]],
      ['a raw value', [4, kit.tag(560, new Uint8Array(2))]],
      ['a name', [11, 'x']],
      ['a value of nobody', [-70_000, 1]],
    ] as const
  ).map(([what, pair]): [string, Uint8Array, RegExp] => [
    what,
    kit.corim({
      triples: [kit.triple([kit.registers({ 0: hex(1) }), kit.measurement(kit.map(pair as [Cbor, Cbor]))])],
    }),
    /reference triple 1: a measurement without a key: /,
  ]),
  [
    'an authority for a measurement',
    kit.corim({
      triples: [
        kit.triple([
          new Map([
            ...(kit.registers({ 0: hex(1) }) as Map<Cbor, Cbor>),
            [2, [kit.tag(560, new Uint8Array(4))]],
          ]),
        ]),
      ],
    }),
    /authorized-by/,
  ],
  [
    'digests of something',
    withMore(kit.measurement(kit.map([2, kit.digests(hex(2))]))),
    /not said to be a PCR/,
  ],
  [
    'a number that only a profile makes a PCR',
    withMore(kit.measurement(kit.map([2, kit.digests(hex(2))]), 4)),
    /measurement 4: digests/,
  ],
  [
    'a register with a name',
    withMore(kit.measurement(kit.map([14, kit.map(['rim', kit.digests(hex(2))])]))),
    /"rim", which is no index/,
  ],
  ['a 25th register', withMore(kit.registers({ 24: hex(2) })), /24 registers/],
  [
    'a register of another bank',
    withMore(kit.measurement(kit.map([14, kit.map([1, [[7, new Uint8Array(48)]]])]))),
    /no SHA-256 digest, only sha-384/,
  ],
  ['two values of a register in one state', withMore(kit.registers({ 0: hex(2) })), /another value of PCR 0/],
  ['an event of no register', withEvents(kit.event('pcr24/EV_IPL', hex(2))), /no pcr<index>/],
  ['an event of no type', withEvents(kit.event('pcr4/EV_NONE', hex(2))), /no pcr<index>/],
  ['a type by its number that has a name', withEvents(kit.event('pcr4/0x0000000d', hex(2))), /no pcr<index>/],
  [
    'triples of nobody',
    kit.corim({ triples: values([{ 0: hex(1) }]), moreTriples: [[99, [1]]] }),
    /unknown kind 99/,
  ],
  [
    'a field of nobody in the CoMID',
    kit.corim({ triples: values([{ 0: hex(1) }]), comid: [[-3, 1]] }),
    /unknown field -3/,
  ],
  [
    'a field of nobody in the manifest',
    kit.corim({ triples: values([{ 0: hex(1) }]), manifest: [[-3, 1]] }),
    /unknown field -3 of the manifest/,
  ],
  ['a CoSWID beside', beside(505), /a CoSWID tag/],
  ['a list of tags beside', beside(508), /a list of tags/],
];

function withMore(m: Cbor): Uint8Array {
  return kit.corim({ triples: [kit.triple([kit.registers({ 0: hex(1) }), m])] });
}
function withEvents(m: Cbor): Uint8Array {
  return kit.corim({ triples: [kit.triple([kit.registers({ 0: hex(1) }), m])], profile: EVENT_PROFILE });
}
function beside(n: number): Uint8Array {
  const corim = parseTags(kit.corim({ triples: values([{ 0: hex(1) }]) }));
  return kit.corim({ tags: [...corim, kit.tag(n, Uint8Array.of(0xa0))] });
}
function parseTags(bytes: Uint8Array): Cbor[] {
  expect(parseCorim(bytes).comids).toHaveLength(1);
  // tag 501, map of two: id, then the list of one tag, which ends the file.
  const start = Buffer.from(bytes).indexOf(Buffer.from([0xd9, 0x01, 0xfa]));
  const body = bytes.subarray(start + 3);
  const long = body[0] === 0x58 ? 2 : 3;
  return [kit.tag(506, body.subarray(long))];
}

describe('what a policy cannot say', () => {
  test.each(DEMANDS)('%s is refused, or left out by name', async (_, bytes, why) => {
    expect(await refusal(() => imported(bytes))).toMatch(/^REFERENCE_UNMAPPED a policy cannot say: /);
    const { policy, leftOut } = imported(bytes, { leaveOut: true });
    expect(leftOut).toEqual([expect.stringMatching(why)]);
    expect(policy.pcrs).toEqual({ 0: [hex(1)] });
    expect(policy.events).toEqual([]);
  });

  const link = (relation: number) => [3, [kit.map([0, 'comid 1'], [1, relation])]] as const;
  test.each<[string, () => unknown, RegExp]>([
    [
      'an unknown profile',
      () => imported(kit.corim({ triples: values([{ 0: hex(1) }]), profile: 'tag:x,2026:y' })),
      /profile tag:x,2026:y is not known/,
    ],
    [
      'nothing of a PCR',
      () => imported(sample('corim-1.cbor'), { leaveOut: true }),
      /no reference triple says anything/,
    ],
    [
      'EnactTrust, whose digest is that of a quote',
      () => imported(sample('corim-enacttrust-valid.cbor'), { leaveOut: true }),
      /profile https:\/\/enacttrust/,
    ],
    [
      'measurements of a realm',
      () => imported(sample('cca-realm-valid.cbor'), { profile: 'tag:arm.com,2025:cca_realm#1.0.0' }),
      /cca\.rim: digests of something/,
    ],
    [
      'a mixture of states',
      () => imported(kit.corim({ triples: values([{ 0: hex(1), 1: hex(1) }], [{ 0: hex(2), 1: hex(2) }]) })),
      /would accept mixtures/,
    ],
    [
      'states of other registers',
      () => imported(kit.corim({ triples: values([{ 0: hex(1) }], [{ 0: hex(2), 1: hex(2) }]) })),
      /not speak of the same registers/,
    ],
    [
      'states of other events',
      () =>
        imported(
          kit.corim({
            profile: EVENT_PROFILE,
            triples: [
              kit.triple([kit.event('pcr4/EV_IPL', hex(1))]),
              kit.triple([kit.event('pcr4/EV_IPL', hex(2))]),
            ],
          }),
        ),
      /differ in their events/,
    ],
    [
      'one register for two environments',
      () => imported(kit.corim({ triples: values([{ 0: hex(1) }, 'a'], [{ 0: hex(1) }, 'b']) })),
      /two environments/,
    ],
    [
      'a value and events of one register',
      () =>
        imported(
          kit.corim({
            profile: EVENT_PROFILE,
            triples: [kit.triple([kit.registers({ 4: hex(1) }), kit.event('pcr4/EV_IPL', hex(2))])],
          }),
        ),
      /a value and events too/,
    ],
    [
      'a register that is to be ignored',
      () => imported(kit.corim({ triples: values([{ 0: hex(1) }]) }), { ignorePcrs: [0] }),
      /to be ignored/,
    ],
    [
      'events that are to be ignored',
      () =>
        imported(
          kit.corim({ profile: EVENT_PROFILE, triples: [kit.triple([kit.event('pcr4/EV_IPL', hex(1))])] }),
          { ignorePcrs: [4] },
        ),
      /to be ignored/,
    ],
    [
      'a CoMID that another replaces',
      () => imported(kit.corim({ triples: values([{ 0: hex(1) }]), comid: [link(1)] })),
      /is replaced/,
    ],
    [
      'a triple that is not there',
      () => imported(kit.corim({ triples: values([{ 0: hex(1) }]) }), { triples: [2] }),
      /USAGE .*1 to 1, and no 2/,
    ],
  ])('%s', async (_, act, why) => {
    expect(await refusal(act)).toMatch(why);
  });
  test('a CoMID that supplements another is taken', () => {
    expect(imported(kit.corim({ triples: values([{ 0: hex(1) }]), comid: [link(0)] })).policy.pcrs).toEqual({
      0: [hex(1)],
    });
  });
  test('a profile that is named is read by the draft', () => {
    const bytes = kit.corim({ triples: values([{ 0: hex(1) }]), profile: 'tag:x,2026:y' });
    expect(imported(bytes, { profile: 'tag:x,2026:y' }).policy.pcrs).toEqual({ 0: [hex(1)] });
    expect(PARSEC_PROFILE).not.toBe(EVENT_PROFILE);
  });
});

describe('whose word it is', () => {
  const AT = Date.UTC(2026, 5, 1);
  const { privateKey, publicKey } = kit.ecKey();
  const other = kit.ecKey();
  const payload = kit.corim({ triples: values([{ 0: hex(1) }]) });
  const TRUST: ProviderTrust = { keys: [], roots: [], unsigned: false, at: AT };
  const byKey = { ...TRUST, keys: [kit.spkiOf(publicKey)] };
  const signed = (more: Partial<kit.Signing> = {}, of = payload) =>
    kit.signedCorim(of, { privateKey, ...more });
  let root: Issued;
  let leaf: Issued;
  let byRoot: ProviderTrust;
  const chained = async (subject: Issued) => {
    const der = new Uint8Array(await crypto.subtle.exportKey('pkcs8', subject.keys.privateKey));
    const { createPrivateKey } = await import('node:crypto');
    const key = createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' });
    return kit.signedCorim(payload, { privateKey: key, header: [[33, [subject.certificate.der]]] });
  };
  beforeAll(async () => {
    root = await issue({ subject: 'vendor root', ca: {} });
    leaf = await issue({ subject: 'vendor', issuer: root });
    byRoot = { ...TRUST, roots: [root.certificate] };
  });

  test('a key that is given', async () => {
    const { signer, corim } = await readProvided(signed(), byKey);
    expect([signer?.name, corim.id]).toEqual(['Vendor', 'corim 1']);
  });
  test('a certificate under a root that is given', async () => {
    expect((await readProvided(await chained(leaf), byRoot)).signer?.name).toBe('Vendor');
  });
  test('nobody, where that is asked for', async () => {
    expect((await readProvided(payload, { ...TRUST, unsigned: true })).signer).toBeUndefined();
  });
  const validity = kit.map([0, kit.time('2026-02-01')], [1, kit.time('2026-03-01')]);
  test.each<[string, () => Promise<unknown>, RegExp]>([
    ['a signed file without a key', () => readProvided(signed(), TRUST), /no key or root is given/],
    [
      'a signed file, though unsigned ones are taken',
      () => readProvided(signed(), { ...TRUST, unsigned: true }),
      /no key or root is given/,
    ],
    ['an unsigned file', () => readProvided(payload, TRUST), /nobody signed it$/],
    [
      'an unsigned file where a key is given',
      () => readProvided(payload, { ...byKey, unsigned: true }),
      /nobody signed it, and a key/,
    ],
    [
      'another key',
      () => readProvided(signed(), { ...TRUST, keys: [kit.spkiOf(other.publicKey)] }),
      /none of the keys given/,
    ],
    ['a changed payload', async () => readProvided(changed(signed()), byKey), /none of the keys given/],
    [
      'an algorithm of nobody',
      () => readProvided(signed({ header: [[1, -65_535]] }), byKey),
      /COSE algorithm -65535/,
    ],
    [
      'a signature that has expired',
      () =>
        readProvided(
          signed({
            header: [
              [8, undefined],
              [15, kit.map([1, 'V'], [4, AT / 1000 - 1])],
            ],
          }),
          byKey,
        ),
      /the signature is valid until/,
    ],
    [
      'a signature from tomorrow',
      () =>
        readProvided(
          signed({
            header: [
              [8, undefined],
              [15, kit.map([1, 'V'], [5, AT / 1000 + 1])],
            ],
          }),
          byKey,
        ),
      /the signature is valid from/,
    ],
    [
      'a manifest that has expired',
      () => readProvided(signed({}, kit.corim({ triples: values([{ 0: hex(1) }]), validity })), byKey),
      /the manifest is valid from 2026-02-01T00:00:00.000Z until/,
    ],
    [
      'an unsigned manifest that has expired',
      () =>
        readProvided(kit.corim({ triples: values([{ 0: hex(1) }]), validity }), { ...TRUST, unsigned: true }),
      /the manifest is valid/,
    ],
    ['no certificates', () => readProvided(signed(), byRoot), /it has no certificates/],
    [
      'a certificate of somebody else',
      async () =>
        readProvided(kit.signedCorim(payload, { privateKey, header: [[33, leaf.certificate.der]] }), byRoot),
      /not by the key of its certificate/,
    ],
    [
      'a certificate under another root',
      async () =>
        readProvided(
          await chained(
            await issue({ subject: 'vendor', issuer: await issue({ subject: 'other', ca: {} }) }),
          ),
          byRoot,
        ),
      /leads to no root given/,
    ],
    [
      'a certificate that has expired',
      async () =>
        readProvided(
          await chained(await issue({ subject: 'vendor', issuer: root, notAfter: AT - 86_400_000 })),
          byRoot,
        ),
      /leads to no root given/,
    ],
    [
      'a certificate for another use',
      async () =>
        readProvided(await chained(await issue({ subject: 'vendor', issuer: root, keyUsage: 0x02 })), byRoot),
      /not for signing/,
    ],
  ])('%s is refused', async (_, act, why) => {
    expect(await refusal(act)).toMatch(/^REFERENCE_UNTRUSTED/);
    expect(await refusal(act)).toMatch(why);
  });
});

/** Another value of PCR 0, of the same length. */
function changed(bytes: Uint8Array): Uint8Array {
  const out = bytes.slice();
  const at = Buffer.from(out).indexOf(Buffer.from(hex(1), 'hex'));
  out[at] = 0xee;
  return out;
}
