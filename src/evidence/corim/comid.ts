/**
 * A CoMID (draft-ietf-rats-corim, Concise Module Identifier): its reference triples, and by name what else it holds.
 * Endorsements, keys and memberships are statements about a device and no reference values; a tag or triple that
 * nobody knows might be either, so it counts as one that demands something.
 */
import { toHex } from '../../core/bytes.ts';
import { type Cbor, CborTag } from '../cbor.ts';
import { corimFault, fieldsOf, listOf, pairOf, readItem, textOf } from './fields.ts';
import { type Measurement, readMeasurement } from './measurement.ts';

/** One intended state of one environment. */
export interface ReferenceTriple {
  /** What is measured, in one spelling: two are the same environment exactly when this is equal. */
  readonly environment: string;
  readonly measurements: readonly Measurement[];
}

export interface Comid {
  readonly id: string;
  readonly triples: readonly ReferenceTriple[];
  /** Ids of the CoMIDs that this one takes the place of. */
  readonly replaces: readonly string[];
  /** Parts that say nothing of how a machine must be. */
  readonly unused: readonly string[];
  /** Parts that demand something, or might. */
  readonly demands: readonly string[];
}

/** Triples that describe or endorse; reference triples are 0. */
const DESCRIBING: ReadonlyMap<number, string> = new Map([
  [1, 'endorsed-triples'],
  [2, 'identity-triples'],
  [3, 'attest-key-triples'],
  [4, 'dependency-triples'],
  [5, 'membership-triples'],
  [6, 'coswid-triples'],
  [8, 'conditional-endorsement-series-triples'],
  [10, 'conditional-endorsement-triples'],
]);
const REPLACES = 1;

/** Reads what stands behind tag 506. @throws MALFORMED, TOO_LARGE */
export function parseComid(bytes: Uint8Array): Comid {
  const fields = fieldsOf(readItem(bytes), 'a CoMID');
  fields.take(0); // language
  const identity = fieldsOf(fields.need(1, 'identity'), 'the identity of a CoMID');
  const id = idOf(identity.need(0, 'id'), 'the id of a CoMID');
  identity.take(1); // version of the tag
  fields.take(2); // entities
  const replaces = readLinks(fields.take(3));
  const triples = fieldsOf(fields.need(4, 'triples'), 'the triples of a CoMID');
  const reference = triples.take(0);
  const unused: string[] = [];
  for (const [label, name] of DESCRIBING) {
    const found = triples.take(label);
    if (found !== undefined) unused.push(`${listOf(found, name).length} of ${name}`);
  }
  return {
    id,
    triples: reference === undefined ? [] : listOf(reference, 'reference-triples').map(readTriple),
    replaces,
    unused,
    demands: [
      ...triples.rest().map((label) => `triples of the unknown kind ${label}`),
      ...[...fields.rest(), ...identity.rest()].map((label) => `the unknown field ${label}`),
    ],
  };
}

function readLinks(value: Cbor | undefined): string[] {
  if (value === undefined) return [];
  return listOf(value, 'linked-tags').flatMap((link) => {
    const fields = fieldsOf(link, 'a linked tag');
    const id = idOf(fields.need(0, 'id'), 'the id of a linked tag');
    return fields.need(1, 'relation') === REPLACES ? [id] : [];
  });
}

/** Text, or a UUID of 16 bytes in hexadecimal. @throws MALFORMED */
export function idOf(value: Cbor, what: string): string {
  return value instanceof Uint8Array && value.length === 16 ? toHex(value) : textOf(value, what);
}

function readTriple(value: Cbor): ReferenceTriple {
  const [environment, measurements] = pairOf(value, 'a reference triple');
  return {
    environment: readEnvironment(environment),
    measurements: listOf(measurements, 'the measurements of a reference triple').map(readMeasurement),
  };
}

const CLASS: ReadonlyMap<number, string> = new Map([
  [0, 'class'],
  [1, 'vendor'],
  [2, 'model'],
  [3, 'layer'],
  [4, 'index'],
]);

/** One line that says everything of an environment. */
function readEnvironment(value: Cbor): string {
  const fields = fieldsOf(value, 'an environment');
  const parts: string[] = [];
  const classMap = fields.take(0);
  if (classMap !== undefined) {
    const inside = fieldsOf(classMap, 'the class of an environment');
    for (const [label, name] of CLASS) {
      const found = inside.take(label);
      if (found !== undefined) parts.push(`${name} ${plain(found)}`);
    }
    refuseUnknown(inside.rest(), 'the class of an environment');
  }
  for (const [label, name] of [
    [1, 'instance'],
    [2, 'group'],
  ] as const) {
    const found = fields.take(label);
    if (found !== undefined) parts.push(`${name} ${plain(found)}`);
  }
  refuseUnknown(fields.rest(), 'an environment');
  if (parts.length === 0) throw corimFault('an environment is empty');
  return parts.join(', ');
}

/** What environments are told apart by must be known whole. */
function refuseUnknown([unknown]: readonly string[], what: string): void {
  if (unknown !== undefined) throw corimFault(`${what} has the unknown field ${unknown}`);
}

const TAG_NAMES: Readonly<Record<number, string>> = { 37: 'UUID ', 111: 'OID ', 550: 'UEID ', 560: 'bytes ' };

function plain(value: Cbor): string {
  if (value instanceof CborTag)
    return `${TAG_NAMES[value.tag] ?? `tag ${value.tag} `}${plain(value.value as Cbor)}`;
  if (value instanceof Uint8Array) {
    if (value.length > 512) throw corimFault('an environment is told by more than 512 bytes');
    return toHex(value);
  }
  if (typeof value === 'number' && Number.isInteger(value)) return String(value);
  return JSON.stringify(textOf(value, 'what tells an environment'));
}
