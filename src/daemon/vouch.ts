/**
 * What the record key may sign: entries that a seal of their own run covers, shown anew each time by signature and
 * proof. Between two runs the disk was anybody's, and an entry that was put there must not get a signature which, out
 * of an export, is believed on its own.
 */
import { verify as verifySignature } from 'node:crypto';
import { equal } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { sealExtraData } from '../evidence/binding.ts';
import { parseSeal } from '../evidence/seal.ts';
import { ATTEST_MAGIC, ATTEST_QUOTE, parseAttest } from '../evidence/tpm/attest.ts';
import { ecdsaP1363, parseSignature } from '../evidence/tpm/signature.ts';
import { parseCheckpoint } from '../log/checkpoint.ts';
import { verifyInclusion } from '../log/inclusion.ts';
import { leafHash } from '../log/merkle.ts';
import { parseNote } from '../log/note.ts';
import { akAt, type Keys } from '../verify/keys.ts';
import type { Sighting } from '../verify/life.ts';
import { type Attestor, attestor } from '../verify/signed.ts';
import type { LogReader } from './reader.ts';

/** An entry and where it stands under a seal of its own run. */
export interface Vouched {
  readonly entry: Uint8Array;
  readonly index: number;
  readonly size: number;
  readonly root: Uint8Array;
  readonly path: readonly Uint8Array[];
}

/**
 * The entry at `index`, with its proof.
 * @throws SEAL_PENDING before it is sealed, FORBIDDEN when its run ended before that, STORE_CORRUPT
 */
export async function vouchFor(log: LogReader, index: number, keys: Keys): Promise<Vouched> {
  const seal = log.sealCovering(index);
  if (seal === undefined) throw new AttestdError('SEAL_PENDING', 'no seal covers the record yet');
  if (seal.bootIndex > index) {
    throw new AttestdError(
      'FORBIDDEN',
      'the run of this record ended before it was sealed; no key vouches for it',
    );
  }
  const { text, root } = readSealed(seal.note, attestor(keys.genesis, akAt(keys, seal.size)));
  const entry = log.entry(index);
  const path = log.inclusionProof(index, seal.size);
  if (!verifyInclusion({ index, size: seal.size, leafHash: leafHash(entry), proof: path }, root)) {
    throw new AttestdError('STORE_CORRUPT', `entry ${index} is not in the log that was sealed`);
  }
  if (parseCheckpoint(text).size !== seal.size) throw notOurs();
  return { entry, index, size: seal.size, root, path };
}

const notOurs = () =>
  new AttestdError('STORE_CORRUPT', 'a seal in the log was not made by the TPM of this host');

/** The text of a sealed note, its root and its quote, once the AK's signature holds. @throws STORE_CORRUPT */
export function readSealed(note: Uint8Array, ak: Attestor) {
  const { text, signatures } = parseNote(note);
  const line = signatures.find((s) => s.signature[0] === 1);
  if (line === undefined) throw notOurs();
  const { header, attest, signature } = parseSeal(line.signature);
  const parsed = parseAttest(attest);
  const key = { key: Buffer.from(ak.spki), format: 'der', type: 'spki', dsaEncoding: 'ieee-p1363' } as const;
  const genuine =
    parsed.magic === ATTEST_MAGIC &&
    parsed.type === ATTEST_QUOTE &&
    equal(parsed.qualifiedSigner, ak.qualifiedName) &&
    equal(parsed.extraData, sealExtraData(header, text)) &&
    verifySignature('sha256', attest, key, ecdsaP1363(parseSignature(signature), 32));
  if (!genuine) throw notOurs();
  return { text, root: parseCheckpoint(text).root, attest: parsed };
}

/** The TPM as a seal shows it that was checked before. */
export function sightingIn(note: Uint8Array): Sighting {
  const line = parseNote(note).signatures.find((s) => s.signature[0] === 1);
  if (line === undefined) throw notOurs();
  const { clockInfo, firmwareVersion } = parseAttest(parseSeal(line.signature).attest);
  return { ...clockInfo, firmwareVersion };
}
