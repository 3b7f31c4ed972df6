import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, fromHex, toHex } from '../../../src/core/bytes.ts';
import { AttestdError } from '../../../src/core/errors.ts';
import { parseSnpReport, SNP_REPORT, type SnpReport, snpTcb } from '../../../src/evidence/tee/snp.ts';
import { readSnpExtensions } from '../../../src/evidence/tee/snpextensions.ts';
import { parseSnpTable } from '../../../src/evidence/tee/snptable.ts';
import { parseCertificate } from '../../../src/evidence/x509/certificate.ts';
import { runs } from '../../fuzz/runs.ts';
import { snpTable, teeFile, teeJson, teePem } from '../../kit/teefiles.ts';

const expected = teeJson('sev-snp/expected.json');
/** An Azure report stands inside a report of the paravisor, at byte 32. */
const read = (name: string): Uint8Array =>
  name.startsWith('azure')
    ? teeFile(`sev-snp/${name}`).slice(32, 32 + SNP_REPORT)
    : teeFile(`sev-snp/${name}`);

const fields = (r: SnpReport): Record<string, unknown> => ({
  author_key_digest: toHex(r.authorKeyDigest),
  author_key_en: Number(r.authorKeyEnabled),
  chip_id: toHex(r.chipId),
  committed_tcb: toHex(r.committedTcb),
  cpuid_fam_mod_step: r.cpuid ? toHex(Uint8Array.from(Object.values(r.cpuid))) : '000000',
  current_tcb: toHex(r.currentTcb),
  family_id: toHex(r.familyId),
  guest_svn: r.guestSvn,
  host_data: toHex(r.hostData),
  id_key_digest: toHex(r.idKeyDigest),
  image_id: toHex(r.imageId),
  launch_tcb: toHex(r.launchTcb),
  mask_chip_key: Number(r.maskChipKey),
  measurement: toHex(r.measurement),
  platform_info: `0x${r.platformInfo.toString(16)}`,
  policy: `0x${r.policy.toString(16)}`,
  report_data: toHex(r.reportData),
  report_id: toHex(r.reportId),
  report_id_ma: toHex(r.reportIdMigration),
  reported_tcb: toHex(r.reportedTcb),
  sig_algo: r.signatureAlgorithm,
  signing_key: r.signingKey,
  version: r.version,
  vmpl: r.vmpl,
});

describe('SEV-SNP reports', () => {
  test.each(Object.keys(expected))('%s reads as published', (name) => {
    const { flags: _, cose_key_thumbprint: _k, collector_signature_check: _c, ...want } = expected[name];
    expect(fields(parseSnpReport(read(name)))).toEqual(want);
  });

  const milan = read('milan_report.bin');
  const poked = (at: number, ...bytes: number[]): Uint8Array => {
    const out = milan.slice();
    out.set(bytes, at);
    return out;
  };
  test.each<[string, Uint8Array, RegExp]>([
    ['one byte less', milan.subarray(1), /MALFORMED|bytes|version/],
    ['one byte more', concat(milan, Uint8Array.of(0)), /1 bytes too many/],
    ['version 1', poked(0, 1), /version 1 is not known/],
    ['version 6', poked(0, 6), /version 6 is not known/],
    ['a processor in version 2', poked(0x188, 0x19), /reserved bytes/],
    ['a signing key that is not defined', poked(0x48, 2 << 2), /flags 8 are not known/],
    ['a flag that is not defined', poked(0x48, 1 << 5), /flags 32 are not known/],
    ['a reserved byte behind the flags', poked(0x4c, 1), /reserved bytes/],
    ['a reserved byte behind the processor', poked(0x18b, 1), /reserved bytes/],
    ['a reserved byte between versions', poked(0x1eb, 1), /reserved bytes/],
    ['a reserved byte before the signature', poked(0x29f, 1), /reserved bytes/],
    ['a mitigation vector in version 2', poked(0x1f8, 1), /reserved bytes/],
    ['a number over P-384 in the signature', poked(0x2a0 + 48, 1), /reserved bytes/],
    ['a byte behind the signature', poked(0x49f, 1), /reserved bytes/],
  ])('%s is refused', (_, bytes, why) => {
    expect(() => parseSnpReport(bytes)).toThrow(AttestdError);
    expect(() => parseSnpReport(bytes)).toThrow(why);
  });
  test('version 5 has its mitigation vectors', () => {
    const v5 = poked(0, 5);
    v5.set([0x1a, 0x02, 0x01], 0x188);
    v5[0x1f8] = 1;
    v5[0x207] = 1;
    expect(parseSnpReport(v5)).toMatchObject({ version: 5, cpuid: { family: 0x1a, model: 2, stepping: 1 } });
    v5[0x208] = 1;
    expect(() => parseSnpReport(v5)).toThrow(/reserved bytes/);
  });
  test('security versions lie as the processor has them', () => {
    expect(snpTcb(fromHex('04000000000018db'), false)).toEqual({
      bootLoader: 4,
      tee: 0,
      snp: 0x18,
      microcode: 0xdb,
    });
    const turin = snpTcb(fromHex('0102030400000005'), true);
    expect(turin).toEqual({ fmc: 1, bootLoader: 2, tee: 3, snp: 4, microcode: 5 });
    expect(() => snpTcb(fromHex('0102030400000005'), false)).toThrow(/reserved/);
    expect(() => snpTcb(fromHex('04000000000018db'), true)).toThrow(/reserved/);
  });
});

describe('AMD extensions of certificates', () => {
  const ext = (name: string) => readSnpExtensions(parseCertificate(teeFile(`sev-snp/${name}`)));
  test('a VCEK of Milan names product, versions and chip', () => {
    expect(ext('milan_vcek.der')).toMatchObject({
      product: 'Milan-B0',
      tcb: { bootLoader: 2, tee: 0, snp: 5, microcode: 68 },
    });
    expect(toHex(ext('milan_vcek.der').hwId ?? new Uint8Array())).toBe(expected['milan_report.bin'].chip_id);
  });
  test('a VCEK of Turin has a short chip and one version more', () => {
    const turin = ext('turin_vcek.der');
    expect(turin.product).toBe('Turin');
    expect(turin.hwId).toHaveLength(8);
    expect(turin.tcb.fmc).toBeTypeOf('number');
  });
  test('a VLEK names the cloud and no chip', () => {
    const vlek = ext('trustee_vlek.der');
    expect(vlek.provider).toBe('CN=cc-us-east-2.amazonaws.com');
    expect(vlek.hwId).toBeUndefined();
  });
  test('the older form of a chip reads as well', () => {
    expect(ext('trustee_vcek_invalid_legacy.der').hwId).toHaveLength(64);
  });
  test('a certificate without them is refused by name', () => {
    const [ask] = teePem('sev-snp/ask_ark_milan.pem');
    expect(() => ask && readSnpExtensions(ask)).toThrow(/1\.3\.6\.1\.4\.1\.3704\.1\.2 is missing/);
  });
});

describe('certificate tables', () => {
  const vcek = teeFile('sev-snp/milan_vcek.der');
  const [ask, ark] = teePem('sev-snp/ask_ark_milan.pem').map((c) => c.der);
  const VCEK = '63da758de6644564adc5f4b93be8accd';
  const ASK = '4ab7b379bbac4fe4a02f05aef327c782';
  const ARK = 'c0b406a4a803495297433fb6014cd0ae';
  const rows = [[VCEK, vcek] as const, [ASK, ask as Uint8Array] as const, [ARK, ark as Uint8Array] as const];
  test('VCEK, ASK and ARK are found, in DER and in PEM', () => {
    const table = parseSnpTable(snpTable(rows));
    expect(table.vcek?.der).toEqual(vcek);
    expect(table.ask?.der).toEqual(ask);
    expect(table.ark?.der).toEqual(ark);
    const pem = `-----BEGIN CERTIFICATE-----\n${Buffer.from(vcek).toString('base64')}\n-----END CERTIFICATE-----\n`;
    expect(parseSnpTable(snpTable([[VCEK, new TextEncoder().encode(pem)]])).vcek?.der).toEqual(vcek);
  });
  test('no bytes and a row of an unknown kind are no certificates', () => {
    expect(parseSnpTable(new Uint8Array())).toEqual({});
    expect(parseSnpTable(snpTable([['11'.repeat(16), Uint8Array.of(1)]]))).toEqual({});
  });
  test.each<[string, Uint8Array, RegExp]>([
    ['a table without end', snpTable(rows).slice(0, 24), /outside/],
    [
      'a row that stands twice',
      snpTable([
        [VCEK, vcek],
        [VCEK, vcek],
      ]),
      /a second VCEK/,
    ],
    [
      'rows without end',
      new Uint8Array(24 * 40).fill(1).map((_, i) => (i % 24 < 16 ? 1 : 0)),
      /more than 16 rows/,
    ],
    ['nothing but a piece of a row', new Uint8Array(20), /no row of zeros/],
    ['too many bytes', new Uint8Array(24_577), /more than/],
    ['a row that is no certificate', snpTable([[VCEK, Uint8Array.of(0x30, 0)]]), /./],
  ])('%s is refused', (_, bytes, why) => {
    expect(() => parseSnpTable(bytes)).toThrow(AttestdError);
    expect(() => parseSnpTable(bytes)).toThrow(why);
  });
});

test('whatever the bytes, the readers answer or throw an AttestdError', () => {
  const [ask] = teePem('sev-snp/ask_ark_milan.pem');
  const seeds = [
    read('milan_report.bin'),
    read('trustee_vlek_report.bin'),
    snpTable([['63da758de6644564adc5f4b93be8accd', teeFile('sev-snp/milan_vcek.der')]]),
    teeFile('sev-snp/milan_vcek.der'),
    ask?.der as Uint8Array,
  ];
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 });
  fc.assert(
    fc.property(fc.constantFrom(...seeds), edits, fc.nat(), (seed, list, cut) => {
      const bytes = seed.slice(0, seed.length - (cut % 4 === 0 ? cut % seed.length : 0));
      for (const [at, b] of list) if (bytes.length > 0) bytes[at % bytes.length] = b;
      const parsers = [
        parseSnpReport,
        parseSnpTable,
        (b: Uint8Array) => readSnpExtensions(parseCertificate(b)),
      ];
      for (const parse of parsers) {
        try {
          parse(bytes);
        } catch (e) {
          expect(e).toBeInstanceOf(AttestdError);
        }
      }
    }),
    { numRuns: runs(2000) },
  );
});
