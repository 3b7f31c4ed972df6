/**
 * Joins bytes that come in pieces. A sender chooses the pieces: of one byte each, a copy of everything for each piece
 * costs the square of the length, and a list of them a hundred bytes of memory for each byte. Here what came is copied
 * only when its room is used up, and the next room is twice as large.
 */

/** Joins `left`, which may be the end of what it gave before, with what came after. Given bytes never change. */
export type Joiner = (left: Buffer, more: Buffer) => Buffer;

export function createJoiner(): Joiner {
  let room: Buffer | undefined;
  let used = 0;

  /** Whether `left` ends where the used part of the room ends, and there is room for so much behind it. */
  const fits = (left: Buffer, more: number): boolean =>
    room !== undefined &&
    left.buffer === room.buffer &&
    left.byteOffset >= room.byteOffset &&
    left.byteOffset + left.length === room.byteOffset + used &&
    used + more <= room.length;

  return (left, more) => {
    if (room === undefined || !fits(left, more.length)) {
      const length = left.length + more.length;
      // Where the new piece is the longer one, it pays for the copy of the other by itself.
      room = Buffer.allocUnsafe(more.length >= left.length ? length : 2 * length);
      left.copy(room);
      used = left.length;
    }
    const start = used - left.length;
    more.copy(room, used);
    used += more.length;
    return room.subarray(start, used);
  };
}
