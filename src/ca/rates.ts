/**
 * What one address may ask of the authority, and all of them together: a share that refills, and a bound on requests
 * under way. Addresses that have their whole share again are forgotten, so the table is bounded by the rate itself.
 */
import { AttestdError } from '../core/errors.ts';

/** Bounds; every POST counts, reading is bounded by `inFlight` alone. */
export interface RateLimits {
  /** Files that one address may send in a minute, and at once. */
  readonly perMinute: number;
  readonly burst: number;
  /** Requests under way, of all addresses. */
  readonly inFlight: number;
}

/** Defaults for a fleet behind many addresses. */
export const RATE_LIMITS: RateLimits = { perMinute: 60, burst: 30, inFlight: 64 };
const MAX_ADDRESSES = 65_536;

export interface Rates {
  /**
   * Takes a request's share.
   * @param counts whether it costs something
   * @returns gives its place back; may be called more than once
   * @throws RATE_LIMITED, OVERLOADED with the seconds to wait
   */
  enter(address: string, counts: boolean): () => void;
}

/** @param now milliseconds that never go back */
export function createRates(limits: RateLimits, now: () => number): Rates {
  const left = new Map<string, { tokens: number; at: number }>();
  let underWay = 0;
  const perMs = limits.perMinute / 60_000;

  function refill(share: { tokens: number; at: number }, at: number): void {
    share.tokens = Math.min(limits.burst, share.tokens + (at - share.at) * perMs);
    share.at = at;
  }
  function forget(at: number): void {
    for (const [address, share] of left) {
      refill(share, at);
      if (share.tokens >= limits.burst) left.delete(address);
    }
  }

  return {
    enter(address, counts) {
      if (underWay >= limits.inFlight) {
        throw new AttestdError('OVERLOADED', 'the authority has as many requests as it takes', {
          retryAfter: 1,
        });
      }
      if (counts) {
        const at = now();
        if (left.size >= MAX_ADDRESSES) forget(at);
        if (left.size >= MAX_ADDRESSES && !left.has(address)) {
          throw new AttestdError('OVERLOADED', 'too many addresses ask at once', { retryAfter: 5 });
        }
        const share = left.get(address) ?? { tokens: limits.burst, at };
        refill(share, at);
        left.set(address, share);
        if (share.tokens < 1) {
          throw new AttestdError('RATE_LIMITED', 'this address has used up its share', {
            retryAfter: Math.ceil((1 - share.tokens) / perMs / 1000),
          });
        }
        share.tokens--;
      }
      underWay++;
      let held = true;
      return () => {
        if (held) underWay--;
        held = false;
      };
    },
  };
}
