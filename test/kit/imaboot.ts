/** Forged machines whose kernel kept an IMA list, and the values of PCR 10 computed here a second time. */
import { createHash } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import type { ImaBytes } from '../../src/evidence/bundle.ts';
import type { ImaPolicy } from '../../src/evidence/schema/appraisal.ts';
import { asBinary, hashed, type Made, made } from '../evidence/kit/imalist.ts';
import { BOOT, type BootEvent, bootedWith, valuesAfter } from './bootlog.ts';
import { type Hooks, PCRS } from './hooks.ts';

const sha256 = (...parts: Uint8Array[]) => {
  const h = createHash('sha256');
  for (const p of parts) h.update(p);
  return new Uint8Array(h.digest());
};

/** A file with this content. */
export const measured = (path: string, content: string): Made =>
  made('ima-ng', path, createHash('sha256').update(content).digest());
/** The kernel could not say what the file held. */
export const violated = (path: string): Made => ({
  ...made('ima-ng', path, new Uint8Array(32)),
  violation: true,
});
/** The digest of such a file, as policies spell it. */
export const digestOf = (content: string): string => `sha256:${toHex(sha256(utf8(content)))}`;

/** The kernel's first entry after this boot. */
export function aggregate(events: readonly BootEvent[] = BOOT): Made {
  const values = valuesAfter(events);
  const registers = Array.from({ length: 10 }, (_, i) => fromHex(values[String(i)] as string));
  return made('ima-ng', 'boot_aggregate', sha256(...registers));
}

export const listBytes = (entries: readonly Made[]): Uint8Array =>
  Buffer.concat(entries.map((e) => asBinary(e)));

/** PCR 10 after these entries by a kernel before 5.8, which extends every bank with twenty bytes, in hex. */
export function oldPcr10After(entries: readonly Made[]): string {
  let value: Uint8Array = new Uint8Array(32);
  for (const e of entries) {
    const sha1 = createHash('sha1').update(hashed(e)).digest();
    value = sha256(value, e.violation === true ? new Uint8Array(20).fill(0xff) : sha1, new Uint8Array(12));
  }
  return toHex(value);
}

/** PCR 10 after these entries, in hex. */
export function pcr10After(entries: readonly Made[]): string {
  let value: Uint8Array = new Uint8Array(32);
  for (const e of entries) {
    if ((e.pcr ?? 10) !== 10) continue;
    value = sha256(value, e.violation === true ? new Uint8Array(32).fill(0xff) : sha256(hashed(e)));
  }
  return toHex(value);
}

/** The list as a bundle names it, with its bytes inside unless told otherwise. */
export function packed(bytes: Uint8Array, inside = true): ImaBytes & { readonly attached: Uint8Array } {
  const attached = new Uint8Array(deflateRawSync(bytes));
  return {
    sha256: toHex(sha256(attached)),
    size: attached.length,
    ...(inside ? { data: attached } : {}),
    attached,
  };
}

export const GOOD_LIST: readonly Made[] = [
  aggregate(),
  measured('/usr/bin/node', 'node'),
  measured('/usr/bin/bash', 'bash'),
];

/** What the good list teaches. */
export const GOOD_IMA: ImaPolicy = {
  files: [
    { path: '/usr/bin/bash', digests: [digestOf('bash')] },
    { path: '/usr/bin/node', digests: [digestOf('node')] },
  ],
  keys: [],
  ignore: [],
  violations: 'refuse',
};

/** A machine that booted with this list, quotes PCR 10, and whose bundle carries the list. */
export function listedWith(
  entries: readonly Made[],
  hooks: Hooks = {},
  list: ImaBytes | undefined = packed(listBytes(entries)),
  value = pcr10After(entries),
): Hooks {
  const booted = bootedWith(BOOT, hooks);
  return {
    ...booted,
    quotes: [...PCRS, 10].sort((a, b) => a - b),
    values: (v, w) => ({ ...(booted.values?.(v, w) ?? v), 10: value }),
    raw: (r, w) => {
      const given = booted.raw?.(r, w) ?? r;
      if (list === undefined) return given;
      const { sha256: name, size, data } = list;
      const ima = { sha256: name, size, ...(data === undefined ? {} : { data }) };
      return { ...given, logs: { ...given.logs, ima } };
    },
  };
}
