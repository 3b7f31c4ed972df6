/** What the daemon measured of itself, and the register that it leads to. */
import { toHex } from '../../../src/core/bytes.ts';
import type { Hooks } from '../../kit/hooks.ts';
import { MEASURED, type MeasuredBody, type MeasuredRun } from '../../kit/measured.ts';
import type { Vector } from './vector.ts';

const some = new Uint8Array(32).fill(0x77);
const run = (change: (r: MeasuredRun) => MeasuredRun): Hooks => ({ measured: change });
const bodies = (change: (b: MeasuredBody[]) => MeasuredBody[]): Hooks => ({
  measurements: (b) => change([...b]),
});
const required = (t: object) => ({ ...t, selfMeasured: true });

export const MEASURED_VECTORS: readonly Vector[] = [
  {
    id: 'self-measured',
    name: 'a measurement that was extended is left out of the log',
    hooks: bodies((b) => b.slice(0, 1)),
  },
  {
    id: 'self-measured',
    name: 'a measurement in the middle is left out of the bundle',
    hooks: { raw: (r) => ({ ...r, measurements: r.measurements.filter((_, i) => i !== 1) }) },
  },
  {
    id: 'self-measured',
    name: 'the newest measurement is left out of the bundle',
    hooks: { raw: (r) => ({ ...r, measurements: r.measurements.slice(0, -1) }) },
  },
  {
    id: 'self-measured',
    name: 'all of them are left out of the bundle, though the boot entry speaks of them',
    hooks: { raw: (r) => ({ ...r, measurements: [] }) },
  },
  {
    id: 'self-measured',
    name: 'an entry names another file than was extended',
    hooks: bodies((b) =>
      b.map(([kind, body], i) =>
        i === 1 ? [kind, { ...body, event: { ...MEASURED[1], sha256: '2e'.repeat(32) } }] : [kind, body],
      ),
    ),
  },
  {
    id: 'self-measured',
    name: 'an entry is of another register',
    hooks: bodies((b) => b.map(([kind, body], i) => [kind, i === 2 ? { ...body, register: 23 } : body])),
  },
  {
    id: 'self-measured',
    name: 'the boot entry saw another value than the measurements begin at',
    hooks: { boot: (b) => ({ ...b, pcrs: { sha256: { ...b.pcrs.sha256, 13: toHex(some) } } }) },
  },
  {
    id: 'self-measured',
    name: 'the daemon took the record before it said ready',
    hooks: run((r) => ({ ...r, events: r.events.slice(0, -1) })),
  },
  {
    id: 'self-measured',
    name: 'something was extended before the start, and is not among what the run measured first',
    hooks: run((r) => ({ ...r, events: [...r.events].reverse() })),
  },
  {
    id: 'self-measured',
    name: 'somebody else extended the register',
    status: 'unknown',
    hooks: {
      ...run((r) => ({ ...r, events: [...r.events, { found: some }] })),
      trust: required as never,
    },
  },
  {
    id: 'self-measured',
    name: 'nothing explains what was in the register before',
    status: 'unknown',
    hooks: { ...run((r) => ({ ...r, begins: some })), trust: required as never },
  },
  {
    id: 'self-measured',
    name: 'an older run, which did not measure itself, where the auditor demands it',
    status: 'unknown',
    hooks: {
      boot: ({ register: _, ...b }) => b,
      raw: (r) => ({ ...r, measurements: [] }),
      trust: required as never,
    },
  },
];
