/**
 * What an event's digest is of. The type and the data of an event are not covered by the register, so a policy may look
 * at data only where the digest is that of the data, or of a known part of it.
 */
import { equal } from '../../core/bytes.ts';
import { EV } from './eventtypes.ts';
import { type HashName, hashOf, isHashName, TPM_ALG } from './hashes.ts';
import type { TcgEvent } from './tcg.ts';

const BY_NUMBER: ReadonlyMap<number, HashName> = new Map(
  Object.entries(TPM_ALG).flatMap(([name, n]) => (isHashName(name) ? [[n as number, name] as const] : [])),
);
/** Words that boot loaders put before what they measure, and do not measure themselves. */
const PREFIXES = ['grub_cmd: ', 'kernel_cmdline: ', 'module_cmdline: ', 'grub_cmd ', 'grub_kernel_cmdline '];

/** Whether every digest of the event that we can compute is that of `bytes`; false where there is none. */
export function digestIsOf({ digests }: TcgEvent, bytes: Uint8Array): boolean {
  let known = false;
  for (const [algorithm, digest] of digests) {
    const bank = BY_NUMBER.get(algorithm);
    if (bank === undefined) continue;
    if (!equal(hashOf(bank)(bytes), digest)) return false;
    known = true;
  }
  return known;
}

/**
 * How much of an event's data its digest covers. `data`: all of it, or all but the NUL that ends a text. `contents`: the
 * contents alone, not the name or the word that stands before them and says what they are. `nothing`: the digest is of
 * something else, an image or a file, which the data only describe.
 */
export type Bound = 'data' | 'contents' | 'nothing';

/** What the digest of an event covers, the same in every bank. */
export function boundOf(event: TcgEvent): Bound {
  const { data, type } = event;
  if (type === EV.NO_ACTION) return 'nothing';
  if (digestIsOf(event, data)) return 'data';
  switch (type) {
    case EV.EFI_VARIABLE_AUTHORITY:
      // shim counts one byte more than it measures
      if (data.length > 0 && digestIsOf(event, data.subarray(0, -1))) return 'data';
      break;
    case EV.IPL:
    case EV.ACTION:
    case EV.EFI_ACTION:
      if (data.at(-1) === 0 && digestIsOf(event, data.subarray(0, -1))) return 'data';
      break;
  }
  for (const part of contents(type, data)) if (digestIsOf(event, part)) return 'contents';
  return 'nothing';
}

/** The contents of an event without what names them. */
function contents(type: number, data: Uint8Array): Uint8Array[] {
  switch (type) {
    // Firmware for TPM 1.2 measured every variable so, later firmware those of the boot manager.
    case EV.EFI_VARIABLE_DRIVER_CONFIG:
    case EV.EFI_VARIABLE_BOOT:
    case EV.EFI_VARIABLE_BOOT2: {
      if (data.length < 32) return [];
      const length = new DataView(data.buffer, data.byteOffset).getUint32(24, true);
      return length <= data.length - 32 ? [data.subarray(data.length - length)] : [];
    }
    case EV.EVENT_TAG:
      return data.length < 8 ? [] : [data.subarray(8)];
    case EV.IPL: {
      const prefix = PREFIXES.find((p) => begins(data, p));
      if (prefix === undefined) return [];
      const rest = data.subarray(prefix.length);
      return rest.at(-1) === 0 ? [rest, rest.subarray(0, -1)] : [rest];
    }
    default:
      return [];
  }
}

function begins(data: Uint8Array, prefix: string): boolean {
  for (let i = 0; i < prefix.length; i++) if (data[i] !== prefix.charCodeAt(i)) return false;
  return true;
}
