/**
 * Time as records carry it: RFC 3339, UTC, milliseconds, never going back within an epoch. The clock is passed in
 * wherever time is read, so nothing here reads one.
 */
import { AttestdError } from './errors.ts';

/** Milliseconds since 1970-01-01T00:00:00Z. */
export type Clock = () => number;

const FORM = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** `2026-11-21T15:02:11.000Z` */
export function formatTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** A `formatTime` that makes a date once a second, where thousands of times a second are written. */
export function createTimeWriter(): (ms: number) => string {
  let second = Number.NaN;
  let text = '';
  return (ms) => {
    const milli = ms % 1000;
    if (ms - milli !== second) {
      second = ms - milli;
      text = formatTime(second).slice(0, -4);
    }
    return `${text}${milli < 10 ? '00' : milli < 100 ? '0' : ''}${milli}Z`;
  };
}

/** Reads exactly what `formatTime` prints. @throws MALFORMED */
export function parseTime(s: string): number {
  const ms = FORM.test(s) ? Date.parse(s) : Number.NaN;
  if (Number.isNaN(ms) || formatTime(ms) !== s) {
    throw new AttestdError('MALFORMED', `not a UTC time with milliseconds: ${s.slice(0, 40)}`);
  }
  return ms;
}
