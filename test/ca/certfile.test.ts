import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import { isAttestdError } from '../../src/core/errors.ts';
import {
  type EnrolmentFacts,
  encodeEnrolmentFacts,
  parseEnrolmentFacts,
} from '../../src/evidence/akprofile.ts';
import {
  parseCertificateFile,
  parsePem,
  printCertificateFile,
  printPem,
  readPemCertificates,
} from '../../src/evidence/certfile.ts';
import { runs } from '../fuzz/runs.ts';

const attempt = (f: () => unknown): boolean => {
  try {
    f();
  } catch (e) {
    if (!isAttestdError(e)) throw e;
  }
  return true;
};

describe('the certificate file', () => {
  const value = {
    chain: [new Uint8Array(500).fill(1), new Uint8Array(400).fill(2)],
    crl: new Uint8Array(300).fill(3),
  };
  const bytes = printCertificateFile(value);

  it('parses back to what was printed', () => {
    expect(parseCertificateFile(bytes)).toEqual(value);
  });

  it('refuses every proper prefix', () => {
    for (let n = 0; n < bytes.length; n++) {
      expect(() => parseCertificateFile(bytes.subarray(0, n)), `prefix of ${n} bytes`).toThrow();
    }
  });

  it('refuses other spellings and other contents', () => {
    const text = fromUtf8(bytes);
    const [leaf, root, crl] = parsePem(text);
    if (leaf === undefined || root === undefined || crl === undefined) throw new Error('three blocks');
    for (const bad of [
      `${text}\n`,
      `# comment\n${text}`,
      text.replaceAll('\n', '\r\n'),
      text.replace('AQEB', 'AQ EB'),
      printPem([leaf, crl]),
      printPem([leaf, root, crl, crl]),
      printPem([leaf, root, { ...crl, label: 'CERTIFICATE' }]),
      printPem([crl, leaf, root]),
      text.replace(/(.{64})\n(.{64})\n/, '$1$2\n'),
    ]) {
      expect(() => parseCertificateFile(utf8(bad)), bad.slice(0, 80)).toThrow();
    }
  });

  it('answers any text with a value or with its own error', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (b) => attempt(() => parseCertificateFile(b))));
    const text = fromUtf8(bytes);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ minLength: 1, maxLength: 3 }), (i, s) =>
        attempt(() => parsePem(text.slice(0, i) + s + text.slice(i + 1))),
      ),
    );
  });

  it('reads the roots of vendors as people have them', () => {
    const loose = `Subject: CN=Root\r\n${printPem([{ label: 'CERTIFICATE', der: value.crl }]).replaceAll('\n', '\r\n')}\n\n`;
    expect(readPemCertificates(loose + loose)).toEqual([value.crl, value.crl]);
    expect(() => readPemCertificates('nothing')).toThrow(/no certificate/);
  });
});

describe('the enrolment extension', () => {
  const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
  const facts: fc.Arbitrary<EnrolmentFacts> = fc.record({
    timeMs: fc.integer({ min: 0, max: 4_102_444_799 }).map((s) => s * 1000),
    clock: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    resetCount: u32,
    restartCount: u32,
    safe: fc.boolean(),
    transcript: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  });

  it('parses back to what was encoded, and refuses every proper prefix', () => {
    fc.assert(
      fc.property(facts, (f) => {
        const bytes = encodeEnrolmentFacts(f);
        expect(parseEnrolmentFacts(bytes)).toEqual(f);
        for (let n = 0; n < bytes.length; n++)
          expect(() => parseEnrolmentFacts(bytes.subarray(0, n))).toThrow();
      }),
      { numRuns: runs(50) },
    );
  });

  it('is canonical: what it reads from any bytes prints back to them', () => {
    const base = encodeEnrolmentFacts({
      timeMs: 0,
      clock: 200n,
      resetCount: 1,
      restartCount: 0,
      safe: true,
      transcript: new Uint8Array(32),
    });
    fc.assert(
      fc.property(fc.nat(base.length - 1), fc.integer({ min: 1, max: 255 }), (i, x) => {
        const bytes = base.slice();
        bytes[i] = (bytes[i] as number) ^ x;
        return attempt(() =>
          expect(toHex(encodeEnrolmentFacts(parseEnrolmentFacts(bytes)))).toBe(toHex(bytes)),
        );
      }),
      { numRuns: runs(500) },
    );
  });
});
