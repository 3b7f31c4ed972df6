/** `attestctl report`: one page about many records, from the daemon or from evidence files. */
import { readFile } from 'node:fs/promises';
import type { Client } from '../../client/client.ts';
import type { Listed } from '../../client/listing.ts';
import { fromBase64, toHex } from '../../core/bytes.ts';
import { AttestdError, isAttestdError } from '../../core/errors.ts';
import { parseBundle } from '../../evidence/bundle.ts';
import { recordDigest } from '../../evidence/dsse.ts';
import { readStatement } from '../../evidence/statement.ts';
import { summarize } from '../../evidence/summary.ts';
import { parseTrust, type Trust } from '../../verify/trust.ts';
import { verifyBundle } from '../../verify/verify.ts';
import { type Input, text } from '../command.ts';
import { readInput, reportWritten, writeOutput } from '../files.ts';
import { filtersOf, limitOf, newest } from '../listing.ts';
import { type Machine, type Reported, reportPage } from '../page.ts';
import { createProgress } from '../progress.ts';
import { withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const { io, args } = input;
  const trustFile = text(input, 'trust');
  const trust = trustFile === undefined ? undefined : parseTrust(await readInput(trustFile, io));
  const machines = new Map<string, Machine>();
  const records =
    args.length > 0 ? await fromFiles(args, trust, machines) : await fromDaemon(input, trust, machines);
  const page = reportPage({
    title: text(input, 'title') ?? 'What ran, and who allowed it',
    made: new Date().toISOString(),
    source:
      args.length > 0
        ? `From ${args.length} evidence files.`
        : 'From the log of this host, by the word of its daemon.',
    records,
    machines: [...machines.values()],
  });
  const out = text(input, 'out') as string;
  await writeOutput(out, page, io);
  reportWritten(io, out, { records: records.length });
  if (!io.json && out !== '-') io.note(`${records.length} records are in ${out}; open it in a browser`);
  return 0;
}

async function fromFiles(
  files: readonly string[],
  trust: Trust | undefined,
  machines: Map<string, Machine>,
): Promise<Reported[]> {
  const all: Reported[] = [];
  for (const file of files) {
    let bytes: Uint8Array;
    try {
      bytes = new Uint8Array(await readFile(file));
    } catch (cause) {
      throw new AttestdError('USAGE', `${file}: ${(cause as NodeJS.ErrnoException).code}`, { cause });
    }
    all.push(await reported(bytes, trust, machines));
  }
  return all;
}

function fromDaemon(
  input: Input,
  trust: Trust | undefined,
  machines: Map<string, Machine>,
): Promise<Reported[]> {
  const query = filtersOf(input, Date.now());
  const limit = limitOf(input, 200);
  return withClient(input, async (client) => {
    const listed: Listed[] = [];
    for await (const record of newest(client, query, limit)) listed.push(record);
    const progress = createProgress(input.io, 'records');
    const all: Reported[] = [];
    for (const record of listed) {
      all.push(await withBundle(client, record, trust, machines));
      progress.update(all.length, listed.length);
    }
    progress.end();
    return all;
  });
}

/** A record with what its bundle adds; without one where it is not sealed yet. */
async function withBundle(
  client: Client,
  record: Listed,
  trust: Trust | undefined,
  machines: Map<string, Machine>,
): Promise<Reported> {
  const { index, digest, ...summary } = record;
  try {
    return await reported(await client.bundle(record.id), trust, machines);
  } catch (e) {
    if (!isAttestdError(e)) throw e;
    return { summary, log: '', index, digest, missing: e.message };
  }
}

async function reported(
  bytes: Uint8Array,
  trust: Trust | undefined,
  machines: Map<string, Machine>,
): Promise<Reported> {
  const bundle = parseBundle(bytes);
  const entry = fromBase64(bundle.record.entry);
  const statement = readStatement(entry);
  const boot = fromBase64(bundle.boot.entry);
  const run = toHex(recordDigest(boot));
  const { log } = statement.predicate;
  if (!machines.has(run)) machines.set(run, machineOf(run, log, boot));
  return {
    summary: summarize(statement),
    log,
    index: indexOf(bundle.record.proof),
    digest: toHex(recordDigest(entry)),
    run,
    ...(trust === undefined ? {} : { report: await verifyBundle(bytes, trust) }),
  };
}

/** The index line of a tlog-proof. */
const indexOf = (proof: string): number => Number(/\nindex (\d+)\n/.exec(proof)?.[1]);

function machineOf(run: string, log: string, boot: Uint8Array): Machine {
  const statement = readStatement(boot);
  if (statement.kind !== 'boot') throw new AttestdError('MALFORMED', 'the boot entry of a bundle is none');
  const p = statement.predicate;
  return {
    run,
    log,
    facts: [
      ['run since', p.time],
      ['boot of the kernel', p.bootId],
      ['resets of the TPM', `${p.reset.resetCount}, restarts ${p.reset.restartCount}`],
      ['firmware of the TPM', p.firmwareVersion],
      ['firmware log', typeof p.firmwareLog === 'string' ? p.firmwareLog : `sha256 ${p.firmwareLog.sha256}`],
      ['daemon', `attestd ${p.daemon.version}, Node.js ${p.daemon.node}`],
      ...(p.tee === undefined
        ? []
        : [['confidential machine', p.tee === 'unreadable' ? p.tee : p.tee.platform] as const]),
    ],
    pcrs: Object.entries(p.pcrs.sha256),
  };
}
