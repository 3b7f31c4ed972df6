/** What the trust file says of timestamps (RFC 3161): whose the auditor believes, and how many evidence must have. */
import { fromBase64 } from '../core/bytes.ts';
import type { Json } from '../core/json.ts';
import { parseTime } from '../core/time.ts';
import { parseCertificate } from '../evidence/x509/certificate.ts';
import { arrayOf, decoded, invalid, objectOf, oneOf, textOf } from './shape.ts';
import type { TimestampAuthority } from './timestamp.ts';

/** Timestamps that the auditor believes, and how many evidence must have. */
export interface TimestampTrust {
  readonly authorities: readonly TimestampAuthority[];
  /** Good timestamps of different authorities that a bundle must have; 0 asks for none. */
  readonly required: number;
  /**
   * How much faster than time the clock of a TPM may run, where the auditor believes that nobody set it forward: a seal is
   * then as much older than a later one as the clock says, divided by this. Absent: the clock orders seals, no more.
   */
  readonly clockRate?: number;
}

/** Reads the member `timestamps`. @throws MALFORMED */
export function readTimestamps(v: Json): TimestampTrust {
  const o = objectOf(v, '/timestamps', ['authorities', 'required'], ['clockRate']);
  const authorities = arrayOf(o.authorities, '/timestamps/authorities', 64, readAuthority);
  const required = oneOf(o.required, '/timestamps/required', [0, 1, 2, 3, 4] as const);
  if (required > authorities.length) {
    throw invalid('/timestamps/required', 'more timestamps than there are authorities to believe');
  }
  const { clockRate } = o;
  if (clockRate === undefined) return { authorities, required };
  if (typeof clockRate !== 'number' || !(clockRate >= 1 && clockRate <= 10)) {
    throw invalid('/timestamps/clockRate', 'not a factor from 1 to 10');
  }
  return { authorities, required, clockRate };
}

function readAuthority(v: Json, field: string): TimestampAuthority {
  const o = objectOf(v, field, ['root'], ['name', 'certificates', 'from', 'until']);
  const read = (x: Json, at: string) =>
    decoded(at, () => parseCertificate(fromBase64(textOf(x, at, 32_768))));
  const time = (key: 'from' | 'until') => {
    const at = `${field}/${key}`;
    return o[key] === undefined ? {} : { [key]: decoded(at, () => parseTime(textOf(o[key], at))) };
  };
  return {
    ...(o.name === undefined ? {} : { name: textOf(o.name, `${field}/name`, 256) }),
    root: read(o.root as Json, `${field}/root`),
    certificates:
      o.certificates === undefined ? [] : arrayOf(o.certificates, `${field}/certificates`, 8, read),
    ...time('from'),
    ...time('until'),
  };
}
