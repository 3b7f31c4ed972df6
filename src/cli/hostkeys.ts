/**
 * The host's own keys as its log names them, read from the state directory whether the daemon runs or not. It reads;
 * whether the changes hold is for `attestctl audit`.
 */
import { fromBase64, toBase64, toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import type { Config } from '../daemon/config.ts';
import { epochOf, layoutOf, readCurrent } from '../daemon/layout.ts';
import { isHostKeychange } from '../evidence/schema/keychange.ts';
import { predicateType, readStatement } from '../evidence/statement.ts';
import { parsePublic, publicName, publicSpki } from '../evidence/tpm/public.ts';
import { readLog } from '../store/reader.ts';
import { readRotation } from '../tpm/rotation.ts';

/** A key that was, is or will be in force. */
export interface ListedKey {
  readonly role: 'ak' | 'record';
  readonly state: 'in-force' | 'retired' | 'waiting';
  /** Hex Name. */
  readonly name: string;
  /** DER SubjectPublicKeyInfo, base64. */
  readonly spki: string;
  /** Index of the entry that put it in force; absent while it waits. */
  readonly index?: number;
  /** RFC 3339 time in that entry. */
  readonly since?: string;
  readonly reason?: string;
  /** Of an AK that waits: whether an authority has certified it. */
  readonly certified?: boolean;
}

type Read = Omit<ListedKey, 'state'>;

const keyOf = (area: string) => {
  const bytes = fromBase64(area);
  return { name: toHex(publicName(bytes)), spki: toBase64(publicSpki(parsePublic(bytes))) };
};

/** Every key, the oldest first, those that wait last. @throws NOT_INITIALISED, STORE_CORRUPT */
export async function readHostKeys(
  config: Config,
  progress: (entries: number) => void,
): Promise<ListedKey[]> {
  const layout = layoutOf(config.state_dir);
  const { origin } = readCurrent(layout);
  const mark = Buffer.from(`"predicateType":"${predicateType('keychange')}"`);
  const found: Read[] = [];
  for await (const frame of readLog(layout.log(epochOf(origin))).frames()) {
    if (frame.kind !== 'entries') continue;
    for (let i = 0; i < frame.batch.count; i++) {
      if (frame.batch.removed(i)) continue;
      const index = frame.first + i;
      const entry = frame.batch.entry(i);
      const view = Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength);
      if (index === 0 || view.includes(mark)) found.push(...keysIn(index, entry));
    }
    progress(frame.first + frame.batch.count);
  }
  const newest = (role: string) => found.findLast((k) => k.role === role);
  const listed = found.map((k): ListedKey => {
    const state = newest(k.role) === k ? 'in-force' : 'retired';
    return { ...k, state };
  });
  const rotation = await readRotation(layout.identity);
  if (rotation === undefined) return listed;
  const { ak, recordKey, reason } = rotation;
  const waiting: ListedKey[] = [
    ...(ak === undefined
      ? []
      : [
          {
            role: 'ak',
            state: 'waiting',
            ...keyOf(ak.public),
            reason,
            certified: ak.certificate !== undefined,
          } as const,
        ]),
    ...(recordKey === undefined
      ? []
      : [{ role: 'record', state: 'waiting', ...keyOf(recordKey.public), reason } as const]),
  ];
  return [...listed, ...waiting.filter((w) => !listed.some((l) => l.name === w.name))];
}

function keysIn(index: number, entry: Uint8Array): Read[] {
  const { kind, predicate } = readStatement(entry);
  if (kind === 'genesis') {
    const at = { index, since: predicate.time };
    return [
      { role: 'ak', ...keyOf(predicate.ak.public), ...at },
      { role: 'record', ...keyOf(predicate.recordKey.public), ...at },
    ];
  }
  if (kind !== 'keychange' || !isHostKeychange(predicate)) return [];
  const { role, key, reason, time: since } = predicate;
  return [{ role, ...keyOf(key.public), index, since, reason }];
}

/** `ak`, `record`, or the one key whose Name starts so. @throws NOT_FOUND */
export function chooseKey(keys: readonly ListedKey[], name: string): ListedKey {
  const found =
    name === 'ak' || name === 'record'
      ? keys.filter((k) => k.role === name && k.state === 'in-force')
      : keys.filter((k) => k.name.startsWith(name) || k.name.slice(4).startsWith(name));
  const [only] = found;
  if (only === undefined || found.length > 1) {
    throw new AttestdError(
      'NOT_FOUND',
      `${found.length === 0 ? 'no key' : 'more than one key'} is called ${name}`,
    );
  }
  return only;
}
