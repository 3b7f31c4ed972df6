/**
 * The origin of a log of ours, `<fleet>/<host>/<epoch>`: its name in checkpoints, in paths and, without the epoch,
 * in the certificate of its attestation key.
 */
import { AttestdError } from '../core/errors.ts';

export interface Origin {
  readonly fleet: string;
  readonly host: string;
  /** The counter's value at genesis in decimal, or 128 random bits in hex where there is no counter. */
  readonly epoch: string;
}

const bad = (why: string) => new AttestdError('MALFORMED', `origin: ${why}`);

/** `.` and `..` are of the alphabet but would vanish from a path. */
const isSegment = (s: string): boolean => /^[a-z0-9.-]{1,253}$/.test(s) && !/^\.\.?$/.test(s);

/** `<fleet>/<host>/<epoch>`. @throws MALFORMED */
export function printOrigin({ fleet, host, epoch }: Origin): string {
  if (!isSegment(fleet)) throw bad('the fleet is not of [a-z0-9.-]');
  if (!isSegment(host)) throw bad('the host is not of [a-z0-9.-]');
  if (!/^(?:0|[1-9][0-9]{0,19}|[0-9a-f]{32})$/.test(epoch)) {
    throw bad('the epoch is neither a decimal nor 32 hexadecimal digits');
  }
  const origin = `${fleet}/${host}/${epoch}`;
  // A cosigned message carries its origin behind one byte of length (C2SP tlog-cosignature).
  if (origin.length > 255) throw bad('longer than 255 bytes');
  return origin;
}

/** Reads exactly what `printOrigin` prints. @throws MALFORMED */
export function parseOrigin(text: string): Origin {
  const [fleet, host, epoch, ...more] = text.split('/', 4);
  if (fleet === undefined || host === undefined || epoch === undefined || more.length > 0) {
    throw bad('not three parts with a slash between');
  }
  const origin = { fleet, host, epoch };
  printOrigin(origin);
  return origin;
}
