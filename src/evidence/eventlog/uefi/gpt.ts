/** UEFI_GPT_DATA: the partition table that the firmware measured (TCG PC Client Firmware Profile §10.2.3; UEFI §5.3). */
import { Cursor, ucs2 } from '../cursor.ts';

const MAX_PARTITIONS = 1024;
const HEADER = 92;
/** Bytes of an entry that are named; the header says how many each has, and firmware measures as many. */
const ENTRY = 128;
const MAX_ENTRY = 4096;
const SIGNATURE = 'EFI PART';

export interface GptPartition {
  /** GUID of its type, and its own. */
  readonly type: string;
  readonly guid: string;
  /** First and last block. */
  readonly first: bigint;
  readonly last: bigint;
  readonly name: string;
}

export interface Gpt {
  readonly disk: string;
  readonly partitions: readonly GptPartition[];
}

/** Reads the event's data, which it fills. @throws MALFORMED */
export function readGpt(bytes: Uint8Array): Gpt {
  const cursor = new Cursor(bytes, 'partition table');
  const header = new Cursor(cursor.view(HEADER), 'partition table header');
  if (String.fromCharCode(...header.view(8)) !== SIGNATURE) throw cursor.fail('no partition table header');
  header.take(48);
  const disk = header.guid();
  header.take(8 + 4);
  const size = header.u32();
  if (size < ENTRY || size > MAX_ENTRY) throw cursor.fail(`partitions of ${size} bytes`);
  const count = Number(cursor.u64());
  if (count > MAX_PARTITIONS) throw cursor.fail(`${count} partitions`);
  const partitions: GptPartition[] = [];
  for (let i = 0; i < count; i++) {
    const entry = new Cursor(cursor.view(size), 'partition');
    const type = entry.guid();
    const guid = entry.guid();
    const first = entry.u64();
    const last = entry.u64();
    entry.take(8);
    partitions.push({ type, guid, first, last, name: ucs2(entry.view(72)) });
  }
  if (cursor.left !== 0) throw cursor.fail(`${cursor.left} bytes too many`);
  return { disk, partitions };
}
