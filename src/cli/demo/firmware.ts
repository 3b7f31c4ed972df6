/**
 * Plays a firmware: extends a software TPM with every event of a recorded firmware log, in order; a fresh one has PCRs of
 * zeros, which no verifier accepts. Then, where a second name is given, the socket gets it: whoever waits for that name
 * finds a TPM whose firmware has run.
 *   node firmware.js SOCKET LOG [NAME]
 * Speaks raw TPM2_PCR_Extend (TPM 2.0 Part 3 §22.2), because a firmware does not go through a daemon either.
 */
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { EV_NO_ACTION, parseTcgLog } from '../../evidence/eventlog/tcg.ts';

const SHA256 = 0x000b;
const WAIT_MS = 10_000;

function extendCommand(pcr: number, digest: Uint8Array): Buffer {
  const body = Buffer.alloc(27 + 6 + 32);
  body.writeUInt16BE(0x8002, 0); // TPM_ST_SESSIONS
  body.writeUInt32BE(body.length, 2);
  body.writeUInt32BE(0x00000182, 6); // TPM_CC_PCR_Extend
  body.writeUInt32BE(pcr, 10);
  body.writeUInt32BE(9, 14); // authorisation area: TPM_RS_PW with empty auth
  body.writeUInt32BE(0x40000009, 18);
  body.writeUInt32BE(1, 27); // TPML_DIGEST_VALUES
  body.writeUInt16BE(SHA256, 31);
  body.set(digest, 33);
  return body;
}

function exchange(socket: Socket, command: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    let got = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      got = Buffer.concat([got, chunk]);
      if (got.length < 10 || got.length < got.readUInt32BE(2)) return;
      socket.off('data', onData);
      const rc = got.readUInt32BE(6);
      if (rc === 0) resolve();
      else reject(new Error(`TPM2_PCR_Extend: 0x${rc.toString(16)}`));
    };
    socket.on('data', onData);
    socket.once('error', reject);
    socket.write(command);
  });
}

const [path, file, name] = process.argv.slice(2) as [string, string, string | undefined];
for (const end = performance.now() + WAIT_MS; !existsSync(path) && performance.now() < end; ) await sleep(20);
const log = parseTcgLog(new Uint8Array(readFileSync(file)));
const socket = connect(path);
socket.setMaxListeners(0);
let count = 0;
for (const event of log.events) {
  if (event.type === EV_NO_ACTION) continue;
  const digest = event.digests.get(SHA256);
  if (digest === undefined) throw new Error(`event ${event.sequence} has no SHA-256 digest`);
  await exchange(socket, extendCommand(event.pcr, digest));
  count++;
}
socket.destroy();
if (name !== undefined) renameSync(path, name);
process.stdout.write(`     ${count} firmware events extended\n`);
