/** The alert rules over series that promtool plays: each fires where it should, and none on a host that is well. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const RULES = resolve('docs/alerts.yml');
const NAMES = [...readFileSync(RULES, 'utf8').matchAll(/^ +- alert: (\w+)$/gm)].map((m) => m[1] as string);

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-alerts-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A value for each minute of three hours, in promtool's words; series begin at 1970. */
type Series = Readonly<Record<string, string>>;
const WELL: Series = {
  attestd_collected_timestamp_seconds: '0+60x180',
  'attestd_health{answer="can_record"}': '1x180',
  'attestd_health{answer="can_seal"}': '1x180',
  attestd_seal_overdue_seconds: '0.2x180',
  attestd_certificate_expiry_timestamp_seconds: '20000000x180',
  'attestd_tpm_errors_total{name="TPM_RC_RETRY"}': '0+60x180',
  'attestd_tpm_errors_total{name="TPM_RC_FAILURE"}': '0x180',
  'attestd_tpm_errors_total{name="TPM_RC_LOCKOUT"}': '0x180',
  attestd_nv_increments_total: '1x14 2x14 3x14 4x14 5x120',
  attestd_start_time_seconds: '-3600x90 5400x90',
  attestd_gaps_total: '0x180',
  'attestd_limits_hit_total{code="RATE_LIMITED"}': '0+6x180',
  attestd_witness_lag_entries: '3 0 4 0 2 0 3x20 0 5x40 0 3x40 0 2x60',
};
/** A minute at which the rule must fire, and what differs from a host that is well. */
const ILL: Readonly<Record<string, readonly (readonly [number, Series])[]>> = {
  AttestdSilent: [
    [70, { attestd_collected_timestamp_seconds: '0+60x60 3600x120' }],
    [70, { attestd_collected_timestamp_seconds: '0+60x60 stale' }],
  ],
  AttestdDoesNotRecord: [[70, { 'attestd_health{answer="can_record"}': '1x60 0x120' }]],
  AttestdDoesNotSeal: [[70, { 'attestd_health{answer="can_seal"}': '1x60 0x120' }]],
  AttestdSealOverdue: [[70, { attestd_seal_overdue_seconds: '0x60 0+60x120' }]],
  AttestdCertificateExpires: [[170, { attestd_certificate_expiry_timestamp_seconds: '1000000x180' }]],
  AttestdTpmErrors: [[100, { 'attestd_tpm_errors_total{name="TPM_RC_FAILURE"}': '0x60 0+6x120' }]],
  AttestdTpmLockout: [[65, { 'attestd_tpm_errors_total{name="TPM_RC_LOCKOUT"}': '0x60 1x120' }]],
  AttestdNvWear: [[170, { attestd_nv_increments_total: '1+1x180' }]],
  AttestdRestarts: [
    // Each new process counts its increments from 1.
    [60, { attestd_start_time_seconds: '0+60x180', attestd_nv_increments_total: '1x180' }],
  ],
  AttestdGap: [
    [65, { attestd_gaps_total: '0x60 1x120' }],
    // At the start of a process that follows one which had recorded a gap as well.
    [100, { attestd_gaps_total: '1x180' }],
  ],
  AttestdLimitsHit: [[80, { 'attestd_limits_hit_total{code="RATE_LIMITED"}': '0x60 0+120x120' }]],
  AttestdWitnessBehind: [[170, { attestd_witness_lag_entries: '3+1x180' }]],
};

function play(series: Series, minute: number, fires: Readonly<Record<string, boolean>>) {
  const file = join(dir, 'rules.json');
  const on = (name: string) =>
    name.includes('{') ? name.replace('{', '{instance="a",') : `${name}{instance="a"}`;
  const test = {
    interval: '1m',
    input_series: Object.entries(series).map(([name, values]) => ({ series: on(name), values })),
    promql_expr_test: Object.entries(fires).map(([name, is]) => ({
      expr: `count(ALERTS{alertname="${name}",alertstate="firing"})`,
      eval_time: `${minute}m`,
      exp_samples: is ? [{ labels: '{}', value: 1 }] : [],
    })),
  };
  writeFileSync(file, JSON.stringify({ rule_files: [RULES], evaluation_interval: '1m', tests: [test] }));
  const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', file], { encoding: 'utf8' });
  expect(status, stdout + stderr).toBe(0);
}

describe('the alert rules', () => {
  it('have each a host that makes them fire', () => {
    expect(Object.keys(ILL).sort()).toEqual([...NAMES].sort());
  });

  it.each([30, 60, 95, 130, 175])('are silent on a host that is well, at minute %i', (minute) => {
    play(WELL, minute, Object.fromEntries(NAMES.map((n) => [n, false])));
  });

  it.each(
    Object.entries(ILL).flatMap(([name, cases]) => cases.map(([at, what]) => [name, at, what] as const)),
  )('%s fires at minute %i of %j', (name, minute, what) => {
    play({ ...WELL, ...what }, minute, { [name]: true });
  });
});
