/** The yardstick of the audit: one leaf and one node hash for each entry of a log, and nothing else. `hashes.js STATE` */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { epochs } from '../src/store/layout.ts';
import { readLog } from '../src/store/reader.ts';

const SAMPLE = 100_000;

const state = process.argv[2] as string;
const dir = epochs(state).at(-1) as string;
const log = readLog(join(state, 'log', dir));
const entries: Uint8Array[] = [];
for await (const { entry } of log.entries(0)) {
  entries.push(entry);
  if (entries.length === SAMPLE) break;
}
const leaf = Buffer.of(0);
const node = Buffer.concat([Buffer.of(1), Buffer.alloc(32)]);
const from = performance.now();
for (const entry of entries) {
  const hash = createHash('sha256').update(leaf).update(entry).digest();
  createHash('sha256').update(node).update(hash).digest();
}
const rate = entries.length / ((performance.now() - from) / 1000);
process.stdout.write(`${JSON.stringify({ rate })}\n`);
