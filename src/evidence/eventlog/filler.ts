/** Where a firmware log ends in memory that was set aside for more: what nobody wrote is all zeros or all ones. */

/** Where the run of one filler byte begins with which the log ends; its length when it ends otherwise. */
export function fillerOf(bytes: Uint8Array): number {
  const filler = bytes.at(-1);
  if (filler !== 0xff && filler !== 0x00) return bytes.length;
  let at = bytes.length;
  while (at > 0 && bytes[at - 1] === filler) at--;
  return at;
}

/** Bytes that are all of one value where no event was written: register, type, and what follows them in either form. */
const MARK = 16;

/** Whether memory begins here to which no event was written; the kernel's own reader stops there too. */
export function endsAt(bytes: Uint8Array, at: number): boolean {
  const filler = bytes[at];
  if ((filler !== 0xff && filler !== 0x00) || bytes.length - at < MARK) return false;
  for (let i = at; i < at + MARK; i++) if (bytes[i] !== filler) return false;
  return true;
}
