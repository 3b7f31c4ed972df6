/**
 * A process of its own that extends a register until it is told to end: `extender.mjs SOCKET PCR [LIST]`. With a list it
 * is the kernel: it writes an entry of `ima-ng` first and extends its template hash then (security/integrity/ima).
 */
import { createHash } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { connect } from 'node:net';

const [path, pcr, list] = process.argv.slice(2);
const sha = (name, ...parts) => {
  const h = createHash(name);
  for (const p of parts) h.update(p);
  return h.digest();
};
const u32 = (n) => {
  const b = Buffer.alloc(4);
  b.writeUInt32LE(n);
  return b;
};

/** What the kernel hashes of a file, and the entry in its list. */
function entry(name, content) {
  const digest = Buffer.concat([Buffer.from('sha256:\0'), sha('sha256', content)]);
  const file = Buffer.from(`${name}\0`);
  const data = Buffer.concat([u32(digest.length), digest, u32(file.length), file]);
  const template = Buffer.from('ima-ng');
  const line = Buffer.concat([
    u32(10),
    sha('sha1', data),
    u32(template.length),
    template,
    u32(data.length),
    data,
  ]);
  return { data, line };
}

/** TPM2_PCR_Extend with an empty password. */
function extend(digest) {
  const head = Buffer.alloc(27);
  head.writeUInt16BE(0x8002, 0);
  head.writeUInt32BE(0x182, 6);
  head.writeUInt32BE(Number(pcr), 10);
  head.writeUInt32BE(9, 14);
  head.writeUInt32BE(0x40000009, 18);
  const all = Buffer.concat([head, Buffer.from([0, 0, 0, 1, 0, 0x0b]), digest]);
  all.writeUInt32BE(all.length, 2);
  return all;
}

const socket = connect(path);
let n = 0;
function step() {
  n++;
  let digest = sha('sha256', `${process.pid} ${n}`);
  if (list !== undefined) {
    const { data, line } = entry(`/usr/bin/program-${n}`, `content ${n}`);
    appendFileSync(list, line);
    digest = sha('sha256', data);
  }
  socket.write(extend(digest));
}
let got = Buffer.alloc(0);
socket.on('data', (b) => {
  got = Buffer.concat([got, b]);
  if (got.length < 10 || got.length < got.readUInt32BE(2)) return;
  if (got.readUInt32BE(6) !== 0) throw new Error(`TPM: 0x${got.readUInt32BE(6).toString(16)}`);
  got = Buffer.alloc(0);
  if (n === 1) process.stdout.write('began\n');
  if (ending) socket.end();
  else setTimeout(step, 1);
});
let ending = false;
// The last extend ends first: a list that is one entry ahead of the register is no fault, but a half-sent command is.
process.on('SIGTERM', () => {
  ending = true;
});
socket.on('error', () => process.exit(ending ? 0 : 1));
socket.on('close', () => process.exit(0));
socket.on('connect', step);
