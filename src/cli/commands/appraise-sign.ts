/** `attestctl appraise sign`: a policy in its owner's envelope. */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { parsePolicy, sealPolicy } from '../../evidence/appraisal.ts';
import { type Input, text } from '../command.ts';
import { readInput, reportWritten, writeOutput } from '../files.ts';

export async function run(input: Input): Promise<number> {
  const { io, args } = input;
  const policy = await readInput(args[0] as string, io);
  const { name } = parsePolicy(policy);
  const key = readKey(await readInput(text(input, 'key') as string, io));
  const spki = new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' }));
  // Ed25519 hashes for itself; an ECDSA signature of DSSE is over SHA-256, in DER.
  const hash = key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  const envelope = sealPolicy(policy, spki, (message) => new Uint8Array(sign(hash, message, key)));
  const out = text(input, 'out') as string;
  await writeOutput(out, envelope, io);
  const keyid = toHex(sha256(spki));
  reportWritten(io, out, { policy: name, keyid });
  io.note(`"${name}" signed by the key ${keyid}`);
  return 0;
}

/** @throws MALFORMED for what is no private key of a kind that owners have */
function readKey(pem: Uint8Array): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: Buffer.from(pem), format: 'pem' });
  } catch (cause) {
    throw new AttestdError('MALFORMED', '--key is no unencrypted private key in PEM', {
      cause,
      field: '--key',
    });
  }
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (key.asymmetricKeyType === 'ed25519' || curve === 'prime256v1') return key;
  throw new AttestdError('MALFORMED', '--key is neither Ed25519 nor P-256', { field: '--key' });
}
