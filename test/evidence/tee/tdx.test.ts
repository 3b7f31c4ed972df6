import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, toHex } from '../../../src/core/bytes.ts';
import { AttestdError } from '../../../src/core/errors.ts';
import { readPckExtension } from '../../../src/evidence/tee/pck.ts';
import { readPemChain } from '../../../src/evidence/tee/pem.ts';
import { MAX_TDX_QUOTE, parseTdxQuote, type TdxQuote } from '../../../src/evidence/tee/tdx.ts';
import { runs } from '../../fuzz/runs.ts';
import { teeFile, teeJson, teeText } from '../../kit/teefiles.ts';

const expected = teeJson('tdx/expected.json');
const quotes = Object.keys(expected).filter((n) => n !== 'sgx_quote.bin');
const read = (name: string) => teeFile(`tdx/${name}`);

const le64 = (n: bigint): string =>
  toHex(Uint8Array.from({ length: 8 }, (_, i) => Number((n >> BigInt(8 * i)) & 255n)));
const fields = ({ version, report: r }: TdxQuote): Record<string, unknown> => ({
  version,
  mrconfigid: toHex(r.mrConfigId),
  mrowner: toHex(r.mrOwner),
  mrseam: toHex(r.mrSeam),
  mrtd: toHex(r.mrTd),
  report_data: toHex(r.reportData),
  ...Object.fromEntries(r.rtmrs.map((v, i) => [`rtmr${i}`, toHex(v)])),
  td_attributes: le64(r.attributes),
  tee_tcb_svn: toHex(r.teeTcbSvn),
  xfam: le64(r.xfam),
});

describe('TDX quotes', () => {
  test.each(quotes)('%s reads as published', (name) => {
    const { debug, size: _, tee_type: _t, trailing_bytes: trailing, body_type: _y, ...want } = expected[name];
    const quote = parseTdxQuote(read(name));
    expect(fields(quote)).toEqual(want);
    expect((quote.report.attributes & 1n) === 1n).toBe(debug);
    expect(quote.chain).toHaveLength(3);
    expect(quote.trailing).toBe(trailing);
  });
  test('version 5 says that its body is of TDX 1.5', () => {
    expect(parseTdxQuote(read('quote_v5.bin')).report.later).toBeDefined();
    expect(parseTdxQuote(read('spr_e4_quote_v4.bin')).report.later).toBeUndefined();
  });
  test('the key of a PCK certificate names its platform', () => {
    const [pck] = parseTdxQuote(read('dcap-qvl_tdx_quote.bin')).chain;
    const extension = pck && readPckExtension(pck);
    expect(toHex(extension?.fmspc ?? new Uint8Array())).toBe('b0c06f000000');
    expect(extension?.components).toHaveLength(16);
    expect(() => readPckExtension(parseTdxQuote(read('quote_v5.bin')).chain[1] as never)).toThrow(/no SGX/);
  });

  const v4 = read('dcap-qvl_tdx_quote.bin');
  const v5 = read('quote_v5.bin');
  const poked = (base: Uint8Array, at: number, ...bytes: number[]): Uint8Array => {
    const out = base.slice();
    out.set(bytes, at);
    return out;
  };
  test.each<[string, Uint8Array, RegExp]>([
    ['an SGX quote', read('sgx_quote.bin'), /version 3 is none of a TDX quote/],
    ['another key type', poked(v4, 2, 3), /key type 3/],
    ['an SGX enclave in version 4', poked(v4, 4, 0), /TEE type 0x0/],
    ['another maker of the enclave', poked(v4, 12, 0), /not Intel/],
    ['signature data that ends too late', poked(v4, 632, 0xff, 0xff), /wanted/],
    ['certification data of another type', poked(v4, 636 + 128, 5), /type 5, 6 expected/],
    ['a body of an SGX enclave', poked(v5, 48, 1), /type 1/],
    ['a body of another size', poked(v5, 50, 0x89), /649 bytes/],
    ['half a quote', v4.slice(0, 2000), /wanted/],
    ['too many bytes', concat(v4, new Uint8Array(MAX_TDX_QUOTE)), /over/],
  ])('%s is refused', (_, bytes, why) => {
    expect(() => parseTdxQuote(bytes)).toThrow(AttestdError);
    expect(() => parseTdxQuote(bytes)).toThrow(why);
  });
});

describe('PEM chains', () => {
  const pem = teeText('tdx/intel_sgx_root_ca.pem').replaceAll('\r', '');
  const bytes = (s: string) => new TextEncoder().encode(s);
  test('line ends of both kinds and a NUL behind the last are read', () => {
    const [root] = readPemChain(bytes(pem));
    expect(readPemChain(bytes(pem.replaceAll('\n', '\r\n')))[0]?.der).toEqual(root?.der);
    expect(readPemChain(bytes(`${pem}\0`))[0]?.der).toEqual(root?.der);
    expect(readPemChain(bytes(''))).toEqual([]);
  });
  test.each([
    ['words between certificates', `subject=x\n${pem}`],
    ['two NUL bytes', `${pem}\0\0`],
    ['no end', pem.slice(0, 200)],
    ['a character that is not base64', pem.replace('MII', 'M!I')],
    ['too many', pem.repeat(7)],
    ['too many bytes', '\n'.repeat(20_000)],
  ])('%s is refused', (_, text) => {
    expect(() => readPemChain(bytes(text))).toThrow(AttestdError);
  });
});

test('whatever the bytes, the reader answers or throws an AttestdError', () => {
  const seeds = quotes.map(read);
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 });
  fc.assert(
    fc.property(fc.constantFrom(...seeds), edits, fc.nat(), (seed, list, cut) => {
      const bytes = seed.slice(0, seed.length - (cut % 4 === 0 ? cut % seed.length : 0));
      for (const [at, b] of list) if (bytes.length > 0) bytes[at % bytes.length] = b;
      try {
        const { chain } = parseTdxQuote(bytes);
        for (const c of chain) readPckExtension(c);
      } catch (e) {
        expect(e).toBeInstanceOf(AttestdError);
      }
    }),
    { numRuns: runs(2000) },
  );
});
