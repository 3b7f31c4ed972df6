/** Measurements of a forged run, and the register that they lead to. */
import { toHex } from '../../src/core/bytes.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { extended, measuredDigest } from '../../src/evidence/measured.ts';
import type { MeasuredEvent } from '../../src/evidence/schema/predicates.ts';

/** What a daemon measures at its start, or finds in its register instead. */
export type MeasuredStep = MeasuredEvent | { readonly found: Uint8Array };

export interface MeasuredRun {
  readonly events: readonly MeasuredStep[];
  readonly register: number;
  /** What the register holds before. */
  readonly begins: Uint8Array;
}

export type MeasuredBody = readonly ['measurement' | 'gap', JsonObject];

/** A usual start. */
export const MEASURED: readonly MeasuredEvent[] = [
  { type: 'start', name: 'attestd 0.1.0, node v20.20.2' },
  { type: 'code', name: '/usr/lib/attestd/dist/daemon/main.js', sha256: '1d'.repeat(32) },
  { type: 'ready', name: 'attestd' },
];

/** The entries of a run, and the value behind the last of them. */
export function measuredBodies({ events, register, begins }: MeasuredRun): {
  readonly bodies: MeasuredBody[];
  readonly ends: Uint8Array;
} {
  let value = begins;
  const bodies = events.map((step): MeasuredBody => {
    const prev = value;
    if ('found' in step) {
      value = step.found;
      const measured = { register, expected: toHex(prev), found: toHex(value) };
      return ['gap', { reason: 'measurement', detail: 'somebody else extended it', measured }];
    }
    value = extended(prev, measuredDigest(step));
    return ['measurement', { register, event: { ...step }, prev: toHex(prev), expected: toHex(value) }];
  });
  return { bodies, ends: value };
}
