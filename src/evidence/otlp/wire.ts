/** Protocol buffers on the wire (proto3), as strictly as the encoding allows: every length is held against what is there. */
import { AttestdError } from '../../core/errors.ts';

const malformed = (why: string) => new AttestdError('MALFORMED', `OTLP protobuf: ${why}`);

/** One field: varints as unsigned 64 bits, fixed ones as their value, the rest as bytes. */
export interface Field {
  readonly number: number;
  readonly value: bigint | Uint8Array;
  readonly bits: 0 | 32 | 64;
}

/** The fields of a message, in order. @throws MALFORMED for anything cut off, groups, or a field number of 0 */
export function* fields(bytes: Uint8Array): Generator<Field> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  function varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const b = bytes[at++];
      if (b === undefined) throw malformed('a number is cut off');
      value |= BigInt(b & 0x7f) << shift;
      if ((b & 0x80) === 0) {
        if (value > 0xffff_ffff_ffff_ffffn) break;
        return value;
      }
    }
    throw malformed('a number is longer than 64 bits');
  }
  const need = (n: number): number => {
    if (n > bytes.length - at) throw malformed('a field is cut off');
    at += n;
    return at - n;
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = Number(tag >> 3n);
    if (number < 1 || number > 0x1fff_ffff) throw malformed('a field has no number');
    switch (Number(tag & 7n)) {
      case 0:
        yield { number, value: varint(), bits: 0 };
        break;
      case 1:
        yield { number, value: view.getBigUint64(need(8), true), bits: 64 };
        break;
      case 2: {
        const length = varint();
        if (length > BigInt(bytes.length - at)) throw malformed('a field is cut off');
        const start = need(Number(length));
        yield { number, value: bytes.subarray(start, at), bits: 0 };
        break;
      }
      case 5:
        yield { number, value: BigInt(view.getUint32(need(4), true)), bits: 32 };
        break;
      default:
        throw malformed('a wire type that proto3 does not have');
    }
  }
}

/** @throws MALFORMED where the field is of another kind */
export function bytesOf({ value, number }: Field): Uint8Array {
  if (!(value instanceof Uint8Array)) throw malformed(`field ${number} is no text, bytes or message`);
  return value;
}
/** Text; an exporter that cut it within a character leaves bytes that are no UTF-8, and they are not the whole of it. */
export const textOf = (field: Field): string => decoder.decode(bytesOf(field));
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
/** @throws MALFORMED where the field is of another kind */
export function numberOf({ value, number, bits }: Field, expected: Field['bits'] = 0): bigint {
  if (typeof value !== 'bigint' || bits !== expected) throw malformed(`field ${number} is no such number`);
  return value;
}
