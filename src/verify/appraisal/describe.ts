/**
 * What an event says of itself, and how far that can be believed. Type and data are the log's word; only where hashing
 * the data gives the digest did the register take it in too (TCG PC Client Platform Firmware Profile 1.06 §10.4).
 */
import { equal, fromUtf8 } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import type { LogEvent } from './replay.ts';

/** Names of the event types of the profile (§10.4.1), those that PC firmware uses. */
const TYPES: Readonly<Record<number, string>> = {
  0: 'userspace',
  1: 'EV_POST_CODE',
  3: 'EV_NO_ACTION',
  4: 'EV_SEPARATOR',
  5: 'EV_ACTION',
  6: 'EV_EVENT_TAG',
  7: 'EV_S_CRTM_CONTENTS',
  8: 'EV_S_CRTM_VERSION',
  9: 'EV_CPU_MICROCODE',
  10: 'EV_PLATFORM_CONFIG_FLAGS',
  11: 'EV_TABLE_OF_DEVICES',
  12: 'EV_COMPACT_HASH',
  13: 'EV_IPL',
  14: 'EV_IPL_PARTITION_DATA',
  15: 'EV_NONHOST_CODE',
  16: 'EV_NONHOST_CONFIG',
  17: 'EV_NONHOST_INFO',
  18: 'EV_OMIT_BOOT_DEVICE_EVENTS',
  2147483649: 'EV_EFI_VARIABLE_DRIVER_CONFIG',
  2147483650: 'EV_EFI_VARIABLE_BOOT',
  2147483651: 'EV_EFI_BOOT_SERVICES_APPLICATION',
  2147483652: 'EV_EFI_BOOT_SERVICES_DRIVER',
  2147483653: 'EV_EFI_RUNTIME_SERVICES_DRIVER',
  2147483654: 'EV_EFI_GPT_EVENT',
  2147483655: 'EV_EFI_ACTION',
  2147483656: 'EV_EFI_PLATFORM_FIRMWARE_BLOB',
  2147483657: 'EV_EFI_HANDOFF_TABLES',
  2147483658: 'EV_EFI_PLATFORM_FIRMWARE_BLOB2',
  2147483659: 'EV_EFI_HANDOFF_TABLES2',
  2147483660: 'EV_EFI_VARIABLE_BOOT2',
  2147483661: 'EV_EFI_GPT_EVENT2',
  2147483664: 'EV_EFI_HCRTM_EVENT',
  2147483872: 'EV_EFI_VARIABLE_AUTHORITY',
  2147483873: 'EV_EFI_SPDM_FIRMWARE_BLOB',
  2147483874: 'EV_EFI_SPDM_FIRMWARE_CONFIG',
};

/** The name of an event type, or its number in hexadecimal. */
export const eventTypeName = (type: number): string =>
  TYPES[type] ?? `0x${type.toString(16).padStart(8, '0')}`;

/** The event type of a name, or of eight hexadecimal digits after 0x for one without; undefined for anything else. */
export function eventType(name: string): number | undefined {
  const named = Object.entries(TYPES).find(([, word]) => word === name);
  if (named !== undefined) return Number(named[0]);
  const type = /^0x[0-9a-f]{8}$/.test(name) ? Number(name) : undefined;
  return type === undefined || Object.hasOwn(TYPES, type) ? undefined : type;
}

const VARIABLES = new Set([0x80000001, 0x80000002, 0x8000000c, 0x800000e0]);
const EV_IPL = 13;
const EV_EVENT_TAG = 6;
/** What GRUB writes in front of the text that it hashed; the last two by Red Hat's before 2.06. */
const LINES = ['kernel_cmdline: ', 'grub_kernel_cmdline '];
const COMMANDS = ['grub_cmd: ', 'grub_cmd '];
const PREFIXES = [...LINES, ...COMMANDS, 'module_cmdline: '];
const MAX_NAME = 1024;

export interface Description {
  /** Name of the type, or its number. */
  readonly type: string;
  /** One line for people; the log's own word. */
  readonly label: string;
  /** The text that was hashed; absent where the digest is not that of a text in the log. */
  readonly text?: string;
  /** A UEFI variable; `value` only where the digest covers it. */
  readonly variable?: { readonly name: string; readonly value?: Uint8Array };
  /** The kernel's command line, where this is one that the digest covers. */
  readonly commandLine?: string;
}

/** Describes an event. Never throws. */
export function describeEvent(event: LogEvent): Description {
  const type = eventTypeName(event.type);
  const covered = equal(sha256(event.data), event.digest);
  if (VARIABLES.has(event.type)) {
    const variable = readVariable(event.data);
    if (variable !== undefined) {
      const { name, value } = variable;
      return { type, label: name, variable: covered ? { name, value } : { name } };
    }
  }
  const said = readText(event.type === EV_EVENT_TAG ? taggedText(event.data) : event.data);
  if (said === undefined) return { type, label: `${event.data.length} bytes` };
  if (covered) {
    // systemd-boot and systemd-stub hash the command line as UEFI hands it over.
    const isLine = event.pcr === 12 && event.type === EV_IPL;
    return { type, label: said, text: said, ...(isLine ? { commandLine: said } : {}) };
  }
  const prefix = event.type === EV_IPL ? PREFIXES.find((p) => said.startsWith(p)) : undefined;
  const text = prefix === undefined ? said : said.slice(prefix.length);
  if (!equal(sha256(new TextEncoder().encode(text)), event.digest)) return { type, label: said };
  const line = LINES.includes(prefix ?? '') ? text : loaded(prefix, text);
  return { type, label: said, text, ...(line === undefined ? {} : { commandLine: line }) };
}

/** The command line in GRUB's own command `linux FILE ARGUMENTS`. */
function loaded(prefix: string | undefined, text: string): string | undefined {
  if (!COMMANDS.includes(prefix ?? '')) return undefined;
  const word = ['linux ', 'linuxefi ', 'linux16 '].find((w) => text.startsWith(w));
  return word === undefined ? undefined : text.slice(word.length);
}

/** What stands behind number and length in a tagged event (§10.4.2.1); the Linux EFI stub names there what it hashed. */
const taggedText = (data: Uint8Array): Uint8Array => data.subarray(8);

/** UEFI_VARIABLE_DATA (§10.4.2.6): GUID, two lengths, name in UTF-16, value. */
function readVariable(data: Uint8Array): { name: string; value: Uint8Array } | undefined {
  if (data.length < 32) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const characters = Number(view.getBigUint64(16, true));
  const size = Number(view.getBigUint64(24, true));
  if (characters > MAX_NAME || 32 + 2 * characters + size !== data.length) return undefined;
  const name = new TextDecoder('utf-16le').decode(data.subarray(32, 32 + 2 * characters));
  return { name, value: data.slice(32 + 2 * characters) };
}

/** The text in an event's data, in UTF-8 or UTF-16, without the zeros at its end; undefined where it is none. */
function readText(data: Uint8Array): string | undefined {
  const wide = data.length >= 4 && data.length % 2 === 0 && data[0] !== 0 && data[1] === 0 && data[3] === 0;
  let text: string;
  try {
    text = wide ? new TextDecoder('utf-16le', { fatal: true }).decode(data) : fromUtf8(data);
  } catch {
    return undefined;
  }
  text = text.replace(/\0+$/, '');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what has them is no text
  return text.length === 0 || /[\x00-\x08\x0e-\x1f\x7f]/.test(text) ? undefined : text;
}
