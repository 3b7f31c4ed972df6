/**
 * One session at the kernel's resource manager, by bare commands (TPM 2.0 Part 3), so that what happens is its doing alone.
 *   node session.mjs COUNT [WAIT]    starts a session; once the file WAIT is there, sends COUNT commands on it; prints one
 *                                    line of JSON: how many were answered, and what ended it
 */
import { closeSync, existsSync, openSync, readSync, writeSync } from 'node:fs';

const count = Number(process.argv[2]);
const wait = process.argv[3];

const fd = openSync('/dev/tpmrm0', 'r+');
const answer = Buffer.alloc(4096);
/** @returns the answer's body @throws Error with the response code as `rc` */
function send(hex) {
  const body = Buffer.from(hex, 'hex');
  const head = Buffer.alloc(6);
  head.writeUInt16BE(0x8001);
  head.writeUInt32BE(6 + body.length, 2);
  writeSync(fd, Buffer.concat([head, body]));
  const length = readSync(fd, answer);
  const rc = answer.readUInt32BE(6);
  if (rc !== 0) throw Object.assign(new Error(`the TPM answered 0x${rc.toString(16)}`), { rc });
  return answer.subarray(10, length);
}

let answered = 0;
let ended;
try {
  // TPM2_StartAuthSession: unsalted, unbound, a policy session with SHA-256.
  const session = send(`00000176${'40000007'.repeat(2)}0020${'00'.repeat(32)}0000010010000b`).toString(
    'hex',
    0,
    4,
  );
  process.stdout.write('started\n');
  while (wait !== undefined && !existsSync(wait)) await new Promise((resolve) => setTimeout(resolve, 1000));
  // TPM2_PolicyGetDigest
  for (; answered < count; answered++) {
    send(`00000189${session}`);
    if (answered % 2000 === 1999) process.stderr.write(`${answered + 1}\n`);
  }
} catch (e) {
  ended = e.code ?? (e.rc === undefined ? e.message : `0x${e.rc.toString(16)}`);
}
process.stdout.write(`${JSON.stringify({ answered, ended })}\n`);
closeSync(fd);
