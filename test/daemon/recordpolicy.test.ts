/** `record_key` of the configuration: a host that is made with it has a bound record key, and one without has not. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { completeConfig } from '../../src/daemon/config.ts';
import { initHost } from '../../src/daemon/init.ts';
import { layoutOf } from '../../src/daemon/layout.ts';
import { configuredPolicy } from '../../src/daemon/recordpolicy.ts';
import { recordPolicy } from '../../src/evidence/stateapproval.ts';
import { readIdentity } from '../../src/tpm/keys.ts';
import { ecKey, spkiOf } from '../kit/corim.ts';
import { startSwtpm } from '../kit/swtpm.ts';
import { random } from './kit.ts';

const dir = mkdtempSync(join(tmpdir(), 'attestd-policy-'));
afterAll(() => rmSync(dir, { recursive: true }));
const at = (name: string) => join(dir, name);
const { publicKey } = ecKey();
writeFileSync(at('operator.pub'), publicKey.export({ format: 'pem', type: 'spki' }));
const configOf = (policy_key?: string, more: Record<string, unknown> = {}) =>
  completeConfig({
    fleet: 'fleet',
    host: 'host-1',
    ...(policy_key === undefined ? {} : { record_key: { policy_key } }),
    ...more,
  });

describe('the key of the operator', () => {
  test('makes a policy, with the fleet', () => {
    expect(configuredPolicy(configOf(at('operator.pub')))).toEqual(recordPolicy(spkiOf(publicKey), 'fleet'));
    expect(configuredPolicy(configOf())).toBeUndefined();
    expect(configuredPolicy(configOf(''))).toBeUndefined();
  });
  test.each(['absent', 'noise', 'ed25519'])('is refused where it is %s', (name) => {
    const { publicKey: other } = generateKeyPairSync('ed25519');
    writeFileSync(at('noise'), 'noise');
    writeFileSync(at('ed25519'), other.export({ format: 'pem', type: 'spki' }));
    const refused = expect.objectContaining({
      code: 'CONFIG_INVALID',
      facts: expect.objectContaining({ field: '/record_key/policy_key' }),
    });
    expect(() => configuredPolicy(configOf(at(name)))).toThrowError(refused);
  });
  test.each([
    ['a key that is not known', { pcrs: [7] }],
    ['a relative path', { policy_key: 'operator.pub' }],
    ['an empty directory', { approvals: '' }],
  ])('%s of the section is refused', (_, record_key) => {
    expect(() => completeConfig({ fleet: 'f', host: 'h', record_key })).toThrowError(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining('record_key.') }),
    );
  });
});

test('a host that is made with it has a bound record key and an attestation key that is not', async () => {
  const tpm = await startSwtpm({ eks: 'none' });
  try {
    const config = configOf(at('operator.pub'), {
      state_dir: at('state'),
      tpm: { tcti: tpm.tcti, assurance: 'software' },
    });
    await initHost({ config, now: Date.now, random });
    const { recordKey, ak } = await readIdentity({ dir: layoutOf(config.state_dir).identity });
    expect(recordKey.bound?.policy).toEqual(recordPolicy(spkiOf(publicKey), 'fleet'));
    expect(ak.bound).toBeUndefined();
    // A policy that cannot be read is found before anything is made.
    const other = {
      ...config,
      state_dir: at('other'),
      record_key: { ...config.record_key, policy_key: at('absent') },
    };
    await expect(initHost({ config: other, now: Date.now, random })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
    await expect(readIdentity({ dir: layoutOf(other.state_dir).identity })).rejects.toMatchObject({
      code: 'NOT_INITIALISED',
    });
  } finally {
    await tpm.stop();
  }
});
