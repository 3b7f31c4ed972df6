/**
 * The ACPI table by which firmware in a confidential machine says where its event log lies (UEFI 2.10 §38.4.1; ACPI
 * 6.5 table 5.32): the log itself is a crypto-agile one whose "registers" are measurement registers, 1 to 4.
 */
import { AttestdError } from '../../core/errors.ts';
import { Cursor } from './cursor.ts';

const SIZE = 56;

export interface CcelTable {
  /** What kind of confidential machine. */
  readonly type: 'sev' | 'tdx' | number;
  readonly subtype: number;
  /** Bytes set aside for the log, filler included, and its address. */
  readonly logLength: bigint;
  readonly logAddress: bigint;
}

/** Reads the table. @throws MALFORMED when its signature, length or checksum is wrong */
export function parseCcel(bytes: Uint8Array): CcelTable {
  const cursor = new Cursor(bytes, 'CCEL table');
  if (String.fromCharCode(...cursor.view(4)) !== 'CCEL') throw cursor.fail('no such table');
  if (cursor.u32() !== SIZE || bytes.length !== SIZE) throw cursor.fail(`a length other than ${SIZE}`);
  if (bytes.reduce((sum, b) => (sum + b) & 255, 0) !== 0)
    throw new AttestdError('MALFORMED', 'CCEL table: checksum');
  cursor.take(28);
  const type = cursor.u8();
  const subtype = cursor.u8();
  cursor.take(2);
  const logLength = cursor.u64();
  return {
    type: type === 1 ? 'sev' : type === 2 ? 'tdx' : type,
    subtype,
    logLength,
    logAddress: cursor.u64(),
  };
}
