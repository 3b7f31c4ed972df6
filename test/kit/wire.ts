/**
 * Raw TPM 2.0 commands over a Unix socket, for tests that must speak to a TPM without the code under test
 * (TPM 2.0 Part 1 §18: tag, size, command code; all big-endian).
 */
import { connect } from 'node:net';

/** Command codes that tests name (TPM 2.0 Part 2 §6.5.2). */
export const CC = {
  clear: 0x126,
  nvDefineSpace: 0x12a,
  nvUndefineSpace: 0x122,
  createPrimary: 0x131,
  nvIncrement: 0x134,
  pcrReset: 0x13d,
  startup: 0x144,
  shutdown: 0x145,
  nvRead: 0x14e,
  certify: 0x148,
  certifyCreation: 0x14a,
  activateCredential: 0x147,
  create: 0x153,
  load: 0x157,
  quote: 0x158,
  sign: 0x15d,
  contextLoad: 0x161,
  flushContext: 0x165,
  loadExternal: 0x167,
  nvReadPublic: 0x169,
  readPublic: 0x173,
  startAuthSession: 0x176,
  getCapability: 0x17a,
  getRandom: 0x17b,
  pcrRead: 0x17e,
  readClock: 0x181,
  pcrExtend: 0x182,
  nvCertify: 0x184,
  createLoaded: 0x191,
} as const;

/** A command without authorisations. */
export function command(cc: number, body: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(10);
  head.writeUInt16BE(0x8001, 0);
  head.writeUInt32BE(10 + body.length, 2);
  head.writeUInt32BE(cc, 6);
  return Buffer.concat([head, body]);
}

/** A command on one handle with an empty password authorisation. */
export function passwordCommand(cc: number, handle: number, body: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(14 + 4 + 9);
  head.writeUInt16BE(0x8002, 0);
  head.writeUInt32BE(head.length + body.length, 2);
  head.writeUInt32BE(cc, 6);
  head.writeUInt32BE(handle, 10);
  head.writeUInt32BE(9, 14);
  head.writeUInt32BE(0x40000009, 18);
  return Buffer.concat([head, body]);
}

/** TPM2_PCR_Extend of a SHA-256 digest. */
export function extendCommand(pcr: number, digest: Uint8Array): Buffer {
  return passwordCommand(CC.pcrExtend, pcr, Buffer.concat([Buffer.from([0, 0, 0, 1, 0, 0x0b]), digest]));
}

/** TPM2_FlushContext. */
export function flushCommand(handle: number): Buffer {
  const which = Buffer.alloc(4);
  which.writeUInt32BE(handle);
  return command(CC.flushContext, which);
}

/** TPM2_GetCapability: the handles of a range, by its first. */
export function handlesCommand(range: number): Buffer {
  const body = Buffer.alloc(12);
  body.writeUInt32BE(1, 0);
  body.writeUInt32BE(range, 4);
  body.writeUInt32BE(64, 8);
  return command(CC.getCapability, body);
}

/** Handles in a response to it. */
export function handlesIn(response: Buffer): number[] {
  return Array.from({ length: response.readUInt32BE(15) }, (_, i) => response.readUInt32BE(19 + 4 * i));
}

/** TPM2_Shutdown: STATE before a suspend, CLEAR before a power-off. */
export const shutdownCommand = (state: boolean): Buffer =>
  command(CC.shutdown, Buffer.from([0, state ? 1 : 0]));

/** A response of nothing but a response code. */
export function failure(rc: number): Buffer {
  const b = Buffer.alloc(10);
  b.writeUInt16BE(0x8001, 0);
  b.writeUInt32BE(10, 2);
  b.writeUInt32BE(rc, 6);
  return b;
}

/** Sends commands on one connection of their own; each must succeed. */
export async function send(path: string, commands: readonly Buffer[]): Promise<Buffer[]> {
  const socket = connect(path);
  const answers: Buffer[] = [];
  try {
    for (const c of commands) {
      const answer = await exchange(socket, c);
      const rc = answer.readUInt32BE(6);
      if (rc !== 0) throw new Error(`TPM command 0x${c.readUInt32BE(6).toString(16)}: 0x${rc.toString(16)}`);
      answers.push(answer);
    }
  } finally {
    socket.destroy();
  }
  return answers;
}

/** Writes one command and reads one whole response. */
export function exchange(socket: import('node:net').Socket, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let got: Buffer = Buffer.alloc(0);
    const done = (e: Error | null) => {
      socket.off('data', onData);
      socket.off('error', done);
      socket.off('close', onClose);
      if (e) reject(e);
      else resolve(got);
    };
    const onData = (b: Buffer) => {
      got = Buffer.concat([got, b]);
      if (got.length >= 6 && got.length >= got.readUInt32BE(2)) done(null);
    };
    const onClose = () => done(new Error('the TPM closed the connection'));
    socket.on('data', onData);
    socket.once('error', done);
    socket.once('close', onClose);
    socket.write(bytes);
  });
}
