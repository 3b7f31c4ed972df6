/** A thread that reads stretches of entries for an audit: bundles of entries in, what they say out, in order. */
import { parentPort } from 'node:worker_threads';
import { useSha256 } from '../../core/hash.ts';
import { Reader } from '../../core/reader.ts';
import { MAX_ENTRY_SIZE } from '../../log/entries.ts';
import { sha256Of } from '../../store/hash.ts';
import { readStretch } from '../../verify/audit/stretch.ts';

useSha256(sha256Of);
const port = parentPort;
port?.on('message', (bundle: Uint8Array) => {
  const reader = new Reader(bundle, 'entries');
  const entries: Uint8Array[] = [];
  while (reader.left > 0) entries.push(reader.sized(MAX_ENTRY_SIZE));
  port.postMessage(readStretch(entries));
});
