/**
 * What the daemon counts while it works: plain numbers, raised where things happen, and two histograms that are told of
 * groups and seals, never of single records. The rest becomes metrics only when somebody asks (exposition.ts), so that
 * a record pays for an addition and no more.
 */
import { Histogram } from 'prom-client';
import type { ErrorCode } from '../../core/errors.ts';
import type { DenialCode } from '../../evidence/schema/governance.ts';
import { type CUTS, METRICS, type OUTCOMES } from './declared.ts';

export type Outcome = (typeof OUTCOMES)[number];
export type Cut = (typeof CUTS)[number];

export interface Tally {
  readonly records: Record<Outcome, number>;
  readonly refusals: Map<ErrorCode, number>;
  readonly denials: Map<DenialCode, number>;
  readonly cuts: Record<Cut, number>;
  /** Failed TPM commands by the names of tpm/names.ts. */
  readonly tpmErrors: Map<string, number>;
  readonly durable: Histogram;
  readonly seal: Histogram;
  sealFailures: number;
  runs: number;
  gaps: number;
  nvIncrements: number;
}

function histogram(name: 'attestd_durable_seconds' | 'attestd_seal_seconds'): Histogram {
  const { help, buckets } = METRICS[name];
  return new Histogram({ name, help, buckets: [...buckets], registers: [] });
}

export function createTally(): Tally {
  return {
    records: { recorded: 0, replayed: 0, failed: 0 },
    refusals: new Map(),
    denials: new Map(),
    cuts: { no_credentials: 0, limit: 0, stalled: 0, crumbs: 0 },
    tpmErrors: new Map(),
    durable: histogram('attestd_durable_seconds'),
    seal: histogram('attestd_seal_seconds'),
    sealFailures: 0,
    runs: 0,
    gaps: 0,
    nvIncrements: 0,
  };
}

/** Counts one more under `key`. */
export function raise<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
