/** DER that is written, not read: extension values that must carry other people's bytes verbatim. */
import * as asn1js from 'asn1js';
import { concat, utf8 } from '../core/bytes.ts';

/** One TLV with a minimal length. */
export function tlv(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = concat(...parts);
  const length: number[] = [];
  for (let n = body.length; n > 0; n = Math.floor(n / 256)) length.unshift(n % 256);
  const head = body.length < 128 ? [tag, body.length] : [tag, 0x80 | length.length, ...length];
  return concat(Uint8Array.from(head), body);
}

/** SEQUENCE of the parts. */
export const sequence = (...parts: readonly Uint8Array[]): Uint8Array => tlv(0x30, ...parts);
/** UTF8String. */
export const utf8String = (text: string): Uint8Array => tlv(0x0c, utf8(text));
/** OBJECT IDENTIFIER. */
export const oid = (text: string): Uint8Array =>
  new Uint8Array(new asn1js.ObjectIdentifier({ value: text }).toBER());
