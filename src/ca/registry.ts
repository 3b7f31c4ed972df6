/**
 * What the authority ever did, one JSON line each, appended and fsynced before it takes effect outside. Each line holds
 * the SHA-256 of the line before it, so an edit in the middle shows. Which names and endorsement keys are bound is
 * read from here and nowhere else. Trusted? Who can modify it can free a name or an EK for another registration; it
 * cannot forge a certificate without the root key.
 */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { Check } from 'typebox/value';
import { toHex, utf8, ZERO32 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { jcs, parseJson } from '../core/json.ts';
import { readIfThere } from './folder.ts';

const hex = Type.String({ pattern: '^(?:[0-9a-f]{2})+$' });
const digest = Type.String({ pattern: '^[0-9a-f]{64}$' });
const frame = { prev: digest, time: Type.String() };
const who = { fleet: Type.String(), host: Type.String(), ek: digest };
const line = <K extends string, P extends Record<string, ReturnType<typeof Type.String>>>(
  event: K,
  more: P,
) => Type.Object({ event: Type.Literal(event), ...frame, ...more }, { additionalProperties: false });

const Line = Type.Union([
  line('created', { name: Type.String(), root: digest }),
  line('challenged', { ...who, challenge: digest, request: digest }),
  line('burnt', { ...who, challenge: digest, response: digest }),
  line('issued', {
    ...who,
    ak: digest,
    serial: hex,
    notAfter: Type.String(),
    challenge: digest,
    transcript: digest,
    certificate: Type.String(),
  }),
  line('refused', { ...who, code: Type.String(), detail: Type.String() }),
  line('revoked', { serial: hex, reason: Type.String() }),
  line('crl', { number: Type.String(), sha256: digest }),
]);
/** One line as it stands. */
export type RegistryLine = Static<typeof Line>;
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
export async function readRegistry(dir: string): Promise<RegistryLine[]> {
  return (await readWhole(dir)).lines;
}

async function readWhole(dir: string): Promise<{ lines: RegistryLine[]; head: Uint8Array; size: number }> {
  const bytes = (await readIfThere(fileOf(dir))) ?? new Uint8Array();
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
  return { lines, head, size };
}

function readLine(raw: Uint8Array, number: number): RegistryLine {
  try {
    const value: unknown = parseJson(raw);
    if (Check(Line, value)) return value;
  } catch {
    // said below
  }
  throw new AttestdError('AUTHORITY_CORRUPT', `registry line ${number} is not one of ours`);
}

/** Appends events durably, in order. Only the holder of the folder's lock may. @param nowMs milliseconds since 1970 */
export async function appendRegistry(dir: string, nowMs: number, ...events: RegistryEvent[]): Promise<void> {
  const whole = await readWhole(dir);
  let head = whole.head;
  let text = '';
  for (const event of events) {
    const one = jcs({ ...event, prev: toHex(head), time: new Date(nowMs).toISOString() });
    head = sha256(utf8(one));
    text += `${one}\n`;
  }
  const file = await open(fileOf(dir), whole.size === 0 ? 'a' : 'r+', 0o600);
  try {
    await file.truncate(whole.size);
    await file.write(Buffer.from(text), 0, undefined, whole.size);
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** Serials that are revoked. */
export function revokedSerials(lines: readonly RegistryLine[]): Set<string> {
  return new Set(lines.flatMap((l) => (l.event === 'revoked' ? [l.serial] : [])));
}

/** Certificates that are neither revoked nor past their time. */
export function liveCertificates(lines: readonly RegistryLine[], nowMs: number): Issued[] {
  const revoked = revokedSerials(lines);
  return lines.filter(
    (l): l is Issued => l.event === 'issued' && !revoked.has(l.serial) && Date.parse(l.notAfter) >= nowMs,
  );
}
