/**
 * What the world outside was told by one log, and whether the disk still agrees: every acknowledged record in its
 * place, every seal that was handed out among the log's own, one root for each size, and the audit without findings.
 */
import { Agent } from 'node:http';
import { join } from 'node:path';
import { expect } from 'vitest';
import { toBase64, toHex, utf8 } from '../../src/core/bytes.ts';
import { recordDigest } from '../../src/evidence/dsse.ts';
import { parseCheckpoint } from '../../src/log/checkpoint.ts';
import { leafHash } from '../../src/log/merkle.ts';
import { parseNote } from '../../src/log/note.ts';
import { parseProof, verifyProof } from '../../src/log/proof.ts';
import { CompactRange } from '../../src/log/range.ts';
import { readLog } from '../../src/store/reader.ts';
import { type ProcessHost, readIfThere } from '../kit/host.ts';
import { type Acked, ask } from './load.ts';

export interface Ledger {
  readonly size: number;
  /** Takes receipts. */
  add(acked: readonly Acked[]): void;
  /** Holds all of it against the disk of a host whose daemon is not running. */
  check(host: ProcessHost): Promise<void>;
  /** Holds against the disk that nothing of the last frame was acknowledged, because its write or sync failed. */
  checkUnacknowledged(host: ProcessHost): Promise<void>;
  /** Asks a running daemon for every record by its id, and once more for those that have an idempotency key. */
  query(host: ProcessHost): Promise<void>;
}

interface Disk {
  readonly entries: Uint8Array[];
  /** Roots in base64 by size. */
  readonly roots: string[];
  /** Sealed notes in the log, as text. */
  readonly seals: Set<string>;
  /** What the last frame holds. */
  readonly last: { readonly note?: string; readonly from?: number };
}

async function readDisk(dir: string): Promise<Disk> {
  const range = new CompactRange();
  const disk = { entries: [] as Uint8Array[], roots: [toBase64(range.root())], seals: new Set<string>() };
  let last: Disk['last'] = {};
  for await (const frame of readLog(dir).frames()) {
    last = frame.kind === 'entries' ? { from: frame.first } : {};
    if (frame.kind === 'seal') {
      const note = Buffer.from(frame.sealed.note).toString();
      disk.seals.add(note);
      last = { note };
    }
    if (frame.kind !== 'entries') continue;
    for (let i = 0; i < frame.batch.count; i++) {
      const entry = Uint8Array.from(frame.batch.entry(i));
      disk.entries.push(entry);
      range.append(leafHash(entry));
      disk.roots.push(toBase64(range.root()));
    }
  }
  return { ...disk, last };
}

/** Size and root of a checkpoint note. */
function headOf(note: Uint8Array): { size: number; root: string } {
  const { size, root } = parseCheckpoint(parseNote(note).text);
  return { size, root: toBase64(root) };
}

export function createLedger(): Ledger {
  const byIndex = new Map<number, Acked>();
  /** Every root that was ever seen sealed, by size. */
  const sealed = new Map<number, string>();
  const handedOut = new Set<string>();
  let fresh: Acked[] = [];

  function see(note: Uint8Array): void {
    const { size, root } = headOf(note);
    expect(sealed.get(size) ?? root, `a second root was sealed for size ${size}`).toBe(root);
    sealed.set(size, root);
  }

  function checkProof({ receipt }: Acked, disk: Disk): void {
    const proof = parseProof(utf8(receipt.proof ?? ''));
    const entry = disk.entries[receipt.index] as Uint8Array;
    expect(proof.index, 'index of the proof').toBe(receipt.index);
    expect(verifyProof(proof, leafHash(entry)), `the proof of entry ${receipt.index}`).toBe(true);
    see(proof.note);
    handedOut.add(Buffer.from(proof.note).toString());
  }

  return {
    get size() {
      return byIndex.size;
    },
    add(acked) {
      for (const a of acked) {
        const { index, digest } = a.receipt;
        const other = byIndex.get(index)?.receipt.digest;
        expect(other ?? digest, `two records were acknowledged as entry ${index}`).toBe(digest);
        byIndex.set(index, a);
      }
      fresh.push(...acked);
    },
    async check(host) {
      const disk = await readDisk(host.logDir);
      for (const [index, { receipt }] of byIndex) {
        const entry = disk.entries[index];
        expect(entry, `entry ${index} of ${disk.entries.length} was acknowledged`).toBeDefined();
        if (entry !== undefined) expect(toHex(recordDigest(entry)), `entry ${index}`).toBe(receipt.digest);
      }
      for (const note of disk.seals) see(utf8(note));
      for (const name of ['checkpoint', 'published']) {
        const note = readIfThere(join(host.logDir, name));
        if (note !== undefined) see(note);
      }
      for (const a of fresh) if (a.receipt.strength === 'sealed') checkProof(a, disk);
      fresh = [];
      for (const note of handedOut)
        expect(disk.seals.has(note), `a seal that was handed out:\n${note}`).toBe(true);
      for (const [size, root] of sealed) expect(disk.roots[size], `root of size ${size}`).toBe(root);
      const [report] = (await host.audit()).slice(-1);
      expect(report?.findings).toEqual([]);
      expect(report?.entries).toBe(disk.entries.length);
      expect(report?.verdict).toBe(disk.seals.size > 0 ? 'verified' : 'indeterminate');
    },
    async checkUnacknowledged(host) {
      const { last, entries } = await readDisk(host.logDir);
      expect(handedOut.has(last.note ?? ''), 'a seal left the process whose frame was not synced').toBe(
        false,
      );
      for (let i = last.from ?? entries.length; i < entries.length; i++)
        expect(byIndex.has(i), `entry ${i} was acknowledged and its frame was not synced`).toBe(false);
    },
    async query(host) {
      const agent = new Agent({ keepAlive: true });
      for (const { receipt, again } of byIndex.values()) {
        const path = `/v1/records/${receipt.id}`;
        const { status, json } = await ask(host.config.admin_socket.path, path, { agent });
        expect([status, json.index, json.digest], receipt.id).toEqual([200, receipt.index, receipt.digest]);
        if (again === undefined) continue;
        const { body, key } = again;
        const retried = await ask(host.socket, '/v1/records?wait=durable', { body, key });
        expect([retried.json.index, retried.json.digest], `retry of ${receipt.id}`).toEqual([
          receipt.index,
          receipt.digest,
        ]);
      }
      agent.destroy();
    },
  };
}
