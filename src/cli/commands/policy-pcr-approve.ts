/** `attestctl policy pcr approve`: values of registers under which the record keys of a fleet may sign, signed offline. */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { fromBase64 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { parseBundle } from '../../evidence/bundle.ts';
import { approvedPolicy, printStateApproval } from '../../evidence/stateapproval.ts';
import { readStatement } from '../../evidence/statement.ts';
import { parseOrigin } from '../../log/origin.ts';
import { type Input, list, text } from '../command.ts';
import { pcrOf } from '../decisions.ts';
import { readInput, reportWritten, writeOutput } from '../files.ts';
import { machineOfBundle } from '../machine.ts';

export async function run(input: Input): Promise<number> {
  const { io, args } = input;
  const key = readKey(await readInput(text(input, 'key') as string, io));
  const file = args[0];
  const shown = file === undefined ? undefined : await readMachine(await readInput(file, io), file);
  const pcrs: Record<string, string> = {};
  for (const word of list(input, 'pcr')) {
    const pcr = pcrOf(word, '--pcr');
    const value = shown?.values.get(pcr);
    if (value === undefined) {
      throw new AttestdError(
        'USAGE',
        shown === undefined
          ? '--pcr takes values from a bundle, and none is given'
          : `the bundle quotes no PCR ${pcr}`,
        { field: '--pcr' },
      );
    }
    pcrs[String(pcr)] = value;
  }
  for (const word of list(input, 'value')) {
    const [, index, value] = /^(\d{1,2}):([0-9a-f]{64})$/.exec(word) ?? [];
    if (index === undefined || value === undefined) {
      throw new AttestdError('USAGE', `no register and value: ${word}`, { field: '--value' });
    }
    pcrs[String(pcrOf(index, '--value'))] = value;
  }
  const fleet = text(input, 'fleet') ?? shown?.fleet;
  if (fleet === undefined)
    throw new AttestdError('USAGE', 'name the fleet, or a bundle of it', { field: '--fleet' });
  if (Object.keys(pcrs).length === 0) {
    throw new AttestdError('USAGE', 'there is nothing to approve: name registers with --pcr or --value');
  }
  const spki = new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' }));
  const bytes = printStateApproval({ fleet, key: spki, pcrs }, (m) => new Uint8Array(sign('sha256', m, key)));
  const out = text(input, 'out') as string;
  await writeOutput(out, bytes, io);
  const digest = Buffer.from(approvedPolicy({ pcrs })).toString('hex');
  reportWritten(io, out, { fleet, pcrs, digest });
  io.note(
    `PCR ${Object.keys(pcrs).join(', ')} approved for the fleet ${fleet}; put it into record_key.approvals of its hosts`,
  );
  return 0;
}

/** Registers as the quote in a bundle proves them, and the fleet of its log. */
async function readMachine(bytes: Uint8Array, name: string) {
  const { registers } = await machineOfBundle(bytes, name);
  const { predicate } = readStatement(fromBase64(parseBundle(bytes).genesis.entry));
  return {
    fleet: parseOrigin(predicate.log).fleet,
    values: new Map([...registers.values()].map((r) => [r.pcr, r.value])),
  };
}

/** @throws MALFORMED for what is no private key on P-256 */
function readKey(pem: Uint8Array): KeyObject {
  let key: KeyObject | undefined;
  try {
    key = createPrivateKey({ key: Buffer.from(pem), format: 'pem' });
  } catch {
    key = undefined;
  }
  if (key?.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new AttestdError('MALFORMED', '--key is no unencrypted private key on P-256 in PEM', {
      field: '--key',
    });
  }
  return key;
}
