/** The members of a trust file that `trust init` and `trust add` take from options: roots, lists, states, timestamps. */
import { createPublicKey } from 'node:crypto';
import { basename } from 'node:path';
import { toBase64, toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import type { Json, JsonObject } from '../core/json.ts';
import { envelopeSigned, keyKind, parseEnvelope } from '../evidence/appraisal.ts';
import { parseBundle } from '../evidence/bundle.ts';
import { parseTcgLog, replayTcgLog } from '../evidence/eventlog/tcg.ts';
import { readCertificates, readCrls } from './certificates.ts';
import { type Input, list, on, text } from './command.ts';
import { readInput } from './files.ts';
import { nodeKeyOf } from './nodekey.ts';

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
  readonly policies: JsonObject[];
  readonly authorities: { root: string; certificates?: string[]; name?: string }[];
  /** Verifier keys. */
  readonly witnesses: string[];
  readonly nodeKeys: JsonObject[];
  /** SubjectPublicKeyInfo in base64. */
  readonly policyKeys: string[];
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
    policies: await readPolicies(input),
    authorities: await readAuthorities(input),
    witnesses: [...list(input, 'witness')],
    nodeKeys: list(input, 'nodeKey').map((k) => ({ ...nodeKeyOf(k) })),
    policyKeys: await readPolicyKeys(input),
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

/** Appraisal policies with their owner's key. @throws USAGE, MALFORMED, REJECTED for one that the owner did not sign */
async function readPolicies(input: Input): Promise<JsonObject[]> {
  const { io } = input;
  const files = list(input, 'appraisal');
  const keyFile = text(input, 'appraisalKey');
  if (files.length === 0 && keyFile === undefined) return [];
  if (files.length === 0 || keyFile === undefined) {
    throw new AttestdError('USAGE', '--appraisal and --appraisal-key belong together');
  }
  const key = readPublicKey(await readInput(keyFile, io), '--appraisal-key');
  const out: JsonObject[] = [];
  for (const file of files) {
    const envelope = parseEnvelope(await readInput(file, io));
    if (!(await envelopeSigned(envelope, key))) {
      throw new AttestdError('REJECTED', `${file} is not signed by the key in ${keyFile}`);
    }
    out.push({ key: toBase64(key), envelope: envelope as unknown as JsonObject });
  }
  return out;
}

async function readPolicyKeys(input: Input): Promise<string[]> {
  const files = list(input, 'policyKey');
  return Promise.all(
    files.map(async (f) => toBase64(readPublicKey(await readInput(f, input.io), '--policy-key'))),
  );
}

/** SubjectPublicKeyInfo of a key in PEM. @throws MALFORMED */
function readPublicKey(pem: Uint8Array, flag: string): Uint8Array {
  try {
    const spki = createPublicKey(Buffer.from(pem)).export({ format: 'der', type: 'spki' });
    keyKind(new Uint8Array(spki));
    return new Uint8Array(spki);
  } catch (cause) {
    throw new AttestdError('MALFORMED', `${flag} is no public key, Ed25519 or P-256, in PEM`, { cause });
  }
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

/** @throws USAGE for what is no digest */
function digests(input: Input, name: string, flag: string): string[] {
  const given = list(input, name).map((d) => d.toLowerCase());
  const wrong = given.find((d) => !/^[0-9a-f]{64}$/.test(d));
  if (wrong !== undefined)
    throw new AttestdError('USAGE', `${flag} takes 64 hexadecimal digits, not ${wrong}`, { field: flag });
  return given;
}

/** The rules that stand for themselves: kinds of keys, age, appraisals, as members of the file. */
export function ruleMembers(input: Input): Record<string, Json> {
  const maxAge = numberOf(input, 'maxAge', '--max-age');
  const keys = list(input, 'key');
  const groups = list(input, 'appraisedBy').map((g) => g.split(',').map((n) => n.trim()));
  const recordKeys = digests(input, 'recordKeyPolicy', '--record-key-policy');
  return {
    ...(recordKeys.length === 0 ? {} : { recordKeyPolicies: recordKeys }),
    ...(on(input, 'foreignSeals') ? { foreignSeals: true } : {}),
    ...(groups.length === 0 ? {} : { appraisals: groups }),
    ...(keys.length === 0 ? {} : { keys: [...keys] }),
    ...(maxAge === undefined ? {} : { maxAge }),
    ...(on(input, 'selfMeasured') ? { selfMeasured: true } : {}),
  };
}
