/**
 * A bounded reader of DER (X.690 §10). Libraries read BER and forgive; a verifier must know that the bytes it was
 * given are the only encoding of what it read, or bytes exist that no signature covers. So what can be read but is
 * not DER is reported as a deviation, and who needs DER refuses it. Only low tag numbers and definite lengths occur
 * in X.509, so nothing else is read.
 */
import { fromUtf8 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';

/** One TLV: its identifier octet, all its bytes, its content and, where it is constructed, its parts. */
export interface Der {
  readonly tag: number;
  readonly bytes: Uint8Array;
  readonly content: Uint8Array;
  readonly children: readonly Der[];
}

/** Identifier octets that X.509 uses. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

const MAX_NESTING = 24;

const malformed = (why: string) => new AttestdError('MALFORMED', `DER: ${why}`);

/**
 * Reads one TLV that fills `bytes` exactly.
 * @param deviations receives a sentence for everything that is readable but not DER
 * @throws MALFORMED when the bytes cannot be read, or when some are left over
 */
export function readDer(bytes: Uint8Array, deviations: string[]): Der {
  const node = readOne(bytes, 0, deviations, 0);
  if (node.bytes.length !== bytes.length)
    throw malformed(`${bytes.length - node.bytes.length} bytes too many`);
  return node;
}

/** The length of the TLV that `bytes` begin with, header included, without reading its content. @throws MALFORMED */
export function outerLength(bytes: Uint8Array): number {
  const { header, length } = readHeader(bytes, 0, []);
  return header + length;
}

function readHeader(b: Uint8Array, at: number, deviations: string[]) {
  const tag = b[at];
  const first = b[at + 1];
  if (tag === undefined || first === undefined) throw malformed('ends inside a header');
  if ((tag & 0x1f) === 0x1f) throw malformed('a high tag number');
  if (first < 0x80) return { tag, header: 2, length: first };
  const n = first & 0x7f;
  if (n === 0 || n > 3) throw malformed('an indefinite or enormous length');
  let length = 0;
  for (let i = 0; i < n; i++) {
    const x = b[at + 2 + i];
    if (x === undefined) throw malformed('ends inside a length');
    length = length * 256 + x;
  }
  if (length < 0x80 || length < 256 ** (n - 1)) deviations.push('a length is not minimal');
  return { tag, header: 2 + n, length };
}

function readOne(b: Uint8Array, at: number, deviations: string[], depth: number): Der {
  if (depth > MAX_NESTING) throw malformed('nested too deep');
  const { tag, header, length } = readHeader(b, at, deviations);
  const end = at + header + length;
  if (end > b.length) throw malformed(`${length} bytes wanted, ${b.length - at - header} left`);
  const bytes = b.subarray(at, end);
  const content = bytes.subarray(header);
  const children: Der[] = [];
  if ((tag & 0x20) !== 0) {
    if (tag < 0x40 && tag !== TAG.sequence && tag !== TAG.set) throw malformed('a constructed string');
    for (let i = 0; i < content.length; ) {
      const child = readOne(content, i, deviations, depth + 1);
      children.push(child);
      i += child.bytes.length;
    }
    if (tag === TAG.set && !isSorted(children)) deviations.push('a SET is not in DER order');
  } else if (tag < 0x40) checkPrimitive(tag, content, deviations);
  return { tag, bytes, content, children };
}

function isSorted(children: readonly Der[]): boolean {
  for (let i = 1; i < children.length; i++) {
    const a = (children[i - 1] as Der).bytes;
    const b = (children[i] as Der).bytes;
    let k = 0;
    while (k < a.length && k < b.length && a[k] === b[k]) k++;
    if ((a[k] ?? 0) > (b[k] ?? 0)) return false;
  }
  return true;
}

function checkPrimitive(tag: number, c: Uint8Array, deviations: string[]): void {
  const first = c[0];
  switch (tag) {
    case TAG.boolean:
      if (c.length !== 1) throw malformed('a BOOLEAN of another length than 1');
      if (first !== 0 && first !== 0xff) deviations.push('a BOOLEAN is neither 00 nor FF');
      break;
    case TAG.integer:
    case TAG.enumerated: {
      if (first === undefined) throw malformed('an empty INTEGER');
      const second = c[1] ?? 0;
      const loose = c.length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80));
      if (loose) deviations.push('an INTEGER is not minimal');
      break;
    }
    case TAG.bitString: {
      if (first === undefined || first > 7 || (c.length === 1 && first !== 0)) {
        throw malformed('a BIT STRING without a sensible count of unused bits');
      }
      const last = c[c.length - 1] ?? 0;
      if (c.length > 1 && (last & ((1 << first) - 1)) !== 0) deviations.push('unused bits are not zero');
      break;
    }
    case TAG.null:
      if (c.length !== 0) throw malformed('a NULL with content');
      break;
    case TAG.oid:
      if (first === undefined || ((c[c.length - 1] as number) & 0x80) !== 0) throw malformed('a broken OID');
      for (let i = 0; i < c.length; i++) {
        if (c[i] === 0x80 && (i === 0 || ((c[i - 1] as number) & 0x80) === 0))
          deviations.push('an OID is not minimal');
      }
      break;
    default:
  }
}

/** The value as that type. @throws MALFORMED naming `what` when it is absent or of another type */
export function expect(node: Der | undefined, tag: number, what: string): Der {
  if (node === undefined) throw malformed(`${what} is missing`);
  if (node.tag !== tag) throw malformed(`${what} has tag 0x${node.tag.toString(16)}`);
  return node;
}

/** Dotted text of an OBJECT IDENTIFIER. @throws MALFORMED */
export function oidText(node: Der | undefined, what: string): string {
  const c = expect(node, TAG.oid, what).content;
  const arcs: bigint[] = [];
  let acc = 0n;
  for (const x of c) {
    acc = (acc << 7n) | BigInt(x & 0x7f);
    if ((x & 0x80) === 0) {
      arcs.push(acc);
      acc = 0n;
    }
  }
  const head = arcs[0] as bigint;
  const root = head < 40n ? 0n : head < 80n ? 1n : 2n;
  return [root, head - root * 40n, ...arcs.slice(1)].join('.');
}

/** A non-negative INTEGER that a number holds exactly. @throws MALFORMED */
export function smallInteger(node: Der | undefined, what: string): number {
  const c = expect(node, TAG.integer, what).content;
  if (c.length > 6 || (c[0] as number) >= 0x80) throw malformed(`${what} is out of range`);
  return c.reduce((n, x) => n * 256 + x, 0);
}

/** BIT STRING content without its count of unused bits, which must be 0. @throws MALFORMED */
export function wholeBits(node: Der | undefined, what: string): Uint8Array {
  const c = expect(node, TAG.bitString, what).content;
  if (c[0] !== 0) throw malformed(`${what} has unused bits`);
  return c.subarray(1);
}

/** Milliseconds since 1970 of a Time (RFC 5280 §4.1.2.5: UTCTime to 2049, Z, with seconds). @throws MALFORMED */
export function timeValue(node: Der | undefined, what: string): number {
  if (node === undefined || (node.tag !== TAG.utcTime && node.tag !== TAG.generalizedTime)) {
    throw malformed(`${what} is not a time`);
  }
  let s = fromUtf8(node.content);
  if (node.tag === TAG.utcTime) s = (Number(s.slice(0, 2)) < 50 ? '20' : '19') + s;
  const m = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(s);
  if (m === null) throw malformed(`${what} is not a UTC time with seconds`);
  const iso = `${m[1]}-${m[2]}-${m[3]}T${m[4]}:${m[5]}:${m[6]}.000Z`;
  const ms = Date.parse(iso);
  if (Number.isNaN(ms) || new Date(ms).toISOString() !== iso) throw malformed(`${what} is no date`);
  return ms;
}
