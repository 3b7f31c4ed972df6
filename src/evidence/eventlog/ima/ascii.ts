/**
 * A line of `ascii_runtime_measurements`: register, template hash, template, then the fields, parted by single spaces.
 * The bytes that the kernel hashed are put together again from the fields, lengths included. A name may hold spaces
 * (kernels before 2013 wrote them), so the columns after it are taken from the right.
 */
import { fromUtf8 } from '../../../core/bytes.ts';
import { AttestdError } from '../../../core/errors.ts';
import type { Arena } from './arena.ts';
import { ImaEntry, type Place } from './entry.ts';
import {
  type FieldKind,
  type ImaField,
  type ImaTemplate,
  LEGACY_DIGEST,
  LEGACY_NAME,
  MAX_TEMPLATE_NAME,
  templateOf,
} from './template.ts';

const SPACE = 0x20;
const COLON = 0x3a;
const MAX_HASH = 64;

/** Value of a hexadecimal digit by its code; -1 for anything else, capitals too. */
const NIBBLE = new Int8Array(256).fill(-1);
const DIGITS = '0123456789abcdef';
for (let i = 0; i < 16; i++) NIBBLE[DIGITS.charCodeAt(i)] = i;
/** Value of two digits by their codes, the first in the low byte: a list is made of little else. -1 for anything else. */
const PAIR = new Int16Array(65_536).fill(-1);
for (let i = 0; i < 256; i++) {
  PAIR[DIGITS.charCodeAt(i >> 4) | (DIGITS.charCodeAt(i & 15) << 8)] = i;
}

/** The label of by far the most usual field. */
const USUAL_LABEL = Uint8Array.from('sha256:', (c) => c.charCodeAt(0));
/** Characters of that field in a line. */
const USUAL_FIELD = USUAL_LABEL.length + 64;
/** Bytes in front of its digest: length, label, NUL. */
const USUAL_HEAD = 4 + USUAL_LABEL.length + 1;

/** Reads lines one after the other; remembers the template of the last. */
export class AsciiLines {
  readonly #arena: Arena;
  readonly #big: boolean;
  #template: ImaTemplate | undefined;
  #bytes: Uint8Array = new Uint8Array(0);
  /** Where the columns of the line that is read begin and end. */
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  #index = 0;

  /** @param big the list is of a big-endian host, so the lengths that were hashed are big-endian */
  constructor(arena: Arena, big: boolean) {
    this.#arena = arena;
    this.#big = big;
  }

  /**
   * Reads the line in [from, to), without its newline.
   * @throws MALFORMED naming the entry
   */
  read(bytes: Uint8Array, from: number, to: number, index: number): ImaEntry {
    this.#bytes = bytes;
    this.#index = index;
    let at = bytes[from] === SPACE ? from + 1 : from;
    const pcr = this.#pcr(at, this.#space(at, to));
    at = this.#space(at, to) + 1;
    let end = this.#space(at, to);
    const hash = this.#hash(at, end);
    at = end + 1;
    end = this.#space(at, to);
    const template = this.#templateAt(at, end);
    const usual = template.name === 'ima-ng' && !this.#big ? this.#usual(end + 1, to) : undefined;
    if (usual !== undefined) {
      return new ImaEntry(index, pcr, template.name, template, hash, usual, false, true);
    }
    const data = template.legacy ? this.#legacy(end + 1, to) : this.#data(template, end + 1, to);
    return new ImaEntry(index, pcr, template.name, template, hash, data, this.#big);
  }

  #fault(why: string): AttestdError {
    return new AttestdError('MALFORMED', `IMA list: entry ${this.#index}: ${why}`);
  }

  /** Where the column that begins at `from` ends. @throws MALFORMED when the line ends first */
  #space(from: number, to: number): number {
    const b = this.#bytes;
    let at = from;
    while (at < to && b[at] !== SPACE) at++;
    if (at >= to) throw this.#fault('the line has too few columns');
    return at;
  }

  #pcr(from: number, to: number): number {
    let pcr = to > from && to - from <= 2 ? 0 : -1;
    for (let at = from; at < to && pcr >= 0; at++) {
      const digit = (this.#bytes[at] as number) - 0x30;
      pcr = digit >= 0 && digit <= 9 ? pcr * 10 + digit : -1;
    }
    if (pcr < 0 || pcr > 23) throw this.#fault('the first column is no register');
    return pcr;
  }

  #hash(from: number, to: number): Place {
    const n = (to - from) / 2;
    if (!Number.isInteger(n) || n < 16 || n > MAX_HASH) {
      throw this.#fault(`a template hash of ${to - from} characters`);
    }
    const room = this.#arena.room(n);
    if (!this.#hex(from, to, this.#arena.page, room))
      throw this.#fault('the template hash is not hexadecimal');
    const { page } = this.#arena;
    this.#arena.skip(n);
    return { page, from: room, to: room + n };
  }

  #templateAt(from: number, to: number): ImaTemplate {
    const last = this.#template;
    if (last !== undefined && this.#is(last.name, from, to)) return last;
    if (to - from > MAX_TEMPLATE_NAME) throw this.#fault('the name of its template is too long');
    const name = this.#text(from, to);
    const found = templateOf(name);
    // Its bytes cannot be put together again from columns that nobody knows.
    if (found === undefined) throw this.#fault(`the template ${JSON.stringify(name)} is not known`);
    this.#template = found;
    return found;
  }

  #is(name: string, from: number, to: number): boolean {
    if (name.length !== to - from) return false;
    for (let i = 0; i < name.length; i++) if (this.#bytes[from + i] !== name.charCodeAt(i)) return false;
    return true;
  }

  #text(from: number, to: number): string {
    return fromUtf8(this.#bytes.subarray(from, to));
  }

  /** Decodes hexadecimal into `out`; false, with zeros put back, where it is none. */
  #hex(from: number, to: number, out: Uint8Array, at: number): boolean {
    const b = this.#bytes;
    if (((to - from) & 1) !== 0) return false;
    let o = at;
    for (let i = from; i < to; i += 2) {
      const value = PAIR[(b[i] as number) | ((b[i + 1] as number) << 8)] as number;
      if (value < 0) {
        out.fill(0, at, o);
        return false;
      }
      out[o++] = value;
    }
    return true;
  }

  /**
   * The data of by far the most usual line, `sha256:`, 64 digits, a space and a name, in one go; undefined for any other,
   * which is read field by field.
   */
  #usual(from: number, to: number): Uint8Array | undefined {
    const b = this.#bytes;
    const name = from + USUAL_FIELD + 1;
    if (to <= name || b[name - 1] !== SPACE) return undefined;
    for (let i = 0; i < USUAL_LABEL.length; i++) if (b[from + i] !== USUAL_LABEL[i]) return undefined;
    const size = to - name + 1;
    const room = this.#arena.room(USUAL_HEAD + 32 + 4 + size);
    const { page } = this.#arena;
    if (!this.#hex(from + USUAL_LABEL.length, name - 1, page, room + USUAL_HEAD)) return undefined;
    let at = room + USUAL_HEAD + 32 + 4;
    for (let i = name; i < to; i++) {
      const c = b[i] as number;
      if (c === 0) {
        page.fill(0, room, at);
        return undefined;
      }
      page[at++] = c;
    }
    page[room] = USUAL_HEAD - 4 + 32;
    page.set(USUAL_LABEL, room + 4);
    this.#length(page, room + USUAL_HEAD + 32, size);
    return this.#arena.take(USUAL_HEAD + 32 + 4 + size);
  }

  #legacy(from: number, to: number): Uint8Array {
    const end = this.#space(from, to);
    const length = to - end - 1;
    if (length === 0 || length >= LEGACY_NAME) throw this.#fault(`a name of ${length} bytes`);
    const room = this.#arena.room(LEGACY_DIGEST + LEGACY_NAME);
    if (end - from !== 2 * LEGACY_DIGEST || !this.#hex(from, end, this.#arena.page, room)) {
      throw this.#fault('the digest is not 40 hexadecimal digits');
    }
    const name = this.#bytes.subarray(end + 1, to);
    if (name.includes(0)) throw this.#fault('a NUL in the name');
    this.#arena.page.set(name, room + LEGACY_DIGEST);
    return this.#arena.take(LEGACY_DIGEST + LEGACY_NAME);
  }

  /** The template's data out of the columns in [from, to). */
  #data({ fields, nameAt }: ImaTemplate, from: number, to: number): Uint8Array {
    const count = fields.length;
    const starts = this.#starts;
    const ends = this.#ends;
    const middle = nameAt < 0 ? count - 1 : nameAt;
    let left = from;
    for (let i = 0; i < middle; i++) {
      const end = this.#space(left, to);
      starts[i] = left;
      ends[i] = end;
      left = end + 1;
    }
    let right = to;
    for (let i = count - 1; i > middle; i--) {
      let space = right - 1;
      while (space >= left && this.#bytes[space] !== SPACE) space--;
      const fits = space >= left && this.#fits((fields[i] as ImaField).kind, space + 1, right);
      // Some writers leave out the space before an empty last column.
      starts[i] = fits ? space + 1 : right;
      ends[i] = right;
      if (fits) right = space;
    }
    starts[middle] = left;
    ends[middle] = right;
    const room = this.#arena.room(to - from + 8 * count);
    const { page } = this.#arena;
    let at = room;
    for (let i = 0; i < count; i++) {
      const field = fields[i] as ImaField;
      const size = this.#write(field, starts[i] as number, ends[i] as number, page, at + 4);
      this.#length(page, at, size);
      at += 4 + size;
    }
    return this.#arena.take(at - room);
  }

  /** Whether a column can be of a kind; what cannot belongs to the name before it. */
  #fits(kind: FieldKind, from: number, to: number): boolean {
    if (kind === 'text') return true;
    if (kind === 'bytes' && (to - from) % 2 !== 0) return false;
    for (let at = from; at < to; at++) {
      const c = this.#bytes[at] as number;
      if (kind === 'number' ? c < 0x30 || c > 0x39 : kind === 'bytes' && (NIBBLE[c] as number) < 0)
        return false;
    }
    return kind !== 'labelled' || to === from || this.#bytes.subarray(from, to).includes(COLON);
  }

  /** Writes one field as the kernel holds it, and says how many bytes it has. */
  #write({ id, kind, size }: ImaField, from: number, to: number, out: Uint8Array, at: number): number {
    switch (kind) {
      case 'text':
        if (from === to && id === 'xattrnames') return 0;
        for (let i = from; i < to; i++) out[at + i - from] = this.#bytes[i] as number;
        return to - from + 1;
      case 'labelled':
        return from === to ? 0 : this.#labelled(id, from, to, out, at);
      case 'number':
        return this.#number(id, size, from, to, out, at);
      default:
        if (!this.#hex(from, to, out, at)) throw this.#fault(`the field ${id} is not hexadecimal`);
        return (to - from) / 2;
    }
  }

  #labelled(id: string, from: number, to: number, out: Uint8Array, at: number): number {
    const label = this.#bytes.lastIndexOf(COLON, to - 1) + 1;
    if (label <= from) throw this.#fault(`the field ${id} names no hash`);
    for (let i = from; i < label; i++) out[at + i - from] = this.#bytes[i] as number;
    const value = at + label - from + 1;
    if (!this.#hex(label, to, out, value)) throw this.#fault(`the field ${id} is not hexadecimal`);
    return value - at + (to - label) / 2;
  }

  #number(id: string, size: number, from: number, to: number, out: Uint8Array, at: number): number {
    const value = to - from >= 1 && to - from <= 10 ? Number(this.#text(from, to)) : Number.NaN;
    if (!Number.isInteger(value) || value >= 2 ** (8 * size))
      throw this.#fault(`the field ${id} is no number`);
    for (let i = 0; i < size; i++) {
      out[at + (this.#big ? size - 1 - i : i)] = Math.floor(value / 2 ** (8 * i)) & 255;
    }
    return size;
  }

  #length(out: Uint8Array, at: number, n: number): void {
    for (let i = 0; i < 4; i++) out[at + (this.#big ? 3 - i : i)] = (n >>> (8 * i)) & 255;
  }
}
