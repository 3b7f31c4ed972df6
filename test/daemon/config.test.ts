import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import { afterAll, describe, expect, it } from 'vitest';
import { isAttestdError } from '../../src/core/errors.ts';
import { completeConfig, DEFAULTS, loadConfig } from '../../src/daemon/config.ts';

const dir = mkdtempSync(join(tmpdir(), 'attestd-config-'));
afterAll(() => rmSync(dir, { recursive: true }));
const least = { fleet: 'example', host: 'host-1' };

describe('the configuration', () => {
  it('has a commented example that shows every key with its default', () => {
    const { fleet, host, ...shown } = parse(readFileSync('systemd/attestd.toml', 'utf8'));
    expect([fleet, host]).toEqual(['example', 'host-1']);
    expect(shown).toEqual(DEFAULTS);
  });

  it('is complete with the two names alone', () => {
    expect(completeConfig(least)).toEqual({ ...least, ...DEFAULTS });
  });

  it('keeps what the file says', () => {
    const file = join(dir, 'good.toml');
    writeFileSync(file, 'fleet = "f"\nhost = "h"\n[tpm]\ntcti = "swtpm:path=/x"\npcrs = [0, 7]\n');
    const config = loadConfig(file);
    expect(config.tpm).toEqual({ ...DEFAULTS.tpm, tcti: 'swtpm:path=/x', pcrs: [0, 7] });
  });

  it.each([
    ['an unknown key', { ...least, fleat: 'x' }, 'fleat', 'is not known'],
    ['an unknown key of a section', { ...least, seal: { gap: 1 } }, 'seal.gap', 'is not known'],
    ['an unknown section', { ...least, sael: {} }, 'sael', 'is not known'],
    ['a missing name', { fleet: 'f' }, 'host', 'is missing'],
    ['a wrong type', { ...least, seal: { min_gap_ms: '10' } }, 'seal.min_gap_ms', 'must be integer'],
    ['a value out of range', { ...least, seal: { min_gap_ms: 1 } }, 'seal.min_gap_ms', 'must be >= 10'],
    ['an upper-case host', { ...least, host: 'Host' }, 'host', 'must match'],
    ['a word that is no choice', { ...least, tpm: { sessions: 'none' } }, 'tpm.sessions', 'must be'],
    ['a relative path', { ...least, state_dir: 'state' }, 'state_dir', 'must match'],
  ])('refuses %s and names it', (_what, file, key, why) => {
    expect(() => completeConfig(file)).toThrowError(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(`${key} ${why}`) }),
    );
  });

  it('refuses what is not TOML, and a file that is not there', () => {
    const file = join(dir, 'bad.toml');
    writeFileSync(file, 'fleet = \n');
    for (const f of [file, join(dir, 'absent.toml')]) {
      try {
        loadConfig(f);
        expect.unreachable();
      } catch (e) {
        expect(isAttestdError(e, 'CONFIG_INVALID')).toBe(true);
        expect((e as Error).message).toContain(f);
      }
    }
  });
});
