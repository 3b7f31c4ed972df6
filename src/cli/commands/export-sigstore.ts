/**
 * `attestctl export sigstore`: a record as a Sigstore bundle. The daemon signs when an id or an evidence bundle is
 * given; a Sigstore bundle or an envelope is signed already, and gets a certificate and timestamps without it.
 */
import { AttestdError } from '../../core/errors.ts';
import { jcsBytes, parseJson } from '../../core/json.ts';
import { parseEntry } from '../../evidence/dsse.ts';
import { exportKeyId, parseEnvelope, type SignedEntry } from '../../evidence/export/envelope.ts';
import { parseSigstore, printSigstore, type SigstoreBundle } from '../../evidence/export/sigstore.ts';
import { parseCertificate } from '../../evidence/x509/certificate.ts';
import { readCertificates } from '../certificates.ts';
import { type Input, list, text } from '../command.ts';
import { readInput, reportWritten, writeOutput } from '../files.ts';
import { holdEntry, isFile, type NamedRecord, recordOf } from '../recordfile.ts';
import { withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const start = await signedRecord(input);
  const certificate = await chosenCertificate(input, start.signed);
  const timestamps = [...start.timestamps];
  for (const file of list(input, 'timestamp')) timestamps.push(await readInput(file, io));
  if (certificate !== undefined && timestamps.length === 0) {
    io.note('a certificate without --timestamp: verifiers of certificates need one');
  }
  const bundle = printSigstore({
    signed: start.signed,
    timestamps,
    ...(certificate === undefined ? {} : { certificate }),
  });
  const out = text(input, 'out') as string;
  await writeOutput(out, bundle, io);
  const signature = text(input, 'signature');
  if (signature !== undefined) await writeOutput(signature, start.signed.signature, io);
  const blob = text(input, 'blob');
  if (blob !== undefined) {
    await writeOutput(blob, jcsBytes(parseEntry(start.signed.entry).json.predicate), io);
  }
  const mode = certificate === undefined ? 'key' : 'certificate';
  if (out !== '-') io.note(`${mode} mode, key ${start.signed.keyId}, in ${out}`);
  reportWritten(io, out, { mode, key: start.signed.keyId, timestamps: timestamps.length });
  return 0;
}

/** The signature: out of a file, or made now by the daemon. */
async function signedRecord(input: Input): Promise<SigstoreBundle> {
  const name = input.args[0] as string;
  let record: NamedRecord = { id: name };
  if (isFile(name)) {
    const bytes = await readInput(name, input.io);
    const json = parseJson(bytes);
    const has = (member: string) => typeof json === 'object' && json !== null && member in json;
    if (has('dsseEnvelope')) return parseSigstore(bytes);
    if (has('payloadType')) return { signed: parseEnvelope(bytes), timestamps: [] };
    record = recordOf(bytes);
  }
  const signed = parseEnvelope(await withClient(input, (client) => client.envelope(record.id)));
  holdEntry(record, signed.entry);
  return { signed, timestamps: [] };
}

/** The certificate of --certificate, which must be of the key that signed. */
async function chosenCertificate(input: Input, signed: SignedEntry): Promise<Uint8Array | undefined> {
  const file = text(input, 'certificate');
  if (file === undefined) return undefined;
  const [leaf] = await readCertificates([file], input.io);
  if (leaf === undefined || exportKeyId(parseCertificate(leaf).spki) !== signed.keyId) {
    throw new AttestdError('USAGE', `${file} is not a certificate of the record key`, {
      field: '--certificate',
    });
  }
  return leaf;
}
