import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import {
  anchorExtraData,
  creationExtraData,
  enrolExtraData,
  freshCounterExtraData,
  freshExtraData,
  KEY_ROLES,
  keyExtraData,
  TAGS,
  teeReportData,
} from '../../src/evidence/binding.ts';

interface Vector {
  role: keyof typeof TAGS;
  name?: string;
  code?: string;
  extraData?: string;
  nonce?: string;
  sealDigest?: string;
  noteText?: string;
  previous?: string;
  request?: string;
  challenge?: string;
  keyRole?: number;
  origin?: string;
}
const vectors: { accept: Vector[]; reject: Vector[] } = JSON.parse(
  readFileSync(new URL('../vectors/evidence/binding.json', import.meta.url), 'utf8'),
);
const hex = (s: string | undefined) => fromHex(s ?? '');

function make(v: Vector): Uint8Array {
  switch (v.role) {
    case 'fresh':
      return freshExtraData(hex(v.nonce), hex(v.sealDigest), v.noteText ?? '');
    case 'freshCounter':
      return freshCounterExtraData(hex(v.nonce), hex(v.sealDigest), v.noteText ?? '');
    case 'anchor':
      return anchorExtraData(hex(v.previous), v.noteText ?? '');
    case 'enrol':
      return enrolExtraData(hex(v.request), hex(v.challenge));
    case 'key':
      return keyExtraData(v.keyRole ?? -1, v.origin ?? '');
    case 'creation':
      return creationExtraData(hex(v.nonce));
    case 'seal':
      throw new Error('seals have their own vectors');
  }
}

describe('extraData of each role', () => {
  it.each(vectors.accept)('$role is that of the vector', (v) => {
    expect(toHex(make(v))).toBe(v.extraData);
  });

  it.each(vectors.reject)('$role with $name is refused', (v) => {
    expect(() => make(v)).toThrow(expect.objectContaining({ code: v.code }));
  });

  it('every role has a vector, but the seal, which has its own file', () => {
    const roles = new Set(vectors.accept.map((v) => v.role));
    expect([...roles, 'seal'].sort()).toEqual(Object.keys(TAGS).sort());
  });

  it('differs between roles over one body', () => {
    expect(new Set(Object.values(TAGS)).size).toBe(Object.keys(TAGS).length);
    const all = vectors.accept.map((v) => v.extraData);
    expect(new Set(all).size).toBe(all.length);
  });

  it('knows five roles of keys', () => {
    expect(KEY_ROLES).toEqual({ record: 1, workload: 2, tls: 3, ak: 4, retired: 5 });
  });
});

it('a confidential machine names the AK and the boot predicate, under a tag of its own', () => {
  const name = new Uint8Array(34).fill(0x0b);
  const boot = new TextEncoder().encode('{"v":1}');
  const hash = createHash('sha512').update('attestd.dev/tee/v1\n').update(Uint8Array.of(0, 34)).update(name);
  expect(toHex(teeReportData(name, boot))).toBe(hash.update(boot).digest('hex'));
});
