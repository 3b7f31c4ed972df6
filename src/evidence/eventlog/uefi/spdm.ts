/**
 * What the firmware measured of a device that answers by SPDM: the head of TCG_DEVICE_SECURITY_EVENT_DATA, in its first
 * form and its second (TCG PC Client Platform Firmware Profile 1.06 §10.2.7). The measurement itself is the device's word.
 */
import { Cursor } from '../cursor.ts';

const FIRST = 'SPDM Device Sec\0';
const SECOND = 'SPDM Device Sec2';
const DEVICES: readonly string[] = ['no device', 'PCI device', 'USB device'];

/** `SPDM Device Sec, PCI device`. @throws MALFORMED */
export function spdmText(bytes: Uint8Array): string {
  const cursor = new Cursor(bytes, 'device measurement');
  const signature = String.fromCharCode(...cursor.view(16));
  if (signature !== FIRST && signature !== SECOND) throw cursor.fail('no SPDM header');
  // Version and length; the hash in the first form, the state of authentication in the second.
  cursor.take(8);
  const device = cursor.u32();
  return `${signature.replace('\0', '')}, ${DEVICES[device] ?? `device of kind ${device}`}`;
}
