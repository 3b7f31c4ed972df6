/**
 * What `attestctl top` shows, from two looks at the daemon: its status, and its metrics in the text of Prometheus. Rates
 * are differences of counters, so they begin with the second look; a counter that fell belongs to a new process.
 */
import type { MetricName } from '../daemon/metrics/declared.ts';

/** Series by name with their label value, as `name` or `name{value}`. */
export type Series = ReadonlyMap<string, number>;

export interface Look {
  /** Milliseconds, any origin. */
  readonly at: number;
  readonly series: Series;
}

/** One line of `--json`, and what the screen is drawn from. */
export interface Picture {
  readonly schema: 'attestd.dev/top/v1';
  readonly health: Readonly<Record<'alive' | 'canRecord' | 'canSeal' | 'canBeTrusted', boolean>>;
  readonly entries: number | null;
  readonly unsealed: number | null;
  readonly sealAgeSeconds: number | null;
  readonly overdueSeconds: number;
  readonly witnessLag: number | null;
  readonly logBytes: number | null;
  /** Per second since the look before; null at the first. */
  readonly recordsPerSecond: number | null;
  readonly sealsPerSecond: number | null;
  readonly refusalsPerSecond: number | null;
  /** Means since the look before, milliseconds; null where nothing happened. */
  readonly durableMs: number | null;
  readonly sealMs: number | null;
  readonly queue: Readonly<
    Record<'records' | 'bytes' | 'sealWaiters' | 'tpmOperations' | 'connections', number>
  >;
  readonly totals: Readonly<
    Record<
      'denials' | 'refusals' | 'limitsHit' | 'tpmErrors' | 'sealFailures' | 'nvIncrements' | 'runs' | 'gaps',
      number
    >
  >;
  /** Codes and names that were counted since the look before, the most frequent first. */
  readonly recent: readonly { readonly what: string; readonly count: number }[];
  readonly residentBytes: number;
}

const LINE = /^([a-z_]+)(?:\{([a-z_]+)="([^"\\]*)"\})? (\S+)$/;

/** Reads the text of the exposition; lines of any other form are left out. */
export function readSeries(text: string): Series {
  const series = new Map<string, number>();
  for (const line of text.split('\n')) {
    const m = LINE.exec(line);
    if (m === null) continue;
    const [, name, , value, number] = m;
    series.set(value === undefined ? (name as string) : `${name}{${value}}`, Number(number));
  }
  return series;
}

/** The picture of `now`, with rates since `before`. */
export function pictureOf(now: Look, before: Look | undefined): Picture {
  const value = (name: MetricName): number | null => now.series.get(name) ?? null;
  const answer = (a: string): boolean =>
    now.series.get(`${'attestd_health' satisfies MetricName}{${a}}`) === 1;
  const sum = (look: Look, name: MetricName): number =>
    [...look.series].reduce((n, [key, v]) => (key === name || key.startsWith(`${name}{`) ? n + v : n), 0);
  const total = (name: MetricName): number => sum(now, name);
  const seconds = before === undefined ? 0 : (now.at - before.at) / 1000;
  const rise = (key: string): number =>
    Math.max(0, (now.series.get(key) ?? 0) - (before?.series.get(key) ?? 0));
  const rate = (n: number): number | null => (seconds > 0 ? round(n / seconds) : null);
  const mean = (name: 'attestd_durable_seconds' | 'attestd_seal_seconds'): number | null => {
    const count = rise(`${name}_count`);
    return before === undefined || count === 0 ? null : round((rise(`${name}_sum`) / count) * 1000);
  };
  const rose = (name: MetricName): number =>
    [...now.series.keys()].filter((k) => k.startsWith(`${name}{`)).reduce((n, k) => n + rise(k), 0);
  const entries = value('attestd_log_entries');
  const sealed = value('attestd_log_sealed_entries');
  const told: readonly MetricName[] = [
    'attestd_refusals_total',
    'attestd_denials_total',
    'attestd_tpm_errors_total',
    'attestd_connections_cut_total',
  ];
  return {
    schema: 'attestd.dev/top/v1',
    health: {
      alive: answer('alive'),
      canRecord: answer('can_record'),
      canSeal: answer('can_seal'),
      canBeTrusted: answer('can_be_trusted'),
    },
    entries,
    unsealed: entries === null ? null : entries - (sealed ?? 0),
    sealAgeSeconds: value('attestd_seal_age_seconds'),
    overdueSeconds: value('attestd_seal_overdue_seconds') ?? 0,
    witnessLag: value('attestd_witness_lag_entries'),
    logBytes: value('attestd_log_bytes'),
    recordsPerSecond: rate(rise('attestd_records_total{recorded}')),
    sealsPerSecond: rate(rise('attestd_seal_seconds_count')),
    refusalsPerSecond: rate(rose('attestd_refusals_total')),
    durableMs: mean('attestd_durable_seconds'),
    sealMs: mean('attestd_seal_seconds'),
    queue: {
      records: total('attestd_queue_records'),
      bytes: total('attestd_queue_bytes'),
      sealWaiters: total('attestd_queue_seal_waiters'),
      tpmOperations: total('attestd_queue_tpm_operations'),
      connections: total('attestd_connections'),
    },
    totals: {
      denials: total('attestd_denials_total'),
      refusals: total('attestd_refusals_total'),
      limitsHit: total('attestd_limits_hit_total'),
      tpmErrors: total('attestd_tpm_errors_total'),
      sealFailures: total('attestd_seal_failures_total'),
      nvIncrements: total('attestd_nv_increments_total'),
      runs: total('attestd_runs_total'),
      gaps: total('attestd_gaps_total'),
    },
    recent:
      before === undefined
        ? []
        : [...now.series.keys()]
            .filter((key) => told.some((name) => key.startsWith(`${name}{`)))
            .map((key) => ({ what: key.replace('attestd_', '').replace('_total', ''), count: rise(key) }))
            .filter(({ count }) => count > 0)
            .sort((a, b) => b.count - a.count)
            .slice(0, 5),
    residentBytes: total('attestd_resident_memory_bytes'),
  };
}

const round = (n: number): number => Math.round(n * 100) / 100;
