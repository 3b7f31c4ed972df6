/**
 * What an event of the firmware log says, so that a person, and a policy over events, can name it. Nothing here is
 * proven by the register but what `bound` says: type and data stand beside the digest, and may be anybody's words.
 */
import { fromUtf8, toHex } from '../../core/bytes.ts';
import { type Bound, boundOf, digestIsOf } from './bound.ts';
import { Cursor, ucs2 } from './cursor.ts';
import { EV, eventTypeName } from './eventtypes.ts';
import type { TcgEvent } from './tcg.ts';
import { devicePathText } from './uefi/devicepath.ts';
import { type Gpt, readGpt } from './uefi/gpt.ts';
import { signatureName } from './uefi/signatures.ts';
import { spdmText } from './uefi/spdm.ts';
import { readVariable, type UefiVariable, type VariableMeaning, variableMeaning } from './uefi/variable.ts';

/** Longest text that is shown. */
const MAX_TEXT = 8192;

/** Whose words a text is. */
export type Loader = 'grub' | 'shim' | 'systemd';

export type EventFacts =
  | { readonly kind: 'header' | 'locality' | 'notice' }
  | { readonly kind: 'separator'; readonly state: 'ok' | 'error' | 'other' }
  | { readonly kind: 'variable'; readonly variable: UefiVariable; readonly meaning?: VariableMeaning }
  | { readonly kind: 'gpt'; readonly gpt: Gpt }
  | { readonly kind: 'image'; readonly devicePath: string; readonly base: bigint; readonly length: bigint }
  | { readonly kind: 'blob'; readonly base: bigint; readonly length: bigint }
  | { readonly kind: 'device' }
  | { readonly kind: 'tables'; readonly guids: readonly string[] }
  | { readonly kind: 'text'; readonly text: string; readonly loader?: Loader; readonly tag?: number }
  | { readonly kind: 'opaque'; readonly fault?: string };

export type EventDescription = EventFacts & {
  /** The name of its type, `EV_…`, or the number of a vendor's. */
  readonly type: string;
  /** A line for a person. */
  readonly name: string;
  /** How much of what is said here the digest covers; the rest are words that anybody may have written. */
  readonly bound: Bound;
};

/** Describes an event. Data that are not of their type's form make it `opaque` and name the fault; never throws. */
export function describeEvent(event: TcgEvent): EventDescription {
  const type = eventTypeName(event.type);
  const bound = boundOf(event);
  try {
    return { type, bound, ...facts(event) };
  } catch (e) {
    return { type, bound, kind: 'opaque', name: `${event.data.length} bytes`, fault: (e as Error).message };
  }
}

type Named = EventFacts & { readonly name: string };

function facts(event: TcgEvent): Named {
  const { type, data } = event;
  switch (type) {
    case EV.NO_ACTION:
      return notice(data);
    case EV.SEPARATOR:
      return separator(event);
    case EV.EFI_VARIABLE_DRIVER_CONFIG:
    case EV.EFI_VARIABLE_BOOT:
    case EV.EFI_VARIABLE_BOOT2:
    case EV.EFI_SPDM_DEVICE_POLICY:
      return variable(data, false);
    case EV.EFI_VARIABLE_AUTHORITY:
    case EV.EFI_SPDM_DEVICE_AUTHORITY:
      return variable(data, true);
    case EV.EFI_SPDM_FIRMWARE_BLOB:
    case EV.EFI_SPDM_FIRMWARE_CONFIG:
      return { kind: 'device', name: spdmText(data) };
    case EV.EFI_GPT_EVENT:
    case EV.EFI_GPT_EVENT2: {
      const gpt = readGpt(data);
      return { kind: 'gpt', gpt, name: `disk ${gpt.disk}, ${gpt.partitions.length} partitions` };
    }
    case EV.EFI_BOOT_SERVICES_APPLICATION:
    case EV.EFI_BOOT_SERVICES_DRIVER:
    case EV.EFI_RUNTIME_SERVICES_DRIVER:
      return image(data);
    case EV.EFI_PLATFORM_FIRMWARE_BLOB:
      return blob(data, false);
    case EV.EFI_PLATFORM_FIRMWARE_BLOB2:
      return blob(data, true);
    case EV.EFI_HANDOFF_TABLES:
      return tables(data, false);
    case EV.EFI_HANDOFF_TABLES2:
      return tables(data, true);
    case EV.EVENT_TAG:
      return tagged(data);
    default:
      return words(type, data);
  }
}

function notice(data: Uint8Array): Named {
  const end = data.indexOf(0);
  const signature =
    textOf(data.subarray(0, Math.min(16, end < 0 ? data.length : end))) ?? toHex(data.subarray(0, 16));
  if (signature.startsWith('Spec ID Event')) return { kind: 'header', name: signature };
  if (signature === 'StartupLocality' && data.length === 17) {
    return { kind: 'locality', name: `start-up at locality ${data[16]}` };
  }
  return { kind: 'notice', name: signature };
}

function separator(event: TcgEvent): Named {
  const { data } = event;
  const word = data.length === 4 ? new Cursor(data, 'separator').u32() : undefined;
  if (word === 0 || word === 0xffff_ffff) return { kind: 'separator', state: 'ok', name: 'separator' };
  // The digest of an error is that of the number 1, whatever the data say of it (§10.4.1).
  const failed = digestIsOf(event, Uint8Array.of(1, 0, 0, 0));
  return failed
    ? { kind: 'separator', state: 'error', name: 'separator after an error' }
    : { kind: 'separator', state: 'other', name: `separator ${textOf(data) ?? toHex(data.subarray(0, 32))}` };
}

function variable(data: Uint8Array, authority: boolean): Named {
  const found = readVariable(data);
  const { guid, name } = found;
  let meaning: VariableMeaning | undefined;
  let named = name;
  try {
    meaning = variableMeaning(found, authority);
    if (meaning !== undefined) named = `${name}: ${meaningText(meaning)}`;
  } catch (e) {
    named = `${name}, not of its form: ${(e as Error).message}`;
  }
  return {
    kind: 'variable',
    variable: { guid, name, data: found.data },
    ...(meaning === undefined ? {} : { meaning }),
    name: named,
  };
}

function meaningText(meaning: VariableMeaning): string {
  switch (meaning.kind) {
    case 'switch':
      return meaning.on ? 'on' : 'off';
    case 'boot-order':
      return meaning.order.map((n) => `Boot${n.toString(16).padStart(4, '0').toUpperCase()}`).join(', ');
    case 'boot-option':
      return `${meaning.description} at ${meaning.devicePath}`;
    case 'signatures': {
      const { signatures } = meaning;
      const certificates = signatures.filter(({ kind }) => kind === 'x509').map(signatureName);
      const rest = signatures.length - certificates.length;
      const parts = rest === 0 ? certificates : [...certificates, `${rest} digests`];
      return parts.length === 0 ? 'empty' : parts.join('; ');
    }
  }
}

/** UEFI_IMAGE_LOAD_EVENT (§10.2.4). */
function image(data: Uint8Array): Named {
  const c = new Cursor(data, 'image');
  const base = c.u64();
  const length = c.u64();
  c.take(8);
  const pathLength = c.u64();
  // Some firmware counts bytes after the path as part of the event.
  if (pathLength > c.left) throw c.fail(`a device path of ${pathLength} bytes`);
  const devicePath = devicePathText(c.view(Number(pathLength)));
  return {
    kind: 'image',
    devicePath,
    base,
    length,
    name: devicePath === '' ? 'an image in memory' : devicePath,
  };
}

/** UEFI_PLATFORM_FIRMWARE_BLOB, and its second form with a description (§10.2.5). */
function blob(data: Uint8Array, described: boolean): Named {
  const c = new Cursor(data, 'firmware blob');
  const words = described ? (textOf(c.view(c.u8())) ?? '') : '';
  const base = c.u64();
  const length = c.u64();
  const at = `${length} bytes at 0x${base.toString(16)}`;
  return { kind: 'blob', base, length, name: words === '' ? at : `${words}, ${at}` };
}

/** UEFI_HANDOFF_TABLE_POINTERS (§10.2.6). */
function tables(data: Uint8Array, described: boolean): Named {
  const c = new Cursor(data, 'tables');
  const words = described ? (textOf(c.view(c.u8())) ?? '') : '';
  const count = c.u64();
  const guids: string[] = [];
  for (let i = 0n; i < count; i++) {
    guids.push(c.guid());
    c.take(8);
  }
  return { kind: 'tables', guids, name: words === '' ? `${guids.length} tables` : words };
}

/** Tags of the loader and of the kernel's EFI stub; others are shown by number. */
const TAGS: ReadonlyMap<number, string> = new Map([
  [0x8f3b22ec, 'initrd'],
  [0x8f3b22ed, 'command line'],
  [0xf5bc582a, 'loader.conf'],
]);

/** TCG_PCClientTaggedEvent (§10.2.1). */
function tagged(data: Uint8Array): Named {
  const c = new Cursor(data, 'tagged event');
  const tag = c.u32();
  const size = c.u32();
  if (size > c.left) throw c.fail(`an event of ${size} bytes`);
  const text = anyText(c.view(size)) ?? '';
  const name = TAGS.get(tag) ?? `tag 0x${tag.toString(16).padStart(8, '0')}`;
  return { kind: 'text', tag, text, name: text === '' ? name : `${name}: ${text}` };
}

function words(type: number, data: Uint8Array): Named {
  // Firmware of before the blobs of UEFI, and of versions that are no text (§10.4.1).
  if (data.length === 16 && type === EV.POST_CODE && textOf(data) === undefined) return blob(data, false);
  if (data.length === 16 && type === EV.S_CRTM_VERSION && anyText(data) === undefined) {
    return { kind: 'opaque', name: new Cursor(data, 'version').guid() };
  }
  const text = anyText(data);
  if (text === undefined || text.trim() === '') return { kind: 'opaque', name: `${data.length} bytes` };
  const loader = type === EV.IPL ? loaderOf(text, data) : undefined;
  return { kind: 'text', text, ...(loader === undefined ? {} : { loader }), name: text };
}

function loaderOf(text: string, data: Uint8Array): Loader | undefined {
  if (/^(?:grub_|kernel_cmdline|module_cmdline)/.test(text) || /^\([a-z0-9,]+\)?\//.test(text)) {
    return 'grub';
  }
  if (/^(?:MokList|MokListX|MokListTrusted|MokSBState|SbatLevel|Shim)/.test(text)) return 'shim';
  return isWide(data) ? 'systemd' : undefined;
}

/** Text in UTF-8 or in UCS-2, without the NUL at its end; absent where it is neither. */
function anyText(data: Uint8Array): string | undefined {
  if (data.length === 0) return undefined;
  return isWide(data) ? ucs2(data).slice(0, MAX_TEXT) : textOf(data);
}

/** Whether it is UCS-2 of mostly Latin letters. */
function isWide(data: Uint8Array): boolean {
  if (data.length < 4 || data.length % 2 !== 0) return false;
  for (let i = 0; i + 1 < data.length; i += 2) {
    const last = i + 2 === data.length;
    if (data[i + 1] !== 0 || (data[i] === 0 && !last)) return false;
  }
  return true;
}

function textOf(data: Uint8Array): string | undefined {
  const end = data.at(-1) === 0 ? data.length - 1 : data.length;
  if (end === 0) return undefined;
  try {
    const text = fromUtf8(data.subarray(0, end)).slice(0, MAX_TEXT);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: text with control characters is no text
    return /[\x00-\x08\x0e-\x1f\x7f]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}
