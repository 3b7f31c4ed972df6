/** Server-sent events (WHATWG HTML §9.2), read for their data and whether they have ids, in chunks as they come. */
import { AttestdError } from '../../core/errors.ts';

export interface EventReader {
  /** The data of the events that end in this chunk. @throws TOO_LARGE when one is longer than it may be */
  push(chunk: Buffer): Uint8Array[];
  /** Whether an event had an id: then whoever loses the stream may ask for the rest of it. */
  readonly resumable: boolean;
}

const LF = 0x0a;
const CR = 0x0d;

export function createEventReader(maxBytes: number): EventReader {
  /** Pieces of a line that has not ended. */
  let line: Buffer[] = [];
  let data: Buffer[] = [];
  let size = 0;
  let afterCr = false;
  let resumable = false;
  const bounded = (n: number): void => {
    size += n;
    if (size > maxBytes) throw new AttestdError('TOO_LARGE', `an event of more than ${maxBytes} bytes`);
  };

  function take(whole: Buffer, events: Uint8Array[]): void {
    if (whole.length === 0) {
      if (data.length > 0) events.push(Buffer.concat(data).subarray(0, -1));
      data = [];
      size = 0;
    } else if (whole.subarray(0, 5).toString('latin1') === 'data:') {
      data.push(Buffer.from(whole.subarray(whole[5] === 0x20 ? 6 : 5)), Buffer.from('\n'));
    } else if (whole.subarray(0, 3).toString('latin1') === 'id:') resumable = true;
  }

  return {
    get resumable() {
      return resumable;
    },
    push(chunk) {
      const events: Uint8Array[] = [];
      let at = afterCr && chunk[0] === LF ? 1 : 0;
      if (chunk.length > 0) afterCr = false;
      let [lf, cr] = [chunk.indexOf(LF, at), chunk.indexOf(CR, at)];
      while (lf >= 0 || cr >= 0) {
        const stop = lf < 0 || (cr >= 0 && cr < lf) ? cr : lf;
        line.push(chunk.subarray(at, stop));
        bounded(stop - at);
        take(line.length === 1 ? (line[0] as Buffer) : Buffer.concat(line), events);
        line = [];
        // A line feed behind a carriage return is of the same line end, also where it comes with the next chunk.
        afterCr = stop === cr && stop + 1 === chunk.length;
        at = stop + (stop === cr && chunk[stop + 1] === LF ? 2 : 1);
        if (lf >= 0 && lf < at) lf = chunk.indexOf(LF, at);
        if (cr >= 0 && cr < at) cr = chunk.indexOf(CR, at);
      }
      const rest = chunk.subarray(at);
      bounded(rest.length);
      if (rest.length > 0) line.push(rest === chunk ? chunk : Buffer.from(rest));
      return events;
    },
  };
}
