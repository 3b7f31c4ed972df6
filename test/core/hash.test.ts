import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { toHex } from '../../src/core/bytes.ts';
import { sha256, useSha256 } from '../../src/core/hash.ts';

it('SHA-256 is that of the platform, and gives way to it', () => {
  const platform = (d: Uint8Array) => new Uint8Array(createHash('sha256').update(d).digest());
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (d) => {
      expect(toHex(sha256(d))).toBe(toHex(platform(d)));
    }),
  );
  let called = 0;
  useSha256((d) => {
    called++;
    return platform(d);
  });
  expect(toHex(sha256(new Uint8Array(0)))).toBe(
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  );
  expect(called).toBe(1);
});
