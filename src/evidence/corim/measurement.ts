/**
 * A measurement of a CoMID (draft-ietf-rats-corim, Measurements): digests and integrity registers as they stand, and by
 * name whatever else the measured thing must be. What a name or number stands for is not decided here.
 */
import { toHex } from '../../core/bytes.ts';
import { type Cbor, CborTag } from '../cbor.ts';
import { corimFault, fieldsOf, listOf, pairOf, tagged, textOf } from './fields.ts';

/** A digest by the name of its algorithm in the IANA registry of named information hashes. */
export interface Digest {
  readonly algorithm: string;
  readonly value: Uint8Array;
}

export interface Measurement {
  /** What was measured: a number, a text, or the text of something else (UUID, OID). */
  readonly key?: number | string;
  readonly keyIs?: 'number' | 'text' | 'other';
  readonly digests?: readonly Digest[];
  /** By number or name; the type of a name matters, 5 is not "5". */
  readonly registers?: ReadonlyMap<number | string, readonly Digest[]>;
  /** Names of the other values that the measurement demands. */
  readonly others: readonly string[];
}

const ALGORITHMS: ReadonlyMap<number, string> = new Map([
  [1, 'sha-256'],
  [2, 'sha-256-128'],
  [3, 'sha-256-120'],
  [4, 'sha-256-96'],
  [5, 'sha-256-64'],
  [6, 'sha-256-32'],
  [7, 'sha-384'],
  [8, 'sha-512'],
  [9, 'sha3-224'],
  [10, 'sha3-256'],
  [11, 'sha3-384'],
  [12, 'sha3-512'],
]);
const SIZES: Readonly<Record<string, number>> = { 'sha-256': 32, 'sha-384': 48, 'sha-512': 64 };

/** Values of a measurement beside digests (2) and integrity registers (14). */
const VALUES: ReadonlyMap<number, string> = new Map([
  [0, 'version'],
  [1, 'svn'],
  [3, 'flags'],
  [4, 'raw-value'],
  [5, 'raw-value-mask'],
  [6, 'mac-addr'],
  [7, 'ip-addr'],
  [8, 'serial-number'],
  [9, 'ueid'],
  [10, 'uuid'],
  [11, 'name'],
  [13, 'cryptokeys'],
  [15, 'int-range'],
]);

/** @throws MALFORMED */
export function readMeasurement(value: Cbor): Measurement {
  const fields = fieldsOf(value, 'a measurement');
  const mkey = fields.take(0);
  const values = fieldsOf(fields.need(1, 'values'), 'the values of a measurement');
  const others: string[] = [];
  if (fields.take(2) !== undefined) others.push('authorized-by');
  const digests = values.take(2);
  const registers = values.take(14);
  for (const [label, name] of VALUES) if (values.take(label) !== undefined) others.push(name);
  for (const label of values.rest()) others.push(`value ${label}`);
  for (const label of fields.rest()) others.push(`field ${label}`);
  if (digests === undefined && registers === undefined && others.length === 0) {
    throw corimFault('a measurement has no values');
  }
  return {
    ...(mkey === undefined ? {} : readKey(mkey)),
    ...(digests === undefined ? {} : { digests: readDigests(digests) }),
    ...(registers === undefined ? {} : { registers: readRegisters(registers) }),
    others,
  };
}

function readKey(mkey: Cbor): Pick<Measurement, 'key' | 'keyIs'> {
  if (typeof mkey === 'number' && Number.isInteger(mkey) && mkey >= 0) return { key: mkey, keyIs: 'number' };
  if (typeof mkey === 'string') return { key: textOf(mkey, 'the key of a measurement'), keyIs: 'text' };
  for (const [tag, name] of [
    [37, 'UUID'],
    [111, 'OID'],
  ] as const) {
    const inside = tagged(mkey, tag);
    if (inside instanceof Uint8Array && inside.length <= 64) {
      return { key: `${name} ${toHex(inside)}`, keyIs: 'other' };
    }
  }
  throw corimFault(`the key of a measurement is ${mkey instanceof CborTag ? `tag ${mkey.tag}` : 'none'}`);
}

/** Digests of one thing; each algorithm stands once (draft-ietf-rats-corim, Digest). */
function readDigests(value: Cbor): Digest[] {
  const out: Digest[] = [];
  for (const entry of listOf(value, 'a list of digests')) {
    const [alg, bytes] = pairOf(entry, 'a digest');
    const algorithm = algorithmOf(alg);
    if (!(bytes instanceof Uint8Array)) throw corimFault('a digest is no byte string');
    const size = SIZES[algorithm];
    if (bytes.length === 0 || bytes.length > 64 || (size !== undefined && bytes.length !== size)) {
      throw corimFault(`a ${algorithm} digest has ${bytes.length} bytes`);
    }
    if (out.some((d) => d.algorithm === algorithm)) {
      throw corimFault(`two ${algorithm} digests stand for one thing`);
    }
    out.push({ algorithm, value: bytes.slice() });
  }
  return out;
}

function algorithmOf(alg: Cbor): string {
  if (typeof alg === 'string') return textOf(alg, 'the algorithm of a digest').slice(0, 64);
  if (typeof alg !== 'number' || !Number.isInteger(alg)) throw corimFault('a digest has no algorithm');
  return ALGORITHMS.get(alg) ?? `algorithm ${alg}`;
}

function readRegisters(value: Cbor): Map<number | string, readonly Digest[]> {
  if (!(value instanceof Map) || value.size === 0)
    throw corimFault('integrity-registers is no map of registers');
  const out = new Map<number | string, readonly Digest[]>();
  for (const [id, digests] of value as ReadonlyMap<Cbor, Cbor>) {
    if (typeof id === 'number' && Number.isInteger(id) && id >= 0) out.set(id, readDigests(digests));
    else out.set(textOf(id, 'the name of an integrity register'), readDigests(digests));
  }
  return out;
}
