/**
 * A parent in another log that is known by a checkpoint of that log: what must hold of the proof itself, whoever sealed
 * the checkpoint. The daemon takes no other into a record; whether the seal is that host's is for the verifier.
 */
import { fromHex, utf8 } from '../../core/bytes.ts';
import type { Edge } from '../../evidence/edges.ts';
import { parseSeal, type Seal } from '../../evidence/seal.ts';
import type { Inclusion } from '../../log/inclusion.ts';
import type { NoteSignature } from '../../log/note.ts';
import { parseProof, type TlogProof, verifyProof } from '../../log/proof.ts';
import { attempt, broken, derive, got, type Part } from '../outcome.ts';

/** A proof with the lines of its checkpoint that have the form of a seal under the log's name. */
export interface ForeignProof {
  readonly log: string;
  readonly proof: TlogProof;
  readonly inclusion: Inclusion;
  readonly seals: readonly { readonly line: NoteSignature; readonly seal: Seal }[];
}

/** The proof of an edge; undefined where it has none. */
export function foreignProof({
  log,
  leaf,
  proof,
}: Pick<Edge, 'log' | 'leaf' | 'proof'>): Part<ForeignProof> | undefined {
  if (log === undefined || leaf === undefined || proof === undefined) return undefined;
  const read = attempt(() => parseProof(utf8(proof)));
  if (!read.ok) return broken(`the proof cannot be read: ${read.why}`);
  const { checkpoint, signed, index, hashes } = read.value;
  if (checkpoint.origin !== log) return broken(`the checkpoint is of ${checkpoint.origin}, not of ${log}`);
  const leafHash = fromHex(leaf);
  if (!verifyProof(read.value, leafHash))
    return broken(`the proof does not lead from the leaf to the checkpoint of ${log}`);
  const seals = signed.signatures.flatMap((line) => {
    const seal = line.name === log ? attempt(() => parseSeal(line.signature)) : broken('another name');
    return seal.ok ? [{ line, seal: seal.value }] : [];
  });
  if (seals.length === 0) return broken(`the checkpoint of ${log} has no seal`);
  const inclusion = { index, size: checkpoint.size, leafHash, proof: hashes };
  return derive(got(read.value), (p) => ({ log, proof: p, inclusion, seals }));
}
