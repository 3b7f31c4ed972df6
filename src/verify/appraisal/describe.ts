/**
 * What an event says of itself, and how far that can be believed. Type and data are the log's word; only where hashing
 * the data gives the digest did the register take it in too (TCG PC Client Platform Firmware Profile 1.06 §10.4).
 */
import { equal, fromUtf8 } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import { describeEvent as decode } from '../../evidence/eventlog/describe.ts';
import { EV, eventTypeName as typeName } from '../../evidence/eventlog/eventtypes.ts';
import { TPM_ALG } from '../../evidence/eventlog/hashes.ts';
import type { LogEvent } from './replay.ts';

const USERSPACE = 'userspace';

/** The name of an event type, or its number in hexadecimal; userspace has none and stands at 0. */
export const eventTypeName = (type: number): string => (type === 0 ? USERSPACE : typeName(type));

/** The event type of a name, or of eight hexadecimal digits after 0x for one without; undefined for anything else. */
export function eventType(name: string): number | undefined {
  if (name === USERSPACE) return 0;
  const type = /^0x[0-9a-f]{8}$/.test(name) ? Number(name) : TYPES.get(name);
  return type === undefined || eventTypeName(type) !== name ? undefined : type;
}

const TYPES: ReadonlyMap<string, number> = new Map(
  Object.entries(EV).map(([name, type]) => [`EV_${name}`, type]),
);
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
  /** The log's own word, by which policies name an event. */
  readonly label: string;
  /** One line for people, as much as the log says. */
  readonly shown: string;
  /** The text that was hashed; absent where the digest is not that of a text in the log. */
  readonly text?: string;
  /** A UEFI variable; `value` only where the digest covers it. */
  readonly variable?: { readonly name: string; readonly value?: Uint8Array };
  /** The kernel's command line, where this is one that the digest covers. */
  readonly commandLine?: string;
}

const MAX_SHOWN = 200;

/** Describes an event. Never throws. */
export function describeEvent(event: LogEvent): Description {
  const said = worded(event);
  // Userspace says it in words; of the firmware's structures a person wants to know what is in them.
  const name = event.source === 'firmware' ? decode(decodable(event)).name : said.label;
  return { ...said, shown: name.length <= MAX_SHOWN ? name : `${name.slice(0, MAX_SHOWN - 1)}…` };
}

const decodable = ({ sequence, pcr, type, digest, data }: LogEvent) => {
  const digests: ReadonlyMap<number, Uint8Array> = new Map([[TPM_ALG.sha256, digest]]);
  return { sequence, pcr, type, digests, data };
};

function worded(event: LogEvent): Omit<Description, 'shown'> {
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

/** shim writes a few bytes after the data of the variables that it measures. */
const MAX_SPARE = 8;

/** UEFI_VARIABLE_DATA (§10.4.2.6): GUID, two lengths, name in UTF-16, value. */
function readVariable(data: Uint8Array): { name: string; value: Uint8Array } | undefined {
  if (data.length < 32) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const characters = Number(view.getBigUint64(16, true));
  const size = Number(view.getBigUint64(24, true));
  const end = 32 + 2 * characters + size;
  if (characters > MAX_NAME || end > data.length || data.length - end > MAX_SPARE) return undefined;
  const name = new TextDecoder('utf-16le').decode(data.subarray(32, 32 + 2 * characters));
  return { name, value: data.slice(32 + 2 * characters, end) };
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
