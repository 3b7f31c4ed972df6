/** The logs of the boot against boot entry and quote. */
import { concat, toHex, utf8 } from '../../../src/core/bytes.ts';
import { BOOT, bootedWith, hash, printLog, valuesAfter } from '../../kit/bootlog.ts';
import type { Vector } from './vector.ts';

const log = printLog(BOOT);
const word = 'enter-initrd';
const userspace = (pcr: number, content?: string, digest = hash(utf8(content ?? word))) => ({
  pcr,
  sha256: toHex(digest),
  ...(content === undefined ? {} : { content }),
});
/** PCR 11 after the word. */
const extended = (v: Record<string, string>) => ({
  ...v,
  11: toHex(hash(concat(new Uint8Array(32), hash(utf8(word))))),
});

export const LOG_VECTORS: readonly Vector[] = [
  {
    id: 'firmware-log',
    name: 'the log is of another boot',
    hooks: bootedWith(BOOT, {
      boot: (b) => ({ ...b, firmwareLog: { sha256: 'ab'.repeat(32), size: log.length } }),
    }),
  },
  {
    id: 'firmware-log',
    name: 'the log is longer than the boot entry says',
    hooks: bootedWith(BOOT, {
      boot: (b) => ({ ...b, firmwareLog: { sha256: toHex(hash(log)), size: log.length + 1 } }),
    }),
  },
  {
    id: 'firmware-log',
    name: 'the boot entry names no log, and one is given',
    hooks: bootedWith(BOOT, { boot: (b) => ({ ...b, firmwareLog: 'unreadable' }) }),
  },
  {
    id: 'firmware-log',
    name: 'the log of the boot cannot be read',
    status: 'unknown',
    blocked: ['log-replay'],
    hooks: {
      boot: (b) => ({ ...b, firmwareLog: { sha256: toHex(hash(utf8('no log'))), size: 6 } }),
      raw: (r) => ({ ...r, logs: { firmware: utf8('no log') } }),
    },
  },
  {
    id: 'log-replay',
    name: 'the registers hold more than the log of the firmware',
    hooks: bootedWith(BOOT, { values: (v) => ({ ...v, 4: 'ab'.repeat(32) }) }),
  },
  {
    id: 'log-replay',
    name: 'an event of the log did not happen',
    hooks: bootedWith(BOOT, { values: () => valuesAfter(BOOT.slice(0, -1)) }),
  },
  {
    id: 'log-replay',
    name: 'PCR 0 did not start from the locality that the log says',
    hooks: bootedWith(BOOT, { values: () => valuesAfter(BOOT, 3) }),
  },
  {
    id: 'log-replay',
    name: 'userspace tells of an event that no register holds',
    hooks: { raw: (r) => ({ ...r, logs: { userspace: [userspace(11, word)] } }) },
  },
  {
    id: 'log-replay',
    name: 'userspace tells of an event in a register that is not quoted',
    hooks: { raw: (r) => ({ ...r, logs: { userspace: [userspace(15, word)] } }) },
  },
  {
    id: 'log-replay',
    name: 'the words of an event are not what was hashed',
    hooks: {
      values: extended,
      raw: (r) => ({ ...r, logs: { userspace: [userspace(11, 'leave-initrd', hash(utf8(word)))] } }),
    },
  },
];

/** Logs that are as they should be. */
export const GOOD_LOGS = {
  firmware: bootedWith(BOOT),
  userspace: {
    values: extended,
    raw: (r: Parameters<NonNullable<Vector['hooks']['raw']>>[0]) => ({
      ...r,
      logs: { userspace: [userspace(11, word)] },
    }),
  },
} satisfies Record<string, Vector['hooks']>;
