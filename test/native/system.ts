/** Runs everything of the addon that is not the TPM once; shared with the sanitizer test. */
import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Addon } from '../../src/native/addon.ts';

/** @param dir an empty folder */
export async function exerciseSystem(addon: Addon, dir: string): Promise<void> {
  for (let rc = 0; rc < 0x1000; rc++) assert.ok(addon.describeRc(rc).name.length > 0);
  for (let layer = 0; layer < 16; layer++) addon.describeRc((layer << 16) | 7);

  const out = new Uint8Array(64);
  for (const n of [0, 1, 63, 64, 1049]) addon.sha256(new Uint8Array(n), out, n % 33);
  for (const n of [0, 1, 2, 3, 2022, 2023, 2048, 10_000]) addon.disclosure(new Uint8Array(16), 'é'.repeat(n));
  assert.throws(() => addon.sha256(out, out, 33), RangeError);
  if (addon.hasCrc32c()) for (const at of [0, 1, 9, 63]) addon.crc32c(out, 0, at, 64);

  const path = join(dir, 'socket');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const near = connect(path);
  const socket = await accepted;
  const fdOf = (s: unknown): number => (s as { _handle: { fd: number } })._handle.fd;
  const peer = addon.peerCredentials(fdOf(socket));
  assert.equal(peer.pid, process.pid);
  if (peer.pidfd !== undefined) {
    assert.equal(addon.pidfdAlive(peer.pidfd), true);
    assert.equal(addon.pidOfPidfd(peer.pidfd), process.pid);
    addon.closeFd(peer.pidfd);
  }
  assert.equal(addon.inheritSocket(fdOf(server)).path, path);
  near.destroy();
  socket.destroy();
  await new Promise((resolve) => server.close(resolve));
  for (const name of [path, '@absent', `/${'x'.repeat(500)}`, '']) {
    assert.throws(() => addon.notify(name, 'READY=1'));
  }

  const fd = openSync(join(dir, 'file'), 'w+');
  assert.equal(addon.lockFile(fd), true);
  await addon.preallocate(fd, 1 << 20);
  const writer = new addon.SyncWriter(fd);
  await Promise.all(
    [...Array(20).keys()].map((i) => writer.write([Buffer.alloc(100, i), Buffer.alloc(0)], i * 100)),
  );
  const frame = Buffer.of(0, 2, 1, 2, 0, 1, 3);
  assert.equal((await writer.writeEntries([frame, Buffer.of(9)], 4000, 0, 2)).hashes.length, 96);
  const late = writer.write([Buffer.of(7)], 5000);
  writer.poll();
  await late;
  await addon.syncFd(fd);
  assert.equal(readFileSync(join(dir, 'file'))[1950], 19);
  await writer.close();
  await assert.rejects(writer.write([Buffer.of(1)], 0));
  closeSync(fd);
  const short = new addon.SyncWriter(openSync(join(dir, 'file'), 'r+'));
  await assert.rejects(short.writeEntries([Buffer.of(0, 2, 1)], 0, 0, 1), { errno: 'EBADMSG' });
  await short.close();
  const full = new addon.SyncWriter(openSync('/dev/full', 'w'));
  await assert.rejects(full.write([Buffer.of(1)], 0), { errno: 'ENOSPC' });
  await assert.rejects(full.write([Buffer.of(1)], 0), { errno: 'EPOISONED' });
  await assert.rejects(addon.syncFd(99_999));
  addon.setDumpable(true);
  addon.forbidCores();
}
