/**
 * Where an audit stands, as JSON, so that it goes on after an interruption. Whoever can write the file can make the
 * audit skip what came before it: it belongs to the auditor and is never taken from the audited host.
 */
import { fromBase64, fromHex, toHex } from '../../core/bytes.ts';
import type { Predicate } from '../../evidence/statement.ts';
import { readGenesis } from '../gather.ts';
import type { Keys } from '../keys.ts';
import type { AnchorState } from './anchors.ts';
import { readEntry } from './entry.ts';
import type { Finding } from './finding.ts';
import type { SavedHeads } from './heads.ts';
import { keptChange } from './keys.ts';
import type { MeasuredState } from './measured.ts';
import type { RemovalState } from './removal.ts';
import type { Run } from './runs.ts';
import type { SealState } from './seals.ts';
import type { UsesState } from './uses.ts';

export const CURSOR_SCHEMA = 'attestd.dev/audit-cursor/v2';

export interface AuditCursor extends RemovalState, UsesState {
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

/** What it knows of genesis and of the keys in force; undefined before genesis was read. */
export function restoreKeys(c: AuditCursor):
  | {
      readonly genesis: Uint8Array;
      readonly origin: string;
      readonly changes: readonly { readonly index: number; readonly entry: Uint8Array }[];
      readonly keys: Keys;
    }
  | undefined {
  if (c.genesis === '') return undefined;
  const entry = fromBase64(c.genesis);
  const { predicate } = readEntry(entry);
  const changes = c.keyChanges.map(({ index, entry: e }) => ({ index, entry: fromBase64(e) }));
  const keys = {
    genesis: readGenesis(predicate as unknown as Predicate<'genesis'>),
    changes: changes.map((x) => keptChange(x.index, x.entry)),
  };
  return { genesis: entry, origin: predicate.log as string, changes, keys };
}

/** Boot entries and anchors. */
export const savePast = (runs: readonly Run[], anchors: readonly AnchorState[]) => ({
  runs: runs.map((r) => ({ ...r, clock: r.clock.toString() })),
  anchors: anchors.map((a) => ({ ...a, digest: toHex(a.digest), value: a.value.toString() })),
});

/** The same, read again. */
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
