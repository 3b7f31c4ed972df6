/**
 * Reads a request body whole, bounded in bytes and in time. One timer watches all bodies, because a body is nearly
 * always there with its headers and a timer each would cost more than the reading.
 */
import type { IncomingMessage } from 'node:http';
import { AttestdError } from '../core/errors.ts';

export interface BodyReader {
  /** Largest body in bytes. */
  readonly maxBytes: number;
  /** Calls back with the body's bytes. Fails with TOO_LARGE, or MALFORMED when the peer went away half-way. */
  read(request: IncomingMessage, done: (e: Error | null, body: Buffer) => void): void;
  close(): void;
}

const EMPTY = Buffer.alloc(0);

export function createBodyReader(maxBytes: number, deadlineMs: number): BodyReader {
  const reading = new Map<IncomingMessage, number>();
  const timer = setInterval(
    () => {
      const now = Date.now();
      for (const [request, since] of reading) {
        // Half a request records nothing; the connection is of no more use.
        if (now - since >= deadlineMs) request.socket.destroy();
      }
    },
    Math.min(500, deadlineMs),
  );
  timer.unref();
  return {
    maxBytes,
    read(request, done) {
      const announced = Number(request.headers['content-length'] ?? 0);
      if (announced > maxBytes) {
        done(new AttestdError('TOO_LARGE', `a body of ${announced} bytes, ${maxBytes} allowed`), EMPTY);
        return;
      }
      let chunks: Buffer[] = [];
      let size = 0;
      let over = false;
      const finish = (e: Error | null) => {
        if (over) return;
        over = true;
        reading.delete(request);
        const body = e !== null ? EMPTY : chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
        chunks = [];
        done(e, body);
      };
      reading.set(request, Date.now());
      request.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxBytes) {
          request.pause();
          finish(new AttestdError('TOO_LARGE', `a body of more than ${maxBytes} bytes`));
        } else if (!over) chunks.push(chunk);
      });
      request.on('end', () => finish(null));
      request.on('error', () => finish(new AttestdError('MALFORMED', 'the body ended half-way')));
      request.on('close', () => finish(new AttestdError('MALFORMED', 'the body ended half-way')));
    },
    close: () => clearInterval(timer),
  };
}
