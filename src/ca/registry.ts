/**
 * What the authority ever did, one JSON line each, appended and fsynced before it takes effect outside. Each line holds
 * the SHA-256 of the line before it, so an edit in the middle shows. Which names and endorsement keys are bound is
 * read from here and nowhere else. Trusted? Who can modify it can free a name or an EK for another registration; it
 * cannot forge a certificate without the root key.
 */
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex, utf8, ZERO32 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { jcs, parseJson } from '../core/json.ts';
import { isAuthorityLine } from '../evidence/authoritylog.ts';
import type { AuthorityLine } from '../evidence/schema/authority.ts';
import { readIfThere } from './folder.ts';

/** One line as it stands. */
export type RegistryLine = AuthorityLine;
/** One line before it is framed. */
export type RegistryEvent = RegistryLine extends infer L
  ? L extends RegistryLine
    ? Omit<L, 'prev' | 'time'>
    : never
  : never;
/** A certificate that was issued. */
export type Issued = Extract<RegistryLine, { event: 'issued' }>;

const fileOf = (dir: string) => join(dir, 'registry.jsonl');

/**
 * Every complete line. A torn last line is the trace of a crash before its event took effect, and is passed over.
 * @throws AUTHORITY_CORRUPT when a line is not as it was written
 */
export async function readRegistry(dir: string): Promise<readonly RegistryLine[]> {
  return (await readWhole(dir)).lines;
}

interface Whole {
  readonly lines: readonly RegistryLine[];
  readonly head: Uint8Array;
  readonly size: number;
}

/** What this process read or wrote last, by file; it counts only while the file is the very one that it was. */
const kept = new Map<string, { readonly stamp: string; readonly whole: Whole }>();

async function stampOf(file: string): Promise<string> {
  try {
    const s = await stat(file, { bigint: true });
    return `${s.dev} ${s.ino} ${s.size} ${s.mtimeNs}`;
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw e;
  }
}

async function readWhole(dir: string): Promise<Whole> {
  const file = fileOf(dir);
  const stamp = await stampOf(file);
  const known = kept.get(file);
  if (known?.stamp === stamp) return known.whole;
  const bytes = (await readIfThere(file)) ?? new Uint8Array();
  const size = bytes.lastIndexOf(10) + 1;
  const lines: RegistryLine[] = [];
  let head = ZERO32;
  for (let from = 0; from < size; ) {
    const end = bytes.indexOf(10, from);
    const raw = bytes.subarray(from, end);
    const value = readLine(raw, lines.length + 1);
    if (value.prev !== toHex(head)) {
      throw new AttestdError(
        'AUTHORITY_CORRUPT',
        `registry line ${lines.length + 1} does not follow the one before`,
      );
    }
    lines.push(value);
    head = sha256(raw);
    from = end + 1;
  }
  const whole = { lines, head, size };
  // A torn line at the end makes the size another than the file's: then it is read again next time.
  if (size === bytes.length) kept.set(file, { stamp, whole });
  return whole;
}

function readLine(raw: Uint8Array, number: number): RegistryLine {
  try {
    const value: unknown = parseJson(raw);
    if (isAuthorityLine(value)) return value;
  } catch {
    // said below
  }
  throw new AttestdError('AUTHORITY_CORRUPT', `registry line ${number} is not one of ours`);
}

/**
 * Appends events durably, in order. Only the holder of the folder's lock may. Times never go back, whatever the clock.
 * @param nowMs milliseconds since 1970
 */
export async function appendRegistry(dir: string, nowMs: number, ...events: RegistryEvent[]): Promise<void> {
  const whole = await readWhole(dir);
  const last = whole.lines.at(-1)?.time ?? '';
  const now = new Date(nowMs).toISOString();
  const time = now < last ? last : now;
  const lines = [...whole.lines];
  let head = whole.head;
  let text = '';
  for (const event of events) {
    const line = { ...event, prev: toHex(head), time } as RegistryLine;
    if (!isAuthorityLine(line)) throw new AttestdError('INTERNAL', `no line of the registry: ${event.event}`);
    const one = jcs(line);
    head = sha256(utf8(one));
    lines.push(line);
    text += `${one}\n`;
  }
  const path = fileOf(dir);
  const bytes = Buffer.from(text);
  const file = await open(path, whole.size === 0 ? 'a' : 'r+', 0o600);
  try {
    await file.truncate(whole.size);
    await file.write(bytes, 0, undefined, whole.size);
    await file.datasync();
  } finally {
    await file.close();
  }
  const size = whole.size + bytes.length;
  kept.set(path, { stamp: await stampOf(path), whole: { lines, head, size } });
}

/** Serials that are revoked. */
export function revokedSerials(lines: readonly RegistryLine[]): Set<string> {
  return new Set(lines.flatMap((l) => (l.event === 'revoked' ? [l.serial] : [])));
}

/** Certificates that are neither revoked, nor superseded by another, nor past their time. */
export function liveCertificates(lines: readonly RegistryLine[], nowMs: number): Issued[] {
  const gone = revokedSerials(lines);
  for (const l of lines) if (l.event === 'superseded') gone.add(l.serial);
  return lines.filter(
    (l): l is Issued => l.event === 'issued' && !gone.has(l.serial) && Date.parse(l.notAfter) >= nowMs,
  );
}
