/** Metrics of a real daemon, as promtool and node_exporter read them; dashboard, rules and manual against the declaration. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pictureOf, readSeries } from '../../src/cli/top.ts';
import { type Declared, METRICS, metricsTable } from '../../src/daemon/metrics/declared.ts';
import { FAULT_NAMES, nameOfFault } from '../../src/tpm/names.ts';
import { freePort } from '../kit/port.ts';
import { ask, body, type Host, makeHost, until } from './kit.ts';

const promtool = (args: string[], input = '') => spawnSync('promtool', args, { input, encoding: 'utf8' });
const declared = Object.entries<Declared>(METRICS);
const bases = new Set(
  declared.flatMap(([name, { type }]) =>
    type === 'histogram' ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  ),
);

describe('a daemon that records and refuses', () => {
  let host: Host;
  let text: string;
  let file: string;
  beforeAll(async () => {
    file = join('/tmp', `attestd-metrics-${process.pid}`, 'attestd.prom');
    mkdirSync(join(file, '..'), { recursive: true });
    host = await makeHost({ metrics: { textfile: file, interval_s: 1 } });
    await host.init();
    await (await host.start()).started;
    const { socket, admin_socket } = host.config;
    expect((await ask(socket.path, '/v1/records', { body: body() })).status).toBe(201);
    for (const _ of [1, 2]) {
      const headers = { 'idempotency-key': 'one' };
      expect((await ask(socket.path, '/v1/records', { body: body(), headers })).status).toBeLessThan(300);
    }
    expect((await ask(socket.path, '/v1/records', { body: '{' })).status).toBe(400);
    text = (await ask(admin_socket.path, '/metrics')).text;
    // What the TPM holds is told to whoever looks after it was asked.
    text = await until(async () => {
      const read = (await ask(admin_socket.path, '/metrics')).text;
      return read.includes('\nattestd_tpm_handles') && read;
    });
  });
  afterAll(() => host?.remove());

  it('says what happened, by names that promtool accepts', () => {
    const checked = promtool(['check', 'metrics'], text);
    expect([checked.status, checked.stdout, checked.stderr]).toEqual([0, '', '']);
    const series = readSeries(text);
    expect(Object.fromEntries(series)).toMatchObject({
      'attestd_records_total{recorded}': 2,
      'attestd_records_total{replayed}': 1,
      'attestd_records_total{failed}': 0,
      'attestd_refusals_total{MALFORMED}': 1,
      'attestd_health{can_record}': 1,
      'attestd_health{can_seal}': 1,
      'attestd_health{can_be_trusted}': 0,
      attestd_runs_total: 1,
      attestd_nv_increments_total: 1,
      attestd_queue_records: 0,
    });
    // Two keys stay loaded; the salted session may be one of many, and the storage primary may be there.
    expect(series.get('attestd_tpm_handles{objects}')).toBeGreaterThanOrEqual(2);
    expect(series.get('attestd_tpm_handles{objects}')).toBeLessThanOrEqual(3);
    expect(series.get('attestd_tpm_handles{sessions}')).toBeLessThanOrEqual(2);
    for (const name of ['attestd_durable_seconds_count', 'attestd_seal_seconds_count', 'attestd_log_bytes'])
      expect(series.get(name), name).toBeGreaterThan(0);
  });

  it('has exactly the declared series, whatever was counted', () => {
    const series = readSeries(text);
    const absent = new Set(['attestd_witness_lag_entries', 'attestd_certificate_expiry_timestamp_seconds']);
    const expected = declared.flatMap(([name, { label, type }]) => {
      if (absent.has(name)) return [];
      if (label !== undefined) return label.values.map((v) => `${name}{${v}}`);
      return type === 'histogram' ? [`${name}_count`, `${name}_sum`] : [name];
    });
    const seen = [...series.keys()].filter((key) => !key.includes('_bucket{'));
    expect(seen.sort()).toEqual(expected.sort());
  });

  it('is for the operator alone', async () => {
    const answer = await ask(host.config.socket.path, '/metrics');
    expect([answer.status, answer.json.type]).toEqual([403, 'urn:attestd:error:FORBIDDEN']);
    expect((await ask(host.config.admin_socket.path, '/metrics', { body: '{}' })).status).toBe(405);
  });

  it('writes the file of node_exporter whole, for another user to read', async () => {
    const written = await until(() => existsSync(file) && readFileSync(file, 'utf8'));
    expect(promtool(['check', 'metrics'], written).status).toBe(0);
    expect(written.endsWith('\n')).toBe(true);
    expect(statSync(file).mode & 0o777).toBe(0o644);
    expect(existsSync(`${file}.tmp`)).toBe(false);
  });

  it('is in the answers of node_exporter beside its own, without a word of complaint', async () => {
    const written = await until(() => existsSync(file) && readFileSync(file, 'utf8'));
    const port = await freePort();
    const exporter = spawn(
      'prometheus-node-exporter',
      [
        `--web.listen-address=127.0.0.1:${port}`,
        '--collector.disable-defaults',
        '--collector.textfile',
        `--collector.textfile.directory=${dirname(file)}`,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let said = '';
    exporter.stderr.on('data', (part: Buffer) => {
      said += part;
    });
    try {
      const answer = await until(() =>
        fetch(`http://127.0.0.1:${port}/metrics`)
          .then((r) => r.text())
          .catch(() => false as const),
      );
      expect(answer).toMatch(/^node_textfile_scrape_error 0$/m);
      const names = [...readSeries(written).keys()].map((key) => key.split('{')[0] as string);
      for (const name of new Set(names)) expect(answer).toContain(`\n${name}`);
      expect(said).not.toContain('level=error');
    } finally {
      exporter.kill();
    }
  });

  it('is what attestctl top shows', async () => {
    const before = { at: 0, series: readSeries(text) };
    await ask(host.config.socket.path, '/v1/records', { body: body() });
    await ask(host.config.socket.path, '/nowhere');
    const now = { at: 2000, series: readSeries((await ask(host.config.admin_socket.path, '/metrics')).text) };
    expect(pictureOf(before, undefined)).toMatchObject({
      recordsPerSecond: null,
      durableMs: null,
      recent: [],
    });
    const picture = pictureOf(now, before);
    expect(picture).toMatchObject({ recordsPerSecond: 0.5, witnessLag: null, health: { canRecord: true } });
    expect(picture.recent).toContainEqual({ what: 'refusals{NOT_FOUND}', count: 1 });
    expect(picture.durableMs).toBeGreaterThan(0);
  });
});

describe('what is written about the metrics', () => {
  it('names failed TPM commands by the table of the addon', () => {
    const table = readFileSync('native/tpm/rc_table.cc', 'utf8').split('kTss[]')[0] as string;
    const names = [...table.matchAll(/\{0x[0-9A-F]+, "(\w+)"\}/g)].map((m) => `TPM_RC_${m[1]}`);
    const known = FAULT_NAMES.filter((n) => n.startsWith('TPM_RC_'));
    expect(known.sort()).toEqual(names.filter((n) => !/_(?:SUCCESS|N_MASK)$/.test(n)).sort());
    expect(nameOfFault({ code: 'TPM_ERROR', layer: 'tpm', rcBase: 'TPM_RC_0x123' })).toBe('other');
    expect(nameOfFault({ code: 'TPM_ERROR', layer: 'tcti', rcBase: 'TSS2_TCTI_RC_IO_ERROR' })).toBe(
      'TSS2_TCTI',
    );
    expect(nameOfFault({ code: 'TPM_TIMEOUT' })).toBe('timeout');
  });

  it('is in docs/operators.md as scripts/metrics.mjs writes it', () => {
    expect(readFileSync('docs/operators.md', 'utf8')).toContain(
      `-->\n\n${metricsTable()}\n\n<!-- /metrics -->`,
    );
  });

  it.each(['docs/grafana.json', 'docs/alerts.yml'])('is of declared metrics alone in %s', (path) => {
    const named = readFileSync(path, 'utf8').match(/\b(?:attestd|process)_[a-z_]+/g) ?? [];
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((name) => !bases.has(name))).toEqual([]);
  });

  it('has alert rules that promtool accepts, and a dashboard whose panels ask for something', () => {
    const checked = promtool(['check', 'rules', 'docs/alerts.yml']);
    expect([checked.status, checked.stderr]).toEqual([0, '']);
    expect(checked.stdout).toMatch(/SUCCESS: \d+ rules found/);
    const { panels } = JSON.parse(readFileSync('docs/grafana.json', 'utf8'));
    expect(panels.length).toBeGreaterThan(10);
    for (const { targets } of panels) expect(targets.length).toBeGreaterThan(0);
  });
});
