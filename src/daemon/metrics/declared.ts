/**
 * Every metric of the daemon: name, kind, help and labels, declared here and nowhere else. A label has a closed list of
 * values, so the number of series is a constant; nothing that a caller sent can become one. The table of
 * docs/operators.md is made from this, and dashboard and alert rules are held against it (test/daemon/metrics.test.ts).
 */
import { ERRORS } from '../../core/errors.ts';
import { DENIAL_CODES } from '../../evidence/schema/governance.ts';
import { FAULT_NAMES } from '../../tpm/names.ts';
import { VERSION } from '../version.ts';

export interface Declared {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** At most one label, with all its values. */
  readonly label?: { readonly name: string; readonly values: readonly string[] };
  /** Upper bounds of a histogram, seconds. */
  readonly buckets?: readonly number[];
}

const counter = (help: string, name?: string, values: readonly string[] = []): Declared => ({
  type: 'counter',
  help,
  ...(name === undefined ? {} : { label: { name, values } }),
});
const gauge = (help: string, name?: string, values: readonly string[] = []): Declared => ({
  ...counter(help, name, values),
  type: 'gauge',
});
const histogram = (
  help: string,
  ...buckets: number[]
): Declared & { readonly buckets: readonly number[] } => ({
  type: 'histogram',
  help,
  buckets,
});

/** What became of what a caller asked to have recorded. */
export const OUTCOMES = ['recorded', 'replayed', 'failed'] as const;
/** Why a connection was ended by the daemon. */
export const CUTS = ['no_credentials', 'limit', 'stalled', 'crumbs'] as const;
/** The answers of GET /v1/health. */
export const ANSWERS = ['alive', 'can_record', 'can_seal', 'can_be_trusted'] as const;
/** Limits that say so with a code. */
export const LIMITED = ['RATE_LIMITED', 'OVERLOADED'] as const;
/** What takes room in a TPM. */
export const HELD = ['objects', 'sessions'] as const;
const CODES = Object.keys(ERRORS);

export const METRICS = {
  attestd_build_info: gauge('Always 1; the label says which version runs.', 'version', [VERSION]),
  attestd_health: gauge('1 where the answer of GET /v1/health is yes, else 0.', 'answer', ANSWERS),
  attestd_collected_timestamp_seconds: gauge('When these values were collected, in seconds since 1970.'),

  attestd_records_total: counter(
    'Records that callers asked for, denials included: made durable; given again for an idempotency key; not made durable.',
    'outcome',
    OUTCOMES,
  ),
  attestd_refusals_total: counter('Requests refused, by the code of the answer.', 'code', CODES),
  attestd_denials_total: counter('Denials on record, by their reason.', 'code', DENIAL_CODES),
  attestd_limits_hit_total: counter('Refusals because a limit was reached.', 'code', LIMITED),
  attestd_connections_cut_total: counter('Connections that the daemon ended, by why.', 'why', CUTS),

  attestd_connections: gauge('Open connections, of both sockets.'),
  attestd_queue_records: gauge('Requests under way that hold a share of the limits.'),
  attestd_queue_bytes: gauge('Bytes that requests under way hold.'),
  attestd_queue_seal_waiters: gauge('Callers who wait for a seal.'),
  attestd_queue_tpm_operations: gauge('Operations that wait for the TPM.'),

  attestd_durable_seconds: histogram(
    'From the first record of a group to the end of the fdatasync that covers all of it.',
    ...[0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
  ),
  attestd_sync_average_seconds: gauge(
    'What one write with its fdatasync takes at present: a moving average.',
  ),
  attestd_seal_seconds: histogram(
    'From the beginning of a quote to the moment its seal is durable.',
    ...[0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30],
  ),
  attestd_seal_failures_total: counter('Attempts to seal that failed; each is tried again.'),
  attestd_seal_age_seconds: gauge('Age of the newest seal; absent before the first.'),
  attestd_seal_overdue_seconds: gauge('How long the oldest unsealed entry has waited; 0 where none does.'),

  attestd_log_entries: gauge('Durable entries of the log.'),
  attestd_log_sealed_entries: gauge('Entries that the newest seal covers.'),
  attestd_log_bytes: gauge('Bytes that the segments of the log occupy on the disk, the spare one included.'),
  attestd_witness_lag_entries: gauge(
    'Sealed entries that the newest verified cosignature does not cover; absent without any cosignature.',
  ),
  attestd_runs_total: counter(
    'Runs begun: one at the start, one for each time the TPM is found in another life.',
  ),
  attestd_gaps_total: counter('Gaps recorded: what an interruption or a recovery lost.'),

  attestd_tpm_errors_total: counter('TPM commands that failed, retried ones included.', 'name', FAULT_NAMES),
  attestd_tpm_contexts_total: counter('ESYS contexts opened; more than one means that one was given up.'),
  attestd_tpm_handles: gauge(
    'What is loaded in the TPM, behind a resource manager by the daemon alone, as found after the metrics were last read. A number that grows is a leak.',
    'kind',
    HELD,
  ),
  attestd_nv_increments_total: counter('Increments of the NV counter, each of which wears the TPM a little.'),
  attestd_certificate_expiry_timestamp_seconds: gauge(
    'When the first certificate of the chain expires, in seconds since 1970; absent without a certificate.',
  ),

  attestd_resident_memory_bytes: gauge('Resident memory of the daemon.'),
  attestd_cpu_seconds_total: counter('Processor time of the daemon, user and system.'),
  attestd_start_time_seconds: gauge('When the daemon was started, in seconds since 1970.'),
} satisfies Readonly<Record<string, Declared>>;

export type MetricName = keyof typeof METRICS;

/** The table of docs/operators.md; scripts/metrics.mjs writes it. */
export function metricsTable(): string {
  const rows = Object.entries<Declared>(METRICS).map(([name, { type, help, label }]) => {
    const named = label === undefined ? '' : `{${label.name}}`;
    return `| \`${name}${named}\` | ${type} | ${help} |`;
  });
  return ['| metric | kind | meaning |', '|---|---|---|', ...rows].join('\n');
}
