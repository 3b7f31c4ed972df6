/**
 * A device path for a person to read (UEFI 2.10 §10): the nodes that name disks, partitions and files in words, all
 * others by type, subtype and length. Bounded by its bytes and by a number of nodes.
 */
import { toHex } from '../../../core/bytes.ts';
import { Cursor, ucs2 } from '../cursor.ts';

const MAX_NODES = 64;

/** `PciRoot(0x0)/Pci(0x1,0x1)/…/File(\EFI\BOOT\BOOTX64.EFI)`. @throws MALFORMED when a node does not fit */
export function devicePathText(bytes: Uint8Array): string {
  const cursor = new Cursor(bytes, 'device path');
  const nodes: string[] = [];
  while (cursor.left > 0) {
    if (nodes.length >= MAX_NODES) throw cursor.fail(`more than ${MAX_NODES} nodes`);
    const type = cursor.u8();
    const subtype = cursor.u8();
    const size = cursor.u16();
    if (size < 4) throw cursor.fail(`a node of ${size} bytes`);
    const body = cursor.view(size - 4);
    if (type === 0x7f) {
      if (subtype === 0xff) break;
      nodes.push(',');
    } else nodes.push(nodeText(type, subtype, body));
  }
  return nodes.join('/');
}

const hex = (n: number | bigint) => `0x${n.toString(16)}`;

function nodeText(type: number, subtype: number, body: Uint8Array): string {
  const c = new Cursor(body, 'device path node');
  try {
    switch ((type << 8) | subtype) {
      case 0x0101: {
        const fn = c.u8();
        return `Pci(${hex(c.u8())},${hex(fn)})`;
      }
      case 0x0103:
        return `MemoryMapped(${hex(c.u32())},${hex(c.u64())},${hex(c.u64())})`;
      case 0x0104:
        return `Vendor(${c.guid()})`;
      case 0x0201: {
        const hid = c.u32();
        const uid = c.u32();
        return hid === 0x0a0341d0 || hid === 0x0a0841d0
          ? `PciRoot(${hex(uid)})`
          : `Acpi(${hex(hid)},${hex(uid)})`;
      }
      case 0x0302:
        return `Scsi(${c.u16()},${c.u16()})`;
      case 0x0305:
        return `Usb(${c.u8()},${c.u8()})`;
      case 0x030b:
        return `Mac(${toHex(c.view(6))})`;
      case 0x0312:
        return `Sata(${c.u16()},${c.u16()},${c.u16()})`;
      case 0x0317:
        return `NVMe(${hex(c.u32())},${toHex(c.view(8))})`;
      case 0x0401:
        return hardDrive(c);
      case 0x0402:
        return `CdRom(${c.u32()})`;
      case 0x0403:
        return `VendorMedia(${c.guid()})`;
      case 0x0404:
        return `File(${ucs2(body)})`;
      case 0x0406:
        return `FvFile(${c.guid()})`;
      case 0x0407:
        return `Fv(${c.guid()})`;
      case 0x0408: {
        c.take(4);
        return `Offset(${hex(c.u64())},${hex(c.u64())})`;
      }
      case 0x0501: {
        c.take(4);
        return `BiosBoot(${latin1(c.view(c.left))})`;
      }
      default:
        return `Path(${type},${subtype},${body.length})`;
    }
  } catch {
    return `Path(${type},${subtype},${body.length})`;
  }
}

function hardDrive(c: Cursor): string {
  const partition = c.u32();
  c.take(16);
  const signature = c.view(16);
  c.take(1);
  const kind = c.u8();
  if (kind === 2) return `HD(${partition},GPT,${new Cursor(signature, 'guid').guid()})`;
  return kind === 1 ? `HD(${partition},MBR,${toHex(signature.subarray(0, 4))})` : `HD(${partition})`;
}

function latin1(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return String.fromCharCode(...bytes.subarray(0, end < 0 ? bytes.length : end).subarray(0, 256));
}
