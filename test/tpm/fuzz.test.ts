import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat } from '../../src/core/bytes.ts';
import { parsePublic, printPublic } from '../../src/evidence/tpm/public.ts';
import { certificateSpki, certificatesIn, readSpki } from '../../src/tpm/der.ts';
import { createEpochs } from '../../src/tpm/epoch.ts';
import { akTemplate, signingTemplate, storageTemplate } from '../../src/tpm/template.ts';
import { runs } from '../fuzz/runs.ts';

describe('the lenient DER reader', () => {
  test('never throws, and what it cuts out is DER that it finds again', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        for (const found of certificatesIn(bytes)) {
          expect(found[0]).toBe(0x30);
          expect(certificatesIn(concat(found, new Uint8Array(3)))).toEqual([found]);
        }
        certificateSpki(bytes);
        readSpki(bytes);
      }),
      { numRuns: runs(2000) },
    );
  });
});

describe('templates', () => {
  test.each([
    ['storage', storageTemplate],
    ['AK', akTemplate],
    ['signing', signingTemplate],
  ])('%s: print and parse agree', (_, template) => {
    expect(printPublic(parsePublic(template()))).toEqual(template());
  });
});

describe('the life of a TPM', () => {
  const at = (resetCount: number, restartCount: number) => ({
    clock: 5n,
    resetCount,
    restartCount,
    safe: true,
  });
  test.each([
    ['the same', at(3, 1), at(3, 1), null],
    ['resumed', at(3, 1), at(3, 2), 'resume'],
    ['reset', at(3, 1), at(4, 0), 'reset'],
    ['reset after a suspend', at(3, 9), at(4, 0), 'reset'],
    ['cleared', at(3, 1), at(0, 0), 'cleared'],
  ] as const)('%s', (_, before, after, kind) => {
    const epochs = createEpochs();
    expect(epochs.observe(before)).toBeNull();
    expect(epochs.observe(after)?.kind ?? null).toBe(kind);
    expect(epochs.observe(after)).toBeNull();
  });
});
