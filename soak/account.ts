/**
 * What a log told the world outside, kept so that in the end it can be counted how much of it the disk does not bear out:
 * records that were acknowledged and are not there, and heads that do not go together. Unlike a test this goes on after
 * the first of them, because how many there are is the result.
 */
import { toBase64, toHex, utf8 } from '../src/core/bytes.ts';
import { recordDigest } from '../src/evidence/dsse.ts';
import { parseCheckpoint } from '../src/log/checkpoint.ts';
import { leafHash } from '../src/log/merkle.ts';
import { parseNote } from '../src/log/note.ts';
import { parseProof, verifyProof } from '../src/log/proof.ts';
import { CompactRange } from '../src/log/range.ts';
import { readLog } from '../src/store/reader.ts';
import type { Acked } from '../test/crash/load.ts';

/** The outcome of holding everything against the disk. */
export interface Settlement {
  readonly acknowledged: number;
  readonly entries: number;
  readonly seals: number;
  /** One sentence for each acknowledged record that is not where it was said to be. */
  readonly lost: readonly string[];
  /** One for each two heads of one log that cannot both be true. */
  readonly forks: readonly string[];
  /** One for each proof that does not hold. */
  readonly badProofs: readonly string[];
}

export interface Account {
  readonly acknowledged: number;
  /** Takes receipts. */
  add(acked: readonly Acked[]): void;
  /** Takes a sealed or published note that was handed out otherwise. */
  see(note: string): void;
  /** Holds all of it against the log on disk; nobody writes there meanwhile. */
  settle(logDir: string): Promise<Settlement>;
}

/** Receipts whose proof is verified in the end: all would be hours of hashing. */
const PROOFS = 20_000;

export function createAccount(): Account {
  /** Record digests in hex by index. */
  const digests: string[] = [];
  const notes = new Map<string, { readonly size: number; readonly root: string }>();
  const proofs: { readonly index: number; readonly proof: string }[] = [];
  const forks: string[] = [];
  let acknowledged = 0;
  let sealed = 0;

  function see(note: string): void {
    if (notes.has(note)) return;
    const { size, root } = parseCheckpoint(parseNote(utf8(note)).text);
    notes.set(note, { size, root: toBase64(root) });
  }

  return {
    get acknowledged() {
      return acknowledged;
    },
    add(acked) {
      for (const { receipt } of acked) {
        const { index, digest, proof } = receipt;
        const other = digests[index];
        if (other === undefined) acknowledged++;
        else if (other !== digest) forks.push(`entry ${index} was acknowledged as ${other} and as ${digest}`);
        digests[index] = digest;
        if (proof === undefined) continue;
        see(proof.slice(proof.indexOf('\n\n') + 2));
        // Reservoir: each has the same chance to be kept.
        const at = proofs.length < PROOFS ? proofs.length : Math.floor(Math.random() * ++sealed);
        if (at < PROOFS) proofs[at] = { index, proof };
      }
    },
    see,
    async settle(logDir) {
      const lost: string[] = [];
      const badProofs: string[] = [];
      const onDisk = new Set<string>();
      const wanted = new Map<number, string[]>();
      for (const [note, { size }] of notes) wanted.set(size, [...(wanted.get(size) ?? []), note]);
      const kept = new Map(proofs.map((p) => [p.index, p.proof]));
      const range = new CompactRange();
      let entries = 0;

      const compare = (): void => {
        const heads = wanted.get(entries);
        if (heads === undefined) return;
        const root = toBase64(range.root());
        for (const note of heads) {
          const said = notes.get(note)?.root;
          if (said !== root) forks.push(`size ${entries}: ${said} was handed out, the log has ${root}`);
        }
      };
      compare();
      for await (const frame of readLog(logDir).frames()) {
        if (frame.kind === 'seal') onDisk.add(Buffer.from(frame.sealed.note).toString());
        if (frame.kind !== 'entries') continue;
        for (let i = 0; i < frame.batch.count; i++) {
          const entry = frame.batch.entry(i);
          const leaf = leafHash(entry);
          const said = digests[entries];
          if (said !== undefined && said !== toHex(recordDigest(entry)))
            lost.push(`entry ${entries} is not the record ${said} that was acknowledged`);
          const proof = kept.get(entries);
          if (proof !== undefined && !holds(proof, entries, leaf))
            badProofs.push(`the proof of entry ${entries}`);
          range.append(leaf);
          entries++;
          compare();
        }
      }
      for (let i = entries; i < digests.length; i++)
        if (digests[i] !== undefined) lost.push(`entry ${i} was acknowledged; the log has ${entries}`);
      for (const [note, { size }] of notes) {
        if (size > entries) forks.push(`a head of size ${size} was handed out; the log has ${entries}`);
        else if (isSeal(note) && !onDisk.has(note))
          forks.push(`the log does not have a seal of size ${size} that was handed out`);
      }
      return { acknowledged, entries, seals: onDisk.size, lost, forks, badProofs };
    },
  };
}

function holds(text: string, index: number, leaf: Uint8Array): boolean {
  try {
    const proof = parseProof(utf8(text));
    return proof.index === index && verifyProof(proof, leaf);
  } catch {
    return false;
  }
}

/** Whether the note is as it was sealed: one that was published has more than the one line. */
const isSeal = (note: string): boolean => note.split('\n\n')[1]?.trimEnd().split('\n').length === 1;
