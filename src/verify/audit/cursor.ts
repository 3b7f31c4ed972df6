/**
 * Where an audit stands, as JSON, so that it goes on after an interruption. Whoever can write the file can make the
 * audit skip what came before it: it belongs to the auditor and is never taken from the audited host.
 */
import { fromHex, toHex } from '../../core/bytes.ts';
import type { AnchorState } from './anchors.ts';
import type { Finding } from './finding.ts';
import type { SavedHeads } from './heads.ts';
import type { MeasuredState } from './measured.ts';
import type { RemovalState } from './removal.ts';
import type { Run } from './runs.ts';
import type { SealState } from './seals.ts';

export const CURSOR_SCHEMA = 'attestd.dev/audit-cursor/v2';

export interface AuditCursor extends RemovalState {
  readonly schema: typeof CURSOR_SCHEMA;
  /** Base64 of the genesis entry; empty before it was read. */
  readonly genesis: string;
  /** Base64 of the entries that changed keys of the host, with their places. */
  readonly keyChanges: readonly { readonly index: number; readonly entry: string }[];
  readonly heads: SavedHeads;
  readonly runs: readonly {
    readonly index: number;
    readonly digest: string;
    readonly resetCount: number;
    readonly restartCount: number;
    readonly clock: string;
  }[];
  readonly anchors: readonly {
    readonly index: number;
    readonly digest: string;
    readonly value: string;
    readonly size: number;
    readonly gapSince: boolean;
  }[];
  readonly seal: SavedSeal;
  readonly sealCount: number;
  readonly time: string;
  readonly recovered: number;
  /** Absent in cursors of logs without measurements. */
  readonly register?: MeasuredState;
  readonly foreign?: readonly number[];
  readonly kinds: Readonly<Record<string, number>>;
  readonly findings: readonly Finding[];
}

interface SavedSeal {
  readonly seq: number;
  readonly size: number;
  readonly root: string;
  readonly digest: string;
  readonly timeMs: number;
  readonly clock?: {
    readonly clock: string;
    readonly resetCount: number;
    readonly restartCount: number;
    readonly safe: boolean;
  };
}

/** Boot entries and anchors. */
export function restorePast(c: AuditCursor): { readonly runs: Run[]; readonly anchors: AnchorState[] } {
  return {
    runs: c.runs.map((r) => ({ ...r, clock: BigInt(r.clock) })),
    anchors: c.anchors.map((a) => ({ ...a, digest: fromHex(a.digest), value: BigInt(a.value) })),
  };
}

export function saveSeal({ digest, clock, ...rest }: SealState): SavedSeal {
  return {
    ...rest,
    digest: toHex(digest),
    ...(clock === undefined ? {} : { clock: { ...clock, clock: clock.clock.toString() } }),
  };
}

export function restoreSeal({ digest, clock, ...rest }: SavedSeal): SealState {
  return {
    ...rest,
    digest: fromHex(digest),
    clock: clock === undefined ? undefined : { ...clock, clock: BigInt(clock.clock) },
  };
}
