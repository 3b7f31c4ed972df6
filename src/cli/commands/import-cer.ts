/** `attestctl import cer`: a NexArt CER enters the log, with what it proves by itself. */
import { fromUtf8 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { type CerFacts, judgeCer } from '../../evidence/import/judge.ts';
import { type Input, list, on, text } from '../command.ts';
import { readInput } from '../files.ts';
import { nodeKeyOf } from '../nodekey.ts';
import { receiptDocument, waitOption, withClient } from '../session.ts';

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const wait = waitOption(input);
  const keys = list(input, 'nodeKey').map(nodeKeyOf);
  const expect = text(input, 'expect');
  if (expect !== undefined && !/^sha256:[0-9a-f]{64}$/.test(expect)) {
    throw new AttestdError('USAGE', '--expect is not sha256: and 64 lower-case digits', {
      field: '--expect',
    });
  }
  const bytes = await readInput(input.args[0] as string, io);
  const verdict = await judgeCer(bytes, keys, expect);
  // The daemon judges again: what is recorded is what it found.
  if (!verdict.ok) throw new AttestdError('IMPORT_REFUSED', `${verdict.fault}: ${verdict.why}`);
  const content = fromUtf8(bytes);
  if (on(input, 'check')) {
    if (io.json) io.out(`${JSON.stringify(document(verdict))}\n`);
    else io.out(`${sentence(verdict)}\n`);
    return 0;
  }
  const receipt = await withClient(input, (client) =>
    client.importCer(content, { wait, keys, ...(expect === undefined ? {} : { expect }) }),
  );
  if (io.json) io.out(`${receiptDocument(receipt)}\n`);
  else {
    io.out(`${receipt.id}\n`);
    io.note(sentence(verdict));
    io.note(`${receipt.strength} as entry ${receipt.index} of ${receipt.log}`);
  }
  return 0;
}

const document = ({ cer, proved, receipt, envelope, assertedBy }: CerFacts) => ({
  schema: 'attestd.dev/import-check/v1',
  certificateHash: cer.certificateHash,
  executionId: cer.executionId,
  protocolVersion: cer.protocolVersion,
  proved,
  checks: { integrity: 'pass', receipt, envelope },
  ...(assertedBy === undefined ? {} : { assertedBy: { nodeId: assertedBy.nodeId, kid: assertedBy.kid } }),
  uncovered: cer.uncovered,
});

function sentence({ proved, assertedBy }: CerFacts): string {
  if (proved === 'node-signed') return `it proves that the node ${assertedBy?.nodeId} signed this content`;
  return assertedBy === undefined
    ? 'it proves integrity alone: nobody signed it, and whoever has it can seal another'
    : `it proves integrity alone: the node ${assertedBy.nodeId} signed a receipt, and no envelope over the content`;
}
