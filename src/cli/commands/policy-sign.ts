/** `attestctl policy sign`: checks a directory of policies and signs its manifest with the operator's policy key. */
import { createPrivateKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { toBase64, toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { POLICY_PAYLOAD_TYPE } from '../../core/namespace.ts';
import {
  compile,
  MANIFEST_FILE,
  manifestOf,
  readFiles,
  SignedManifest,
} from '../../daemon/govern/policies.ts';
import { pae } from '../../evidence/dsse.ts';
import { printFile } from '../../evidence/jsonfile.ts';
import { type Input, text } from '../command.ts';
import { writeOutput } from '../files.ts';

export async function run(input: Input): Promise<number> {
  const directory = input.args[0] as string;
  const id = text(input, 'id') as string;
  const key = readKey(text(input, 'key') as string);
  const files = readFiles(directory);
  const { policies } = await compile(files);
  const manifest = manifestOf(id, files);
  const signature = sign('sha256', pae(POLICY_PAYLOAD_TYPE, manifest), key);
  const envelope = {
    payloadType: POLICY_PAYLOAD_TYPE,
    payload: toBase64(manifest),
    signatures: [{ sig: toBase64(new Uint8Array(signature)) }],
  } as const;
  const file = join(directory, MANIFEST_FILE);
  await writeOutput(
    file,
    printFile('policy manifest', SignedManifest, { ...envelope, signatures: [...envelope.signatures] }),
    input.io,
  );
  const digest = toHex(sha256(manifest));
  if (input.io.json)
    input.io.out(
      `${JSON.stringify({ schema: 'attestd.dev/policy-sign/v1', id, sha256: digest, policies })}\n`,
    );
  else input.io.note(`${policies} policies signed as ${id}, ${digest}, in ${file}`);
  return 0;
}

function readKey(file: string) {
  try {
    const key = createPrivateKey(readFileSync(file));
    if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new Error('not an ECDSA P-256 key');
    return key;
  } catch (e) {
    throw new AttestdError('USAGE', `--key ${file}: ${(e as Error).message}`, { field: '--key', cause: e });
  }
}
