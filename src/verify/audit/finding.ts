/** What an audit says: what it saw, and each thing that does not hold, with its place. */

export interface Finding {
  /** Stable id of the rule that does not hold. */
  readonly id: string;
  /** Index of the entry, or size of the sealed head. */
  readonly at: number;
  readonly sentence: string;
}

export interface AuditReport {
  readonly schema: 'attestd.dev/audit/v1';
  /** `indeterminate`: nothing is wrong, and nothing is sealed. */
  readonly verdict: 'verified' | 'rejected' | 'indeterminate';
  readonly origin: string;
  readonly entries: number;
  /** Base64 root of all entries. */
  readonly root: string;
  readonly seals: number;
  readonly runs: number;
  readonly anchors: number;
  /** Entries by kind. */
  readonly kinds: Readonly<Record<string, number>>;
  /** Size under the newest seal; entries from there on are durable and not sealed. */
  readonly sealed: number;
  /** Entries that were durable but unsealed when their run ended: their environment is unknown. */
  readonly recovered: number;
  /** Gaps between measurements, by index: somebody else extended or reset the daemon's own register there. */
  readonly foreign: readonly number[];
  /** Entries that were removed for their age: their places are checked, what they said is not known. */
  readonly removed: number;
  readonly findings: readonly Finding[];
}

/** More findings than this say nothing new. */
export const MAX_FINDINGS = 100;
