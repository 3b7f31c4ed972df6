import { readdirSync, readFileSync } from 'node:fs';
import { Check } from 'typebox/value';
import { describe, expect, it } from 'vitest';
import { schemaCatalogue } from '../../src/evidence/schema/catalogue.ts';
import { TrustSchema } from '../../src/evidence/schema/trust.ts';
import { parseTrust } from '../../src/verify/trust.ts';
import { forge } from '../kit/forge.ts';
import { teeTrust } from '../kit/teeforge.ts';

const DIR = new URL('../../docs/schemas/', import.meta.url);

describe('published JSON Schemas', () => {
  it('are those of the code, all of them', () => {
    const catalogue = schemaCatalogue();
    expect(readdirSync(DIR).sort()).toEqual(
      Object.keys(catalogue)
        .map((name) => `${name}.json`)
        .sort(),
    );
    for (const [name, schema] of Object.entries(catalogue)) {
      expect(JSON.parse(readFileSync(new URL(`${name}.json`, DIR), 'utf8'))).toEqual(schema);
    }
  });
});

describe('the schema of the trust file and its reader', async () => {
  const good: Record<string, unknown> = (await forge()).trust;
  const reads = (value: unknown): boolean => {
    try {
      parseTrust(new TextEncoder().encode(JSON.stringify(value)));
      return true;
    } catch {
      return false;
    }
  };
  const tee = await teeTrust();
  const launch = (values: unknown, platform = 'tdx') => ({
    ...good,
    tee: { ...tee, measurements: [{ name: 'x', platform, values }] },
  });
  const root = (good.roots as Record<string, unknown>[])[0];
  it.each<[string, unknown, boolean]>([
    ['as it is', good, true],
    ['with hosts', { ...good, hosts: ['attestd://fleet/host'] }, true],
    ['with an age', { ...good, maxAge: 60 }, true],
    ['with policy keys', { ...good, policyKeys: ['MAA='] }, true],
    ['with a policy key that is none', { ...good, policyKeys: ['MA'] }, false],
    ['without a required name', { ...good, revocation: undefined }, false],
    ['with an unknown name', { ...good, extra: 1 }, false],
    ['with no root', { ...good, roots: [] }, false],
    ['with a root of unknown kind', { ...good, roots: [{ ...root, kind: 'virtual' }] }, false],
    ['with level 5', { ...good, minimumLevel: 5 }, false],
    ['with a level in a string', { ...good, minimumLevel: '3' }, false],
    ['with a host that is none', { ...good, hosts: ['https://example.com'] }, false],
    ['with PCR 24', { ...good, pcrs: [{ name: 'x', sha256: { 24: ['00'.repeat(32)] } }] }, false],
    ['with a short PCR value', { ...good, pcrs: [{ name: 'x', sha256: { 0: ['00'] } }] }, false],
    ['with a PCR of no value', { ...good, pcrs: [{ name: 'x', sha256: { 0: [] } }] }, false],
    ['with a state that names no PCR', { ...good, pcrs: [{ name: 'x', sha256: {} }] }, false],
    ['with policies of record keys', { ...good, recordKeyPolicies: ['00'.repeat(32)] }, true],
    ['with a policy of record keys that is none', { ...good, recordKeyPolicies: ['00'] }, false],
    ['with no policy of record keys at all', { ...good, recordKeyPolicies: [] }, false],
    ['with seals of other logs', { ...good, foreignSeals: true }, true],
    ['with an age of nothing', { ...good, maxAge: 0 }, false],
    ['with confidential machines', { ...good, tee }, true],
    [
      'with lowest versions',
      { ...good, tee: { ...tee, sevSnp: { minimumTcb: { snp: 3 }, maximumVmpl: 1 } } },
      true,
    ],
    [
      'with a version that does not fit a byte',
      { ...good, tee: { ...tee, sevSnp: { minimumTcb: { snp: 256 } } } },
      false,
    ],
    ['with privilege level 4', { ...good, tee: { ...tee, sevSnp: { maximumVmpl: 4 } } }, false],
    ['with statuses', { ...good, tee: { ...tee, tdx: { statuses: ['UpToDate', 'OutOfDate'] } } }, true],
    [
      'with a status that Intel does not know',
      { ...good, tee: { ...tee, tdx: { statuses: ['Fine'] } } },
      false,
    ],
    ['with no root of a vendor', { ...good, tee: { ...tee, roots: [] } }, false],
    ['with no accepted launch', { ...good, tee: { ...tee, measurements: [] } }, false],
    ['with a launch', launch({ mrtd: ['00'.repeat(48)], rtmr3: ['11'.repeat(48)] }), true],
    ['with a launch that leaves it open', launch({ rtmr3: ['11'.repeat(48)] }), false],
    [
      'with a register of another platform',
      launch({ mrtd: ['00'.repeat(48)], pcr0: ['11'.repeat(48)] }),
      false,
    ],
    ['with a launch of no platform', launch({ mrtd: ['00'.repeat(48)] }, 'sgx'), false],
    ['with a register of no value', launch({ mrtd: [] }), false],
    ['with a value that is no digest', launch({ mrtd: ['00'] }), false],
    ['with an unknown name in it', { ...good, tee: { ...tee, azure: true } }, false],
    ['with a word for truth', { ...good, acceptHostTime: 'true' }, false],
  ])('%s', (_what, value, expected) => {
    const plain: unknown = JSON.parse(JSON.stringify(value));
    expect(reads(plain)).toBe(expected);
    expect(Check(TrustSchema, plain)).toBe(expected);
  });
});
