/**
 * Reads a request body whole, bounded in bytes and in time. One timer watches all bodies, because a body is nearly
 * always there with its headers and a timer each would cost more than the reading.
 */
import type { IncomingMessage } from 'node:http';
import { AttestdError } from '../core/errors.ts';
import type { Crumbs } from './crumbs.ts';
import { createJoiner, type Joiner } from './joiner.ts';

export interface BodyReader {
  /** Largest body in bytes. */
  readonly maxBytes: number;
  /** Calls back with the body's bytes. Fails with TOO_LARGE, or MALFORMED when the peer went away half-way. */
  read(request: IncomingMessage, done: (e: Error | null, body: Buffer) => void): void;
  close(): void;
}

/** A body that is being read, between its neighbours in time. */
interface Place {
  readonly request: IncomingMessage;
  readonly since: number;
  before: Place;
  behind: Place;
}

const EMPTY = Buffer.alloc(0);
/** Of a body that is too large so many bytes are read and dropped, so that its sender is there to hear why. */
const DROPPED = 4_194_304;

export function createBodyReader(
  maxBytes: number,
  deadlineMs: number,
  crumbs: Pick<Crumbs, 'came'>,
): BodyReader {
  // Oldest first in a ring: a map, filled and emptied thousands of times a second, is always being made anew.
  const ring = {} as Place;
  ring.before = ring;
  ring.behind = ring;
  const timer = setInterval(
    () => {
      const due = performance.now() - deadlineMs;
      // Half a request records nothing; the connection is of no more use.
      for (let p = ring.behind; p !== ring && p.since <= due; p = p.behind) p.request.socket.destroy();
    },
    Math.min(500, deadlineMs),
  );
  timer.unref();
  return {
    maxBytes,
    read(request, done) {
      const announced = Number(request.headers['content-length'] ?? 0);
      if (announced > maxBytes + DROPPED) {
        done(new AttestdError('TOO_LARGE', `a body of ${announced} bytes, ${maxBytes} allowed`), EMPTY);
        return;
      }
      let body: Buffer | undefined;
      let join: Joiner | undefined;
      let size = 0;
      let over = false;
      const tooLarge = () => new AttestdError('TOO_LARGE', `a body of more than ${maxBytes} bytes`);
      const place: Place = { request, since: performance.now(), before: ring.before, behind: ring };
      place.before.behind = place;
      ring.before = place;
      const end = (): void => {
        over = true;
        place.before.behind = place.behind;
        place.behind.before = place.before;
      };
      request.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (over) return;
        // Most bodies are there in one piece, however short they are.
        if (body !== undefined && !crumbs.came(request, chunk.length)) return;
        if (size > maxBytes + DROPPED) {
          end();
          request.pause();
          done(tooLarge(), EMPTY);
        } else if (size > maxBytes) {
          body = EMPTY;
        } else if (body === undefined) body = chunk;
        else {
          join ??= createJoiner();
          body = join(body, chunk);
        }
      });
      request.on('end', () => {
        if (over) return;
        end();
        if (size > maxBytes) done(tooLarge(), EMPTY);
        else done(null, body ?? EMPTY);
      });
      // Without a listener for errors, a peer that goes away half-way shows here alone.
      request.on('close', () => {
        if (over) return;
        end();
        done(new AttestdError('MALFORMED', 'the body ended half-way'), EMPTY);
      });
    },
    close: () => clearInterval(timer),
  };
}
