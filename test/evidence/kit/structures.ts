/** Arbitrary TPM structures. */
import fc from 'fast-check';
import type { Attest, Attested } from '../../../src/evidence/tpm/attest.ts';
import { readAttributes } from '../../../src/evidence/tpm/attributes.ts';
import { readNvAttributes } from '../../../src/evidence/tpm/nv.ts';
import type { TpmPublic } from '../../../src/evidence/tpm/public.ts';
import type { TpmSignature } from '../../../src/evidence/tpm/signature.ts';

export const bytes = (min: number, max: number) => fc.uint8Array({ minLength: min, maxLength: max });
const u16s = fc.integer({ min: 0, max: 0xffff });
const u32s = fc.integer({ min: 0, max: 0xffffffff });
const u64s = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const selections = fc.array(
  fc.record({
    hash: u16s,
    pcrs: fc
      .uniqueArray(fc.integer({ min: 0, max: 23 }), { maxLength: 24 })
      .map((p) => p.sort((a, b) => a - b)),
  }),
  { maxLength: 4 },
);

const attested: fc.Arbitrary<{ type: number; attested: Attested }> = fc.oneof(
  fc.record({
    type: fc.constant(0x8018),
    attested: fc.record({ kind: fc.constant('quote' as const), selections, pcrDigest: bytes(0, 64) }),
  }),
  fc.record({
    type: fc.constant(0x8014),
    attested: fc.record({
      kind: fc.constant('nv' as const),
      indexName: bytes(0, 66),
      offset: u16s,
      contents: bytes(0, 64),
    }),
  }),
  fc.record({
    type: fc.constant(0x8017),
    attested: fc.record({
      kind: fc.constant('certify' as const),
      name: bytes(0, 66),
      qualifiedName: bytes(0, 66),
    }),
  }),
  fc.record({
    type: fc.constant(0x801a),
    attested: fc.record({
      kind: fc.constant('creation' as const),
      objectName: bytes(0, 66),
      creationHash: bytes(0, 64),
    }),
  }),
);
export const attests: fc.Arbitrary<Attest> = fc
  .record({
    magic: u32s,
    body: attested,
    qualifiedSigner: bytes(0, 66),
    extraData: bytes(0, 66),
    clockInfo: fc.record({ clock: u64s, resetCount: u32s, restartCount: u32s, safe: fc.boolean() }),
    firmwareVersion: u64s,
  })
  .map(({ body, ...rest }) => ({ ...rest, ...body }));

const schemes = fc.option(fc.record({ alg: fc.constantFrom(0x14, 0x16, 0x18), hash: u16s }));
const common = {
  nameAlg: u16s,
  attributes: u32s.map(readAttributes),
  authPolicy: bytes(0, 64),
  symmetric: fc.option(fc.record({ alg: fc.constant(6), keyBits: u16s, mode: u16s })),
  scheme: schemes,
};
export const publics: fc.Arbitrary<TpmPublic> = fc.oneof(
  fc.record({
    type: fc.constant('ecc' as const),
    ...common,
    curve: fc.constantFrom(3, 4, 5),
    kdf: schemes,
    x: bytes(0, 32),
    y: bytes(0, 32),
  }),
  fc.record({
    type: fc.constant('rsa' as const),
    ...common,
    keyBits: fc.constantFrom(2048, 3072, 4096),
    exponent: u32s,
    n: bytes(0, 256),
  }),
);
export const signatures: fc.Arbitrary<TpmSignature> = fc.oneof(
  fc.record({ alg: fc.constant('ecdsa' as const), hash: u16s, r: bytes(1, 66), s: bytes(1, 66) }),
  fc.record({ alg: fc.constantFrom('rsassa' as const, 'rsapss' as const), hash: u16s, sig: bytes(1, 512) }),
);
export const nvPublics = fc.record({
  nvIndex: fc.integer({ min: 0x01000000, max: 0x01ffffff }),
  nameAlg: u16s,
  attributes: u32s.map(readNvAttributes),
  authPolicy: bytes(0, 64),
  dataSize: u16s,
});
export const creations = fc.record({
  selections,
  pcrDigest: bytes(0, 64),
  locality: fc.integer({ min: 0, max: 255 }),
  parentNameAlg: u16s,
  parentName: bytes(0, 66),
  parentQualifiedName: bytes(0, 66),
  outsideInfo: bytes(0, 66),
});
