/** Server-sent events (WHATWG HTML §9.2), read for their data alone, in chunks as they come. */
import { AttestdError } from '../../core/errors.ts';

export interface EventReader {
  /** The data of the events that end in this chunk. @throws TOO_LARGE when one is longer than it may be */
  push(chunk: Buffer): Uint8Array[];
}

export function createEventReader(maxBytes: number): EventReader {
  let held = Buffer.alloc(0);
  let data: Buffer[] = [];
  let size = 0;
  const bounded = (n: number): void => {
    if (n > maxBytes) throw new AttestdError('TOO_LARGE', `an event of more than ${maxBytes} bytes`);
  };
  return {
    push(chunk) {
      const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      const events: Uint8Array[] = [];
      let at = 0;
      for (;;) {
        const end = bytes.subarray(at).findIndex((b) => b === 0x0a || b === 0x0d);
        if (end < 0) break;
        const stop = at + end;
        // A carriage return at the end of what is there may be half of a line end.
        if (bytes[stop] === 0x0d && stop + 1 === bytes.length) break;
        const line = bytes.subarray(at, stop);
        at = stop + (bytes[stop] === 0x0d && bytes[stop + 1] === 0x0a ? 2 : 1);
        if (line.length === 0) {
          if (data.length > 0) events.push(Buffer.concat(data).subarray(0, -1));
          data = [];
          size = 0;
        } else if (line.subarray(0, 5).toString('latin1') === 'data:') {
          const value = line.subarray(line[5] === 0x20 ? 6 : 5);
          size += value.length + 1;
          bounded(size);
          data.push(Buffer.from(value), Buffer.from('\n'));
        }
      }
      held = Buffer.from(bytes.subarray(at));
      bounded(held.length + size);
      return events;
    },
  };
}
