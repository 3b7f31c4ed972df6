/**
 * Who may have how much at once. Everything that costs memory is taken from here before it is allocated and given
 * back when it is done, per caller (uid) and in total, so a flood meets 429 or 503 with Retry-After and not the
 * kernel's OOM killer. A token bucket per caller bounds the rate.
 */
import { AttestdError } from '../core/errors.ts';
import type { Clock } from '../core/time.ts';
import type { Config } from './config.ts';

type Settings = Config['limits'];

/** Small pieces of bodies that one user may send in a second, and save up: a tenth of what the event loop can take. */
const PIECES = 20_000;

interface Share {
  connections: number;
  inFlight: number;
  bytes: number;
  tokens: number;
  filledAt: number;
  /** Small pieces; below zero: a debt. */
  pieces: number;
  piecesAt: number;
  quotes: number;
  signatures: number;
  measurements: number;
  /** When the minute began over which all three are counted. */
  countedAt: number;
}

export interface Limits {
  /** Counts a connection of `uid`; false where it is one too many. */
  connect(uid: number): boolean;
  disconnect(uid: number): void;
  /** Takes one record of `bytes`. @throws RATE_LIMITED, OVERLOADED */
  take(uid: number, bytes: number): void;
  /** Gives back what `take` took: one record, or several of so many bytes together. */
  give(uid: number, bytes: number, records?: number): void;
  /** Whether a stream of `uid` may read another line now; it waits otherwise instead of being refused. */
  room(uid: number, bytes: number): boolean;
  /** Takes one small piece of a body; false where it is too many, and then for a second nothing connects. */
  takePiece(uid: number): boolean;
  /** Takes one fresh quote. @throws RATE_LIMITED */
  takeQuote(uid: number): void;
  /** Takes one signature of a key in the TPM. @throws RATE_LIMITED */
  takeSignature(uid: number): void;
  /** Takes one measurement. @throws RATE_LIMITED */
  takeMeasurement(uid: number): void;
  readonly inFlight: number;
  readonly bytes: number;
  /** Requests refused so far, by code. */
  readonly refused: { RATE_LIMITED: number; OVERLOADED: number };
}

/** @param now milliseconds, any origin */
export function createLimits(s: Settings, now: Clock): Limits {
  const shares = new Map<number, Share>();
  const refused = { RATE_LIMITED: 0, OVERLOADED: 0 };
  let connections = 0;
  let inFlight = 0;
  let bytes = 0;

  function share(uid: number): Share {
    let x = shares.get(uid);
    if (x === undefined) {
      const t = now();
      x = {
        connections: 0,
        inFlight: 0,
        bytes: 0,
        tokens: s.burst,
        filledAt: t,
        pieces: PIECES,
        piecesAt: t,
        quotes: 0,
        signatures: 0,
        measurements: 0,
        countedAt: t,
      };
      shares.set(uid, x);
    }
    return x;
  }
  function refuse(code: 'RATE_LIMITED' | 'OVERLOADED', detail: string, retryAfter: number): AttestdError {
    refused[code]++;
    return new AttestdError(code, detail, { retryAfter });
  }
  function fill(x: Share): void {
    const t = now();
    x.tokens = Math.min(s.burst, x.tokens + ((t - x.filledAt) / 1000) * s.records_per_second);
    x.filledAt = t;
  }

  /** Small pieces that `x` has left now. */
  function piecesOf(x: Share): number {
    const t = now();
    x.pieces = Math.min(PIECES, x.pieces + ((t - x.piecesAt) / 1000) * PIECES);
    x.piecesAt = t;
    return x.pieces;
  }

  function count(uid: number, what: 'quotes' | 'signatures' | 'measurements', most: number): void {
    const x = share(uid);
    const t = now();
    if (t - x.countedAt >= 60_000) {
      x.quotes = 0;
      x.signatures = 0;
      x.measurements = 0;
      x.countedAt = t;
    }
    if (x[what] >= most) {
      const wait = Math.ceil((60_000 - (t - x.countedAt)) / 1000);
      throw refuse('RATE_LIMITED', `this caller has asked for as many ${what} as it may`, Math.max(1, wait));
    }
    x[what]++;
  }

  return {
    connect(uid) {
      const x = share(uid);
      if (connections >= s.connections || x.connections >= s.connections_per_caller) return false;
      if (x.pieces < 0 && piecesOf(x) < 0) return false;
      connections++;
      x.connections++;
      return true;
    },
    disconnect(uid) {
      const x = share(uid);
      connections--;
      x.connections--;
      // Nothing is kept of a caller that is gone, except a bucket that is not full again yet.
      fill(x);
      const counted = x.quotes + x.signatures + x.measurements;
      const full = x.tokens >= s.burst && piecesOf(x) >= PIECES;
      if (x.connections === 0 && x.inFlight === 0 && full && counted === 0) shares.delete(uid);
    },
    take(uid, n) {
      if (inFlight >= s.in_flight || bytes + n > s.bytes) {
        throw refuse('OVERLOADED', 'the queue of the daemon is full', 1);
      }
      const x = share(uid);
      if (x.inFlight >= s.in_flight_per_caller || x.bytes + n > s.bytes_per_caller) {
        throw refuse('RATE_LIMITED', 'this caller has too much in flight', 1);
      }
      if (x.tokens < 1) {
        fill(x);
        if (x.tokens < 1) {
          throw refuse(
            'RATE_LIMITED',
            'this caller records faster than allowed',
            Math.max(1, Math.ceil((1 - x.tokens) / s.records_per_second)),
          );
        }
      }
      x.tokens--;
      x.inFlight++;
      x.bytes += n;
      inFlight++;
      bytes += n;
    },
    give(uid, n, records = 1) {
      const x = share(uid);
      x.inFlight -= records;
      x.bytes -= n;
      inFlight -= records;
      bytes -= n;
    },
    room(uid, n) {
      const x = share(uid);
      if (x.tokens < 1) fill(x);
      return (
        inFlight < s.in_flight &&
        bytes + n <= s.bytes &&
        x.inFlight < s.in_flight_per_caller &&
        x.bytes + n <= s.bytes_per_caller &&
        x.tokens >= 1
      );
    },
    takePiece(uid) {
      const x = share(uid);
      if (x.pieces >= 1 || piecesOf(x) >= 1) {
        x.pieces--;
        return true;
      }
      if (x.pieces >= 0) x.pieces = -PIECES;
      return false;
    },
    takeQuote: (uid) => count(uid, 'quotes', s.quotes_per_minute),
    takeSignature: (uid) => count(uid, 'signatures', s.signatures_per_minute),
    takeMeasurement: (uid) => count(uid, 'measurements', s.measurements_per_minute),
    get inFlight() {
      return inFlight;
    },
    get bytes() {
      return bytes;
    },
    refused,
  };
}
