/** The members of a trust file that `trust init` and `trust add` take from options: roots, lists, states, timestamps. */
import { basename } from 'node:path';
import { toBase64, toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import { parseBundle } from '../evidence/bundle.ts';
import { parseTcgLog, replayTcgLog } from '../evidence/eventlog/tcg.ts';
import { readCertificates, readCrls } from './certificates.ts';
import { type Input, list, on, text } from './command.ts';
import { readInput } from './files.ts';

interface Profile {
  readonly name: string;
  readonly sha256: Record<string, string[]>;
}

/** What the options add to a trust file; empty lists where they add nothing. */
export interface TrustMembers {
  readonly roots: { certificate: string; kind: 'hardware' | 'software' }[];
  readonly pcrs: Profile[];
  readonly crls: string[];
  readonly hosts: string[];
  readonly authorities: { root: string; certificates?: string[]; name?: string }[];
}

/** @throws USAGE, MALFORMED */
export async function trustMembers(input: Input): Promise<TrustMembers> {
  const { io } = input;
  const kind = on(input, 'software') ? 'software' : 'hardware';
  // What the person typed wrong is said before files are opened.
  const pcrs = pcrList(text(input, 'pcrs') ?? '0-7');
  const roots = await readCertificates(list(input, 'root'), io);
  return {
    roots: roots.map((der) => ({ certificate: toBase64(der), kind })),
    pcrs: await readStates(input, pcrs),
    crls: (await readCrls(list(input, 'crl'), io)).map(toBase64),
    hosts: [...list(input, 'host')],
    authorities: await readAuthorities(input),
  };
}

/** Each file is one authority: its root last, and before it what tokens may not carry. */
async function readAuthorities(input: Input): Promise<TrustMembers['authorities']> {
  const found: TrustMembers['authorities'] = [];
  for (const path of list(input, 'timestampRoot')) {
    const chain = (await readCertificates([path], input.io)).map(toBase64);
    const certificates = chain.slice(0, -1);
    found.push({
      name: basename(path).slice(0, 256),
      root: chain.at(-1) as string,
      ...(certificates.length === 0 ? {} : { certificates }),
    });
  }
  return found;
}

async function readStates(input: Input, pcrs: readonly number[]): Promise<Profile[]> {
  const { io } = input;
  const profiles: Profile[] = [];
  const reference = text(input, 'reference');
  if (reference !== undefined) {
    const quoted = parseBundle(await readInput(reference, io)).pcrs?.sha256 ?? {};
    profiles.push(profile(`reference ${basename(reference)}`, pcrs, quoted));
  }
  const firmware = text(input, 'firmwareLog');
  if (firmware !== undefined) {
    const values = replayTcgLog(parseTcgLog(await readInput(firmware, io)), 'sha256');
    const hex = Object.fromEntries([...values].map(([pcr, value]) => [String(pcr), toHex(value)]));
    profiles.push(profile(`firmware log ${basename(firmware)}`, pcrs, hex));
  }
  return profiles;
}

function profile(name: string, pcrs: readonly number[], values: Readonly<Record<string, string>>): Profile {
  const sha256: Record<string, string[]> = {};
  for (const pcr of pcrs) {
    const value = values[String(pcr)];
    if (value === undefined)
      throw new AttestdError('USAGE', `the ${name} has no PCR ${pcr}`, { field: '--pcrs' });
    sha256[String(pcr)] = [value];
  }
  return { name: name.slice(0, 256), sha256 };
}

/** `0-7,11` as indices. @throws USAGE */
function pcrList(spec: string): number[] {
  const found = new Set<number>();
  for (const part of spec.split(',')) {
    const m = /^(\d{1,2})(?:-(\d{1,2}))?$/.exec(part);
    const from = Number(m?.[1]);
    const to = Number(m?.[2] ?? m?.[1]);
    if (m === null || from > to || to > 23)
      throw new AttestdError('USAGE', `not a list of PCRs: ${spec}`, { field: '--pcrs' });
    for (let pcr = from; pcr <= to; pcr++) found.add(pcr);
  }
  return [...found].sort((a, b) => a - b);
}

/** A whole number of an option, or nothing. @throws USAGE */
export function numberOf(input: Input, name: string, flag: string): number | undefined {
  const given = text(input, name);
  if (given === undefined) return undefined;
  if (!/^\d{1,12}$/.test(given))
    throw new AttestdError('USAGE', `${flag} takes a whole number`, { field: flag });
  return Number(given);
}

/** The rules that stand for themselves: keys, age, timestamps, as members of the file. */
export function ruleMembers(input: Input): Record<string, Json> {
  const maxAge = numberOf(input, 'maxAge', '--max-age');
  const keys = list(input, 'key');
  return {
    ...(keys.length === 0 ? {} : { keys: [...keys] }),
    ...(maxAge === undefined ? {} : { maxAge }),
  };
}
