/** Writes firmware logs as firmware does, with digests of the events' data. */
import { createHash } from 'node:crypto';

export interface LogEvent {
  readonly pcr: number;
  readonly type: number;
  readonly data: Uint8Array;
  /** What is hashed, where that is not the data. */
  readonly measured?: Uint8Array;
}

const ALG: Readonly<Record<string, number>> = {
  sha1: 4,
  sha256: 11,
  sha384: 12,
  sha512: 13,
  sm3_256: 18,
  sha3_256: 39,
  sha3_384: 40,
  sha3_512: 41,
};

/** What OpenSSL calls the function of a bank. */
export const openssl = (bank: string): string => bank.replace('sm3_256', 'sm3').replace('_', '-');

/** A bank of an algorithm that nobody knows. */
export interface Unknown {
  readonly algorithm: number;
  readonly size: number;
}
export type Bank = string | Unknown;

function le(size: 2 | 4, n: number): Buffer {
  const b = Buffer.alloc(size);
  if (size === 2) b.writeUInt16LE(n);
  else b.writeUInt32LE(n);
  return b;
}

const digestOf = (bank: string, { data, measured }: LogEvent) =>
  createHash(openssl(bank))
    .update(measured ?? data)
    .digest();

const algorithmOf = (bank: Bank): number => (typeof bank === 'string' ? (ALG[bank] ?? 0) : bank.algorithm);
const bytesOf = (bank: Bank, e: LogEvent): Buffer =>
  typeof bank === 'string' ? digestOf(bank, e) : Buffer.alloc(bank.size, 0xab);

const NOTHING: LogEvent = { pcr: 0, type: 3, data: new Uint8Array() };

/** A crypto-agile log: the header, then the events. */
export function agileLog(
  banks: readonly Bank[],
  events: readonly LogEvent[],
  vendor: Uint8Array = new Uint8Array(),
): Uint8Array {
  const spec = Buffer.concat([
    Buffer.from('Spec ID Event03\0'),
    Buffer.from('0000000000020002', 'hex'),
    le(4, banks.length),
    ...banks.flatMap((bank) => [le(2, algorithmOf(bank)), le(2, bytesOf(bank, NOTHING).length)]),
    Buffer.of(vendor.length),
    vendor,
  ]);
  const header = [le(4, 0), le(4, 3), Buffer.alloc(20), le(4, spec.length), spec];
  const rest = events.flatMap((e) => [
    le(4, e.pcr),
    le(4, e.type),
    le(4, banks.length),
    ...banks.flatMap((bank) => [le(2, algorithmOf(bank)), bytesOf(bank, e)]),
    le(4, e.data.length),
    e.data,
  ]);
  return new Uint8Array(Buffer.concat([...header, ...rest]));
}

/** A log of the older form. */
export function shaOneLog(events: readonly LogEvent[]): Uint8Array {
  const parts = events.flatMap((e) => [
    le(4, e.pcr),
    le(4, e.type),
    digestOf('sha1', e),
    le(4, e.data.length),
    e.data,
  ]);
  return new Uint8Array(Buffer.concat(parts));
}
