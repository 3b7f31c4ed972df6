/** The run of the record and the state of its machine. */
import { PCRS, pcrValue } from '../../kit/hooks.ts';

import type { Vector } from './vector.ts';

const zeros = '0'.repeat(64);

export const MACHINE_VECTORS: readonly Vector[] = [
  {
    id: 'boot-run',
    name: 'the seal claims an earlier run',
    hooks: { header: (h) => ({ ...h, bootIndex: 0 }) },
  },
  {
    id: 'boot-run',
    name: 'the seal names a boot entry that is not in the tree',
    hooks: { header: (h) => ({ ...h, bootIndex: 900 }) },
  },
  {
    id: 'boot-run',
    name: 'the record was sealed by a later run',
    status: 'unknown',
    hooks: { header: (h) => ({ ...h, bootIndex: 8 }) },
  },
  {
    id: 'boot-run',
    name: 'the record names an older run',
    status: 'unknown',
    hooks: { header: (h) => ({ ...h, bootIndex: 4 }) },
  },
  {
    id: 'seal-clock',
    name: 'the TPM has fewer resets than at boot',
    hooks: { quote: (q) => ({ ...q, clockInfo: { ...q.clockInfo, resetCount: 2 } }) },
  },
  {
    id: 'seal-clock',
    name: 'the clock of the TPM went back',
    hooks: { quote: (q) => ({ ...q, clockInfo: { ...q.clockInfo, clock: 999n } }) },
  },
  {
    id: 'seal-clock',
    name: 'the machine was reset since',
    status: 'unknown',
    hooks: { quote: (q) => ({ ...q, clockInfo: { ...q.clockInfo, resetCount: 4, restartCount: 0 } }) },
  },
  {
    id: 'seal-clock',
    name: 'the machine was suspended since',
    status: 'unknown',
    hooks: { quote: (q) => ({ ...q, clockInfo: { ...q.clockInfo, restartCount: 2 } }) },
  },
  {
    id: 'seal-clock',
    name: 'the firmware of the TPM was replaced since',
    status: 'unknown',
    hooks: { quote: (q) => ({ ...q, firmwareVersion: q.firmwareVersion + 1n }) },
  },
  {
    id: 'seal-selection',
    name: 'the run announced more registers than it quotes',
    hooks: { boot: (b) => ({ ...b, selection: [...PCRS, 15] }) },
  },
  {
    id: 'seal-pcr-digest',
    name: 'a value is another than the quoted one',
    hooks: { pcrs: (v) => ({ ...v, 14: 'ab'.repeat(32) }) },
    blocked: ['firmware-pcrs', 'pcr-allow-list', 'self-measured'],
  },
  {
    id: 'seal-pcr-digest',
    name: 'a value is given that was not quoted',
    hooks: { pcrs: (v) => ({ ...v, 15: pcrValue(15) }) },
    blocked: ['firmware-pcrs', 'pcr-allow-list', 'self-measured'],
  },
  {
    id: 'seal-pcr-digest',
    name: 'a quoted value is not given',
    hooks: { pcrs: ({ 14: _, ...v }) => v },
    blocked: ['firmware-pcrs', 'pcr-allow-list', 'self-measured'],
  },
  {
    id: 'seal-pcr-digest',
    name: 'the seal comes without values',
    status: 'unknown',
    hooks: { raw: ({ pcrs: _, ...r }) => r },
    blocked: ['firmware-pcrs', 'pcr-allow-list', 'self-measured'],
  },
  {
    id: 'firmware-pcrs',
    name: 'the firmware measured nothing, as in a fresh software TPM',
    hooks: {
      values: (v) => Object.fromEntries(Object.entries(v).map(([i, x]) => [i, Number(i) < 8 ? zeros : x])),
    },
  },
  {
    id: 'firmware-pcrs',
    name: 'one register of the firmware is empty',
    hooks: { values: (v) => ({ ...v, 4: zeros }) },
  },
  {
    id: 'pcr-allow-list',
    name: 'the machine is in another state',
    hooks: { trust: (t) => ({ ...t, pcrs: [{ name: 'other', sha256: { 0: ['ab'.repeat(32)] } }] }) },
  },
  {
    id: 'pcr-allow-list',
    name: 'the policy names a register that is not quoted',
    hooks: {
      trust: (t) => ({ ...t, pcrs: [{ name: 'ima', sha256: { 0: [pcrValue(0)], 10: ['ab'.repeat(32)] } }] }),
    },
  },
  {
    id: 'pcr-allow-list',
    name: 'no state fits as a whole, though each value is in one',
    hooks: {
      trust: (t) => ({
        ...t,
        pcrs: [
          { name: 'a', sha256: { 0: [pcrValue(0)], 1: [pcrValue(2)] } },
          { name: 'b', sha256: { 0: [pcrValue(2)], 1: [pcrValue(1)] } },
        ],
      }),
    },
  },
];
