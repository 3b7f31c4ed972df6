/** `attestctl appraise import`: a policy out of the reference values of a CoRIM, and a table of what was decided. */
import { createPublicKey } from 'node:crypto';
import { AttestdError } from '../../core/errors.ts';
import { parseTime } from '../../core/time.ts';
import { printPolicy } from '../../evidence/appraisal.ts';
import { parseCertificate } from '../../evidence/x509/certificate.ts';
import { importReferences } from '../../verify/appraisal/import.ts';
import { readProvided } from '../../verify/appraisal/provider.ts';
import { readCertificates } from '../certificates.ts';
import { type Input, list, on, text } from '../command.ts';
import { decisionTable, pcrOf } from '../decisions.ts';
import { readInput, reportWritten, writeOutput } from '../files.ts';

export async function run(input: Input): Promise<number> {
  const { io, args } = input;
  const file = args[0] as string;
  const bytes = await readInput(file, io);
  refuseOthers(file, bytes);
  const roots = (await readCertificates(list(input, 'root'), io)).map(parseCertificate);
  const at = text(input, 'at');
  const { corim, signer } = await readProvided(bytes, {
    keys: await readKeys(input),
    roots,
    unsigned: on(input, 'unsigned'),
    at: at === undefined ? Date.now() : timeOf(at),
  });
  const profile = text(input, 'profile');
  const made = importReferences(corim, {
    name: text(input, 'name') as string,
    triples: list(input, 'triple').map(numberOf),
    ignorePcrs: list(input, 'ignorePcr').map((word) => pcrOf(word, '--ignore-pcr')),
    leaveOut: on(input, 'leaveOut'),
    ...(profile === undefined ? {} : { profile }),
  });
  const out = text(input, 'out') as string;
  await writeOutput(out, printPolicy(made.policy), io);
  const states = made.states.map(({ number, comid, environment }) => ({ number, comid, environment }));
  const { decisions, leftOut, unused } = made;
  reportWritten(io, out, { manifest: corim.id, signer: signer ?? null, states, decisions, leftOut, unused });
  if (!io.json && out !== '-') {
    io.out(decisionTable(decisions));
    for (const s of states) io.out(`triple ${s.number}  ${s.environment}\n`);
    for (const what of leftOut) io.out(`left out  ${what}\n`);
    for (const what of unused) io.out(`not used  ${what}\n`);
  }
  io.note(
    signer === undefined
      ? 'nobody signed this manifest: what the policy says is your word; read it, then attestctl appraise sign'
      : `signed by "${signer.name}", key ${signer.key}; read the policy, then attestctl appraise sign`,
  );
  return 0;
}

/** Formats that a person may well try, each with what to do about it. @throws REFERENCE_UNMAPPED */
function refuseOthers(file: string, bytes: Uint8Array): void {
  const start = new TextDecoder().decode(bytes.subarray(0, 4096)).trimStart();
  if (start.startsWith('<')) {
    throw new AttestdError(
      'REFERENCE_UNMAPPED',
      `${file} is XML: a TCG RIM base (SWID tag) is not read; its support file is a firmware log, for appraise learn --firmware-log`,
    );
  }
  const tags: Readonly<Record<string, string>> = {
    d901f4: 'a CoRIM of an early draft (tag 500)',
    d901f6: 'a CoRIM of an early draft (tag 502)',
    d901f9: 'a CoSWID tag without a manifest',
    d901fa: 'a CoMID without a manifest',
    da53574944: 'a CoSWID tag without a manifest',
  };
  const head = Buffer.from(bytes.subarray(0, 5)).toString('hex');
  const found = Object.entries(tags).find(([prefix]) => head.startsWith(prefix));
  if (found !== undefined) throw new AttestdError('REFERENCE_UNMAPPED', `${file} is ${found[1]}`);
}

async function readKeys(input: Input): Promise<Uint8Array[]> {
  const out: Uint8Array[] = [];
  for (const file of list(input, 'key')) {
    const pem = Buffer.from(await readInput(file, input.io));
    try {
      out.push(new Uint8Array(createPublicKey(pem).export({ format: 'der', type: 'spki' })));
    } catch (cause) {
      throw new AttestdError('MALFORMED', `${file} is no public key in PEM`, { cause, field: '--key' });
    }
  }
  return out;
}

function timeOf(word: string): number {
  try {
    return parseTime(word);
  } catch (cause) {
    throw new AttestdError('USAGE', `--at is no time such as 2026-01-31T00:00:00.000Z: ${word}`, {
      cause,
      field: '--at',
    });
  }
}

function numberOf(word: string): number {
  if (!/^[1-9]\d{0,5}$/.test(word)) {
    throw new AttestdError('USAGE', `not the number of a reference triple: ${word}`, { field: '--triple' });
  }
  return Number(word);
}
