/**
 * An unsigned CoRIM (draft-ietf-rats-corim, CoRIM Map): tag 501 and a map. Its CoMIDs are read; CoSWIDs and lists of
 * tags are named, for a file with them says more than was read. Nothing here says that what it says is so.
 */
import { toHex } from '../../core/bytes.ts';
import { type Cbor, CborTag } from '../cbor.ts';
import { type Comid, idOf, parseComid } from './comid.ts';
import { corimFault, fieldsOf, listOf, readItem, tagged, textOf } from './fields.ts';
import { readValidity, type Validity } from './validity.ts';

export interface Corim {
  readonly id: string;
  /** A URI, or `OID` and the content of one in hexadecimal. Whoever does not know it must not use the file. */
  readonly profile?: string;
  readonly validity?: Validity;
  readonly comids: readonly Comid[];
  readonly unused: readonly string[];
  readonly demands: readonly string[];
}

const UNSIGNED = 501;
const COSWID = 505;
const COMID = 506;
const TAG_LIST = 508;

/** Reads a manifest that fills `bytes`. @throws MALFORMED, TOO_LARGE */
export function parseCorim(bytes: Uint8Array): Corim {
  const map = tagged(readItem(bytes), UNSIGNED);
  if (map === undefined) throw corimFault(`it does not begin with tag ${UNSIGNED}`);
  const fields = fieldsOf(map, 'the manifest');
  const id = idOf(fields.need(0, 'id'), 'the id');
  const comids: Comid[] = [];
  const demands: string[] = [];
  for (const tag of listOf(fields.need(1, 'tags'), 'tags')) {
    if (!(tag instanceof CborTag) || !((tag.value as Cbor) instanceof Uint8Array)) {
      throw corimFault('what stands in tags is no tag over bytes');
    }
    if (tag.tag === COMID) comids.push(parseComid(tag.value as Uint8Array));
    else if (tag.tag === COSWID) demands.push('a CoSWID tag');
    else if (tag.tag === TAG_LIST) demands.push('a list of tags (CoTL)');
    else throw corimFault(`tag ${tag.tag} stands in tags`);
  }
  const unused: string[] = [];
  const dependent = fields.take(2);
  if (dependent !== undefined) unused.push(`${listOf(dependent, 'dependent-rims').length} of dependent-rims`);
  const profile = fields.take(3);
  const validity = fields.take(4);
  fields.take(5); // entities
  demands.push(...fields.rest().map((label) => `the unknown field ${label} of the manifest`));
  return {
    id,
    ...(profile === undefined ? {} : { profile: profileOf(profile) }),
    ...(validity === undefined ? {} : { validity: readValidity(validity, 'the validity of the manifest') }),
    comids,
    unused,
    demands,
  };
}

function profileOf(value: Cbor): string {
  const uri = tagged(value, 32);
  if (uri !== undefined) return textOf(uri, 'the profile');
  const oid = tagged(value, 111);
  if (oid instanceof Uint8Array && oid.length <= 64) return `OID ${toHex(oid)}`;
  throw corimFault('the profile is neither a URI nor an OID');
}
