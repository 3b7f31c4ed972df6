/**
 * Makes the entry of a record from the canonical text of its predicate, encoded once, into a scratch buffer: for the kinds
 * that come by the thousand. What it gives is what `buildEntry` gives for the same predicate.
 */
import { toHex, utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { PAYLOAD_TYPE, STATEMENT_TYPE } from '../core/namespace.ts';
import { MAX_ENTRY } from './dsse.ts';
import { createCopier } from './pool.ts';
import { type Kind, predicateType } from './statement.ts';

/**
 * Writes one entry.
 * @param predicate in RFC 8785 form, without a lone surrogate
 * @param artefacts subjects after the first in the same form, each with a leading comma
 * The writer throws RECORD_TOO_LARGE over 65,535 bytes.
 */
export type EntryWriter = (id: string, predicate: string, artefacts?: string) => Uint8Array;

/** Room for the DSSE header, whose length has up to five digits, before the payload. */
const HEADER_ROOM = 64;
const encoder = new TextEncoder();

/** A writer for records of one kind. */
export function createEntryWriter(kind: Kind): EntryWriter {
  const copy = createCopier();
  const scratch = new Uint8Array(HEADER_ROOM + MAX_ENTRY + 1);
  const head = utf8(`{"_type":${JSON.stringify(STATEMENT_TYPE)},"predicate":`);
  scratch.set(head, HEADER_ROOM);
  const predicateAt = HEADER_ROOM + head.length;
  const type = utf8(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} `);
  const tail = `,"predicateType":${JSON.stringify(predicateType(kind))},"subject":[{"digest":{"sha256":"`;

  function put(text: string, at: number): number {
    const { read, written } = encoder.encodeInto(text, scratch.subarray(at));
    if (read < text.length) throw tooLarge();
    return at + written;
  }

  function frame(payloadEnd: number): Uint8Array {
    const length = `${payloadEnd - HEADER_ROOM} `;
    const start = HEADER_ROOM - length.length - type.length;
    if (payloadEnd - start > MAX_ENTRY) throw tooLarge();
    scratch.set(type, start);
    for (let i = 0; i < length.length; i++) scratch[start + type.length + i] = length.charCodeAt(i);
    return copy(scratch, start, payloadEnd);
  }

  return (id, predicate, artefacts = '') => {
    const predicateEnd = put(predicate, predicateAt);
    const subject = toHex(sha256(scratch.subarray(predicateAt, predicateEnd)));
    const end = put(`${tail}${subject}"},"name":"${kind}:${id}"}${artefacts}]}`, predicateEnd);
    return frame(end);
  };
}

const tooLarge = () => new AttestdError('RECORD_TOO_LARGE', `the record would be over ${MAX_ENTRY} bytes`);
