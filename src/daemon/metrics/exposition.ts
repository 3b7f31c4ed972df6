/**
 * From what the daemon counted and from what it is now to the text that Prometheus reads (exposition format 0.0.4).
 * Everything is taken when somebody asks, and nothing of it waits for the TPM. Every value of every label is there from
 * the first answer, so that a first increment is seen as one.
 */
import { join } from 'node:path';
import { Counter, Gauge, Registry } from 'prom-client';
import { epochOf, type Layout } from '../layout.ts';
import { healthOf, type StatusInput } from '../status.ts';
import { VERSION } from '../version.ts';
import { type Declared, LIMITED, METRICS, type MetricName } from './declared.ts';
import { createHandles, type Handles } from './handles.ts';
import { logBytes } from './logsize.ts';
import type { Tally } from './tally.ts';

export interface MetricsInput {
  readonly status: StatusInput;
  readonly tally: Tally;
  readonly layout: Layout;
  readonly connections: () => number;
  /** Size of the newest checkpoint with a verified cosignature. */
  readonly witnessed: () => Promise<number | undefined>;
  readonly wall: () => number;
}

/** A number, numbers by label, or nothing where there is nothing to say. */
type Sample = number | ReadonlyMap<string, number> | undefined;
type Samples = Readonly<
  Record<Exclude<MetricName, 'attestd_durable_seconds' | 'attestd_seal_seconds'>, Sample>
>;

/** The media type of the text. */
export const EXPOSITION = Registry.PROMETHEUS_CONTENT_TYPE;

export type Exposition = () => Promise<string>;

export function createExposition(input: MetricsInput): Exposition {
  const handles = createHandles(input.status.tpm);
  return async () => {
    const registry = new Registry();
    const samples: Partial<Record<string, Sample>> = await take(input, handles);
    for (const [name, declared] of Object.entries<Declared>(METRICS)) {
      if (declared.type === 'histogram') continue;
      const sample = samples[name];
      if (sample !== undefined) add(registry, name, declared, sample);
    }
    registry.registerMetric(input.tally.durable);
    registry.registerMetric(input.tally.seal);
    return registry.metrics();
  };
}

function add(registry: Registry, name: string, { type, help, label }: Declared, sample: Sample): void {
  const registers = [registry];
  const labelNames = label === undefined ? [] : [label.name];
  const put = (labels: Record<string, string>, value: number): void => {
    if (metric instanceof Counter) metric.inc(labels, value);
    else metric.set(labels, value);
  };
  const configuration = { name, help, labelNames, registers };
  const metric = type === 'counter' ? new Counter(configuration) : new Gauge(configuration);
  if (typeof sample === 'number') put({}, sample);
  else
    for (const value of label?.values ?? [])
      put({ [labelNames[0] as string]: value }, sample?.get(value) ?? 0);
}

const by = (counts: Readonly<Record<string, number>>): ReadonlyMap<string, number> =>
  new Map(Object.entries(counts));

async function take(
  { status, tally, layout, connections, witnessed, wall }: MetricsInput,
  handles: Handles,
): Promise<Samples> {
  const { gate, limits } = status;
  const now = wall();
  const log = status.store();
  const tpm = status.tpm();
  const sealed = log?.lastSeal();
  const health = healthOf(status, now);
  const cosigned = await witnessed();
  const { user, system } = process.cpuUsage();
  return {
    attestd_build_info: new Map([[VERSION, 1]]),
    attestd_health: by({
      alive: 1,
      can_record: Number(health.canRecord),
      can_seal: Number(health.canSeal),
      can_be_trusted: Number(health.canBeTrusted),
    }),
    attestd_collected_timestamp_seconds: now / 1000,
    attestd_records_total: by(tally.records),
    attestd_refusals_total: tally.refusals,
    attestd_denials_total: tally.denials,
    attestd_limits_hit_total: by(Object.fromEntries(LIMITED.map((code) => [code, limits.refused[code]]))),
    attestd_connections_cut_total: by(tally.cuts),
    attestd_connections: connections(),
    attestd_queue_records: limits.inFlight,
    attestd_queue_bytes: limits.bytes,
    attestd_queue_seal_waiters: gate.engine?.sealer.waiting ?? 0,
    attestd_queue_tpm_operations: tpm?.state().waiting ?? 0,
    attestd_sync_average_seconds: log === undefined ? undefined : log.syncMs / 1000,
    attestd_seal_failures_total: tally.sealFailures,
    attestd_seal_age_seconds: sealed === undefined ? undefined : Math.max(0, now - sealed.timeMs) / 1000,
    attestd_seal_overdue_seconds: (gate.engine?.sealer.unsealedMs() ?? 0) / 1000,
    attestd_log_entries: log?.size,
    attestd_log_sealed_entries: log === undefined ? undefined : (sealed?.size ?? 0),
    attestd_log_bytes: log === undefined ? undefined : logBytes(join(layout.log(epochOf(log.origin)), 'wal')),
    attestd_witness_lag_entries:
      cosigned === undefined ? undefined : Math.max(0, (sealed?.size ?? 0) - cosigned),
    attestd_runs_total: tally.runs,
    attestd_gaps_total: tally.gaps,
    attestd_tpm_errors_total: tally.tpmErrors,
    attestd_tpm_contexts_total: tpm?.generation ?? 0,
    attestd_tpm_handles: handles(),
    attestd_nv_increments_total: tally.nvIncrements,
    attestd_certificate_expiry_timestamp_seconds:
      health.expires === undefined ? undefined : health.expires / 1000,
    attestd_resident_memory_bytes: process.memoryUsage.rss(),
    attestd_cpu_seconds_total: (user + system) / 1e6,
    attestd_start_time_seconds: performance.timeOrigin / 1000,
  };
}
