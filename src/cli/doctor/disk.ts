/** Room: bytes, inodes, and the segment that the log keeps allocated ahead. */
import { lstatSync } from 'node:fs';
import { layoutOf as logLayout } from '../../store/layout.ts';
import { SEGMENT_BYTES } from '../../store/segments.ts';
import { CannotTell, type Check, ok, said, warn, wrong } from './check.ts';
import { stateOf } from './files.ts';

const WARN_BYTES = 512 << 20;
const LEAST_INODES = 1000;
const mega = (bytes: number): string => `${Math.floor(bytes / (1 << 20))} MB`;

const disk: Check = {
  id: 'disk',
  title: 'room on the disk',
  run(p) {
    const { path } = stateOf(p);
    const { bavail, bsize } = p.around.statfs(path);
    const free = bavail * bsize;
    const fix = `free space below ${path}, or give it a disk of its own; evidence is not for deleting`;
    if (free < 2 * SEGMENT_BYTES)
      return wrong(`${mega(free)} are free, less than two segments of the log.`, fix);
    if (free < WARN_BYTES) return warn(`${mega(free)} are free.`, fix);
    return ok(`${mega(free)} are free.`);
  },
};

const inodes: Check = {
  id: 'inodes',
  title: 'inodes on the disk',
  run(p) {
    const { path } = stateOf(p);
    const { files, ffree } = p.around.statfs(path);
    // Some file systems have no fixed number, and say 0.
    if (files === 0) return ok('This file system does not count them.');
    if (ffree < LEAST_INODES)
      return wrong(`${ffree} are free.`, 'remove small files that nobody needs from that disk');
    return ok(`${ffree} are free.`);
  },
};

const spare: Check = {
  id: 'spare',
  title: 'spare segment',
  run(p) {
    const { spare: path } = logLayout(p.logDir());
    let size: number | undefined;
    try {
      size = lstatSync(path, { throwIfNoEntry: false })?.size;
    } catch (e) {
      throw new CannotTell(`${path} cannot be looked at: ${said(e)}.`, 'sudo attestctl doctor');
    }
    if (size === SEGMENT_BYTES) return ok('It is allocated, so a full disk is met before a record is.');
    const what = size === undefined ? 'is not there' : `has ${size} bytes of ${SEGMENT_BYTES}`;
    return wrong(
      `${path} ${what}: the log goes on only as far as the present segment.`,
      'free space on the disk, then systemctl restart attestd',
    );
  },
};

export const DISK_CHECKS: readonly Check[] = [disk, inodes, spare];
