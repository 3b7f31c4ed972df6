/**
 * An IMA list of a million lines, read from a file and replayed, against nothing but the hashes that the replay needs by
 * the same function, in processor time. `ima.js FILE LINES`; prints the two rates and the most that buffers held.
 */
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { sha256, useSha256 } from '../src/core/hash.ts';
import { createImaReader } from '../src/evidence/eventlog/ima/reader.ts';
import { createImaReplay } from '../src/evidence/eventlog/ima/replay.ts';
import { sha256Of } from '../src/store/hash.ts';

const SAMPLE = 100_000;
const DIGITS = '0123456789abcdef';

/** `n` hexadecimal digits that look random and cost little. */
function digits(seed: number, n: number): string {
  let text = '';
  let x = (seed * 2654435761) >>> 0;
  for (let i = 0; i < n; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    text += DIGITS[x >>> 28];
  }
  return text;
}

async function write(file: string, lines: number): Promise<void> {
  const out = createWriteStream(file);
  for (let i = 0; i < lines; i += 1000) {
    let text = '';
    for (let j = i; j < Math.min(i + 1000, lines); j++) {
      text += `10 ${digits(j, 40)} ima-ng sha256:${digits(j + 7, 64)} /usr/lib/p${j % 5000}/file-${j}.so\n`;
    }
    if (!out.write(text)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
}

const [file, count] = process.argv.slice(2) as [string, string];
useSha256(sha256Of);
await write(file, Number(count));

// One buffer for all of it: a hundred thousand of their own would burden the garbage collection of what is measured.
const room = new Uint8Array(SAMPLE * 256);
let used = 0;
const sample: Uint8Array[] = [];
const collect = createImaReader(({ data }) => {
  if (sample.length === SAMPLE || used + data.length > room.length) return;
  room.set(data, used);
  sample.push(room.subarray(used, used + data.length));
  used += data.length;
});
for await (const chunk of createReadStream(file, { end: 20e6 })) collect.push(chunk as Uint8Array);

/** Seconds of processor time so far, of every thread: another's load on the machine then falls on neither side. */
function worked(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Hashes a second of the sample, as a replay does and nothing besides. */
function raw(): number {
  const both = new Uint8Array(64);
  const from = worked();
  for (const data of sample) {
    both.set(sha256(data), 32);
    both.set(sha256(both));
  }
  return sample.length / (worked() - from);
}

raw();
const before = raw();
let peak = 0;
const replay = createImaReplay({ bank: 'sha256' });
const reader = createImaReader((entry) => replay.add(entry));
const from = worked();
let bytes = 0;
let chunks = 0;
for await (const chunk of createReadStream(file, { highWaterMark: 256 * 1024 })) {
  reader.push(chunk as Uint8Array);
  bytes += (chunk as Uint8Array).length;
  if (chunks++ % 32 === 0) peak = Math.max(peak, process.memoryUsage().arrayBuffers);
}
reader.end();
const rate = replay.entries / (worked() - from);
const after = raw();
process.stdout.write(
  `${JSON.stringify({ entries: replay.entries, bytes, rate, raw: (before + after) / 2, peak })}\n`,
);
