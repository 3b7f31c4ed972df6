import { describe, expect, test } from 'vitest';
import { fromBase64, fromHex, utf8 } from '../../src/core/bytes.ts';
import { parseCheckpoint } from '../../src/log/checkpoint.ts';
import { verifyConsistency } from '../../src/log/consistency.ts';
import { parseEntries } from '../../src/log/entries.ts';
import { verifyInclusion } from '../../src/log/inclusion.ts';
import { parseVkey } from '../../src/log/keys.ts';
import { leafHash } from '../../src/log/merkle.ts';
import { parseNote, printNote } from '../../src/log/note.ts';
import { parseProof, printProof, splitProof, verifyProof } from '../../src/log/proof.ts';
import { CompactRange } from '../../src/log/range.ts';
import { ecdsaFromDer, openNote, verifySignature } from '../../src/log/signature.ts';
import { rootAt } from '../../src/log/source.ts';
import { verifySubtreeConsistency, verifySubtreeInclusion } from '../../src/log/subtree.ts';
import { tileHash } from '../../src/log/tile.ts';
import { tileSource } from '../../src/log/tilesource.ts';
import { b64, readVector, readVectors } from './vectors.ts';

interface Case {
  readonly file: string;
  readonly desc: string;
  readonly wantErr: boolean;
  readonly proof: string[] | null;
}
const hashes = (proof: string[] | null) => (proof ?? []).map(b64);

describe('the vectors of transparency-dev/merkle', () => {
  type Inclusion = Case & { leafIdx: number; treeSize: number; root: string; leafHash: string };
  const inclusion = readVectors<Inclusion[]>('inclusion.json');
  test.each(inclusion.map((c) => [c.file, c] as const))('%s', (_, c) => {
    const given = { index: c.leafIdx, size: c.treeSize, leafHash: b64(c.leafHash), proof: hashes(c.proof) };
    expect(verifyInclusion(given, b64(c.root))).toBe(!c.wantErr);
  });

  type Consistency = Case & { size1: number; size2: number; root1: string; root2: string };
  const consistency = readVectors<Consistency[]>('consistency.json');
  test.each(consistency.map((c) => [c.file, c] as const))('%s', (_, c) => {
    const from = { size: c.size1, root: b64(c.root1) };
    const to = { size: c.size2, root: b64(c.root2) };
    expect(verifyConsistency(from, to, hashes(c.proof))).toBe(!c.wantErr);
  });

  type SubtreeInclusion = Case & {
    leafIdx: number;
    start: number;
    end: number;
    root: string;
    leafHash: string;
  };
  const subInclusion = readVectors<SubtreeInclusion[]>('subtreeinclusion.json');
  test.each(subInclusion.map((c) => [c.file, c] as const))('%s', (_, c) => {
    const subtree = { start: c.start, end: c.end, root: b64(c.root) };
    const got = verifySubtreeInclusion(c.leafIdx, b64(c.leafHash), hashes(c.proof), subtree);
    expect(got).toBe(!c.wantErr);
  });

  type SubtreeConsistency = Case & { start: number; end: number; size: number; root1: string; root2: string };
  const subConsistency = readVectors<SubtreeConsistency[]>('subtreeconsistency.json');
  test.each(subConsistency.map((c) => [c.file, c] as const))('%s', (_, c) => {
    const subtree = { start: c.start, end: c.end, root: b64(c.root1) };
    const head = { size: c.size, root: b64(c.root2) };
    // One case takes two equal roots of 12 bytes for consistent; a root that is no hash is refused here.
    const stricter = b64(c.root1).length !== 32;
    expect(verifySubtreeConsistency(subtree, head, hashes(c.proof))).toBe(!c.wantErr && !stricter);
  });

  test('there are as many as the origin has', () => {
    const counts = [inclusion, consistency, subInclusion, subConsistency].map((v) => v.length);
    expect(counts).toEqual([49, 49, 102, 59]);
  });
});

describe('inclusion proofs of Rekor', () => {
  interface Rekor {
    readonly file: string;
    readonly leafBody: string;
    readonly leafIndex: number;
    readonly treeSize: number;
    readonly hashes: string[];
    readonly rootHash: string;
    readonly wantErr: boolean;
  }
  test.each(readVectors<Rekor[]>('rekor.json').map((c) => [c.file, c] as const))('%s', (_, c) => {
    const leaf = leafHash(b64(c.leafBody));
    const given = { index: c.leafIndex, size: c.treeSize, leafHash: leaf, proof: hashes(c.hashes) };
    expect(verifyInclusion(given, b64(c.rootHash))).toBe(!c.wantErr);
  });
});

describe('the log of tessera', () => {
  const key = parseVkey('example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx');
  const entries = parseEntries(readVector('tessera/entries_000.p_15'), 15);
  const tile = readVector('tessera/tile_0_000.p_15');

  test('its tile has the leaf hashes of its entries', () => {
    expect(entries.map((e, i) => leafHash(e).join() === tileHash(tile, i).join())).toEqual(
      Array(15).fill(true),
    );
    expect(tile.length).toBe(15 * 32);
  });

  test.each([0, 2, 4, 6, 8, 10, 12, 14])(
    'checkpoint of size %i is signed and follows from the entries',
    async (n) => {
      const note = parseNote(readVector(`tessera/checkpoint.${n}`));
      expect(await openNote(note, [key])).toHaveLength(1);
      const checkpoint = parseCheckpoint(note.text);
      const range = new CompactRange();
      for (const e of entries.slice(0, n)) range.append(leafHash(e));
      expect(checkpoint).toEqual({ origin: key.name, size: n, root: range.root() });
      expect(
        await rootAt(
          n,
          tileSource(15, () => tile),
        ),
      ).toEqual(checkpoint.root);
    },
  );
});

describe('signed notes', () => {
  interface NoteCase {
    readonly file: string;
    readonly note: string;
    readonly vkeys: string[];
    readonly expect: 'ok' | 'unknown' | 'refuse';
  }
  test.each(readVectors<NoteCase[]>('notes.json').map((c) => [c.file, c] as const))('%s', async (_, c) => {
    const open = async () => {
      const note = parseNote(utf8(c.note));
      expect(printNote(note)).toBe(c.note);
      if (!c.file.startsWith('c2sp_signed_note')) parseCheckpoint(note.text);
      return openNote(note, c.vkeys.map(parseVkey));
    };
    if (c.expect === 'ok') await expect(open()).resolves.toHaveLength(1);
    else if (c.expect === 'unknown') await expect(open()).rejects.toThrow(/no signature line of a known key/);
    else await expect(open()).rejects.toThrow(/MALFORMED|checkpoint:|not canonical/);
  });

  const vkeys = readVectors<{ ok: string[]; bad: Record<string, string> }>('vkeys.json');
  test.each(vkeys.ok)('verifier key %s', (vkey) => {
    // Type 5 (RFC 6962 tree head signatures) is of certificate transparency logs; it is known and not supported.
    if (vkey.startsWith('ct.googleapis.com'))
      expect(() => parseVkey(vkey)).toThrow(/type 5 is not supported/);
    else expect(parseVkey(vkey).name).toBe(vkey.split('+')[0]);
  });
  test.each(Object.entries(vkeys.bad))('verifier key %s: %s', (vkey) => {
    expect(() => parseVkey(vkey)).toThrow();
  });
});

describe('tlog-proof', () => {
  interface ProofCase {
    readonly file: string;
    readonly proof: string;
    readonly leafBody: string;
    readonly vkeys: string[];
  }
  test.each(readVectors<ProofCase[]>('proofs.json').map((c) => [c.file, c] as const))('%s', async (_, c) => {
    const proof = parseProof(utf8(c.proof));
    expect(printProof(proof)).toEqual(utf8(c.proof));
    const leaf = leafHash(fromBase64(c.leafBody));
    expect(verifyProof(proof, leaf)).toBe(true);
    expect(verifyProof(proof, leafHash(leaf))).toBe(false);
    expect(await openNote(proof.signed, c.vkeys.map(parseVkey))).toHaveLength(1);
  });

  type Forms = {
    ok: { text: string; index: number; hashes: string[] }[];
    must_fail: { text: string; error: string }[];
  };
  const forms = readVectors<Forms>('proof-forms.json');
  test.each(forms.ok)('form with index $index', ({ text, index, hashes: h }) => {
    const parts = splitProof(utf8(text));
    expect([parts.index, parts.hashes]).toEqual([index, h.map(b64)]);
    expect(printProof(parts)).toEqual(utf8(text));
  });
  test.each(forms.must_fail)('form refused: $error', ({ text }) => {
    expect(() => splitProof(utf8(text))).toThrow(/tlog-proof/);
  });
});

describe('ECDSA P-256 signatures of Wycheproof', () => {
  type Group = { spki: string; tests: [number, string, string, 'valid' | 'invalid', string][] };
  const groups = readVectors<Group[]>('wycheproof-p256.json');
  test('every one gets its answer', async () => {
    const wrong: string[] = [];
    let valid = 0;
    for (const { spki, tests } of groups) {
      const key = { name: 'k', type: 2, key: fromHex(spki) } as const;
      for (const [id, msg, sig, result, comment] of tests) {
        // A note text is UTF-8; only messages that are can go the whole way, the others stop at the DER.
        const bytes = fromHex(msg);
        const text = Buffer.from(bytes).toString('utf8');
        let got: boolean;
        if (Buffer.from(text, 'utf8').equals(Buffer.from(bytes))) {
          const line = { name: 'k', keyId: new Uint8Array(4), signature: fromHex(sig) };
          got = await verifySignature(key, text, line);
        } else {
          try {
            const raw = ecdsaFromDer(fromHex(sig));
            const curve = { name: 'ECDSA', namedCurve: 'P-256' };
            const k = await crypto.subtle.importKey('spki', Buffer.from(spki, 'hex'), curve, false, [
              'verify',
            ]);
            const ecdsa = { name: 'ECDSA', hash: 'SHA-256' };
            got = await crypto.subtle.verify(ecdsa, k, Buffer.from(raw), Buffer.from(bytes));
          } catch {
            got = false;
          }
        }
        if (got !== (result === 'valid')) wrong.push(`${id} ${comment}: ${got}`);
        if (got) valid++;
      }
    }
    expect(wrong).toEqual([]);
    expect(valid).toBe(174);
  });
});
