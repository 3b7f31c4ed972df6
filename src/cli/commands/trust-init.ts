/** `attestctl trust init`: the auditor's decisions in one file. */
import { basename } from 'node:path';
import { toBase64, toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { jcsBytes } from '../../core/json.ts';
import { parseBundle } from '../../evidence/bundle.ts';
import { parseTcgLog, replayTcgLog } from '../../evidence/eventlog/tcg.ts';
import { parseTrust, TRUST_SCHEMA } from '../../verify/trust.ts';
import { readCertificates, readCrls } from '../certificates.ts';
import { type Input, list, on, text } from '../command.ts';
import { readInput, reportWritten, writeOutput } from '../files.ts';

interface Profile {
  name: string;
  sha256: Record<string, string[]>;
}

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const profiles: Profile[] = [];
  const pcrs = pcrList(text(input, 'pcrs') ?? '0-7');
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
  const level = Number(text(input, 'level') ?? '3');
  if (level >= 3 && profiles.length === 0) {
    throw new AttestdError('USAGE', `level ${level} needs a state to accept: --reference or --firmware-log`);
  }
  const hosts = list(input, 'host');
  const roots = await readCertificates(list(input, 'root'), io);
  const trust = jcsBytes({
    schema: TRUST_SCHEMA,
    roots: roots.map((der) => ({
      certificate: toBase64(der),
      kind: on(input, 'software') ? 'software' : 'hardware',
    })),
    minimumLevel: level,
    pcrs: profiles,
    acceptHostTime: on(input, 'acceptHostTime'),
    crls: (await readCrls(list(input, 'crl'), io)).map(toBase64),
    revocation: 'required',
    ...(hosts.length === 0 ? {} : { hosts: [...hosts] }),
  });
  // What is written is what `verify` will read.
  parseTrust(trust);
  const out = text(input, 'out') as string;
  await writeOutput(out, trust, io);
  reportWritten(io, out);
  io.note(`${roots.length} root(s), level ${level}, ${profiles.length} accepted state(s)`);
  if (!on(input, 'acceptHostTime')) {
    io.note('certificate validity will be judged by proven time only; --accept-host-time believes the host');
  }
  return 0;
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
