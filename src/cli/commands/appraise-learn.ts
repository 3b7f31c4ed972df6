/** `attestctl appraise learn`: a policy out of golden machines, and a table of what was decided. */
import { createPublicKey } from 'node:crypto';
import { toBase64 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { printPolicy } from '../../evidence/appraisal.ts';
import { type ImaKey, imaKey } from '../../evidence/eventlog/ima/signature.ts';
import { type GoldenMachine, learn } from '../../verify/appraisal/learn.ts';
import { type Input, list, on, text } from '../command.ts';
import { decisionTable, pcrOf } from '../decisions.ts';
import { readInput, reportWritten, writeOutput } from '../files.ts';
import { machineOfBundle, machineOfLog } from '../machine.ts';

export async function run(input: Input): Promise<number> {
  const { io, args } = input;
  const machines: GoldenMachine[] = [];
  const keys = await readKeys(list(input, 'imaKey'), io);
  const learning = { keys: keys.map((k) => k.key) };
  for (const file of args) {
    machines.push(await machineOfBundle(await readInput(file, io), file, { learn: learning }));
  }
  for (const file of list(input, 'firmwareLog')) machines.push(machineOfLog(await readInput(file, io)));
  if (machines.length === 0) {
    throw new AttestdError('USAGE', 'there is nothing to learn from: name a bundle, or --firmware-log');
  }
  const ignorePcrs = list(input, 'ignorePcr').map((word) => pcrOf(word, '--ignore-pcr'));
  const ignoreEvents = list(input, 'ignoreEvent').map(eventOf);
  const patterns = list(input, 'commandLine');
  const { policy, decisions } = learn(machines, {
    name: text(input, 'name') as string,
    ignorePcrs,
    ignoreEvents,
    ...(patterns.length === 0 ? {} : { commandLines: patterns }),
    ima: {
      keys: keys.map((k) => k.spki),
      ignore: list(input, 'imaIgnore'),
      ignoreViolations: on(input, 'imaIgnoreViolations'),
    },
  });
  const out = text(input, 'out') as string;
  await writeOutput(out, printPolicy(policy), io);
  reportWritten(io, out, { decisions });
  if (!io.json && out !== '-') io.out(decisionTable(decisions));
  io.note(`learnt from ${machines.length} machine(s); read it, then attestctl appraise sign`);
  return 0;
}

/** Keys of files, out of certificates or public keys in PEM. @throws MALFORMED for one that cannot sign files */
async function readKeys(files: readonly string[], io: Input['io']): Promise<{ spki: string; key: ImaKey }[]> {
  const out: { spki: string; key: ImaKey }[] = [];
  for (const file of files) {
    const pem = Buffer.from(await readInput(file, io));
    let der: Uint8Array;
    try {
      // It reads the key out of a certificate too.
      der = new Uint8Array(createPublicKey(pem).export({ format: 'der', type: 'spki' }));
    } catch (cause) {
      throw new AttestdError('MALFORMED', `${file} is no certificate or public key in PEM`, { cause });
    }
    const key = imaKey(der);
    if (key === undefined) {
      throw new AttestdError('MALFORMED', `${file} is neither RSA of 2048 bits or more nor P-256 nor P-384`);
    }
    out.push({ spki: toBase64(der), key });
  }
  return out;
}

function eventOf(word: string): { pcr: number; name: string } {
  const colon = word.indexOf(':');
  return { pcr: pcrOf(word.slice(0, colon), '--ignore-event'), name: word.slice(colon + 1) };
}
