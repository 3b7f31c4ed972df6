/**
 * Whom the operator approves beforehand, for enrolment without a person at hand: one line for each host,
 * `<fleet>/<host> certified` or `<fleet>/<host> <EK digest in hex>`. `*` as host stands for every name of the fleet and
 * goes with `certified` only: the first TPM that asks for such a name has it for good. `#` begins a comment.
 */
import { AttestdError } from '../core/errors.ts';
import type { Approval } from './issue.ts';

/** One line of the list. */
export interface AllowedHost {
  readonly fleet: string;
  /** `*` for every host. */
  readonly host: string;
  /** Hex digest of the one EK, or `certified` for any that a trusted vendor certified. */
  readonly ek: string;
}

const LINE =
  /^([a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?)\/(\*|[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?)[ \t]+(certified|[0-9a-f]{64})$/;

/** Reads a list. @throws MALFORMED naming the line */
export function parseAllowList(text: string): AllowedHost[] {
  return text.split('\n').flatMap((raw, i): AllowedHost[] => {
    const line = raw.replace(/#.*/, '').trim();
    if (line === '') return [];
    const m = LINE.exec(line);
    if (m === null || (m[2] === '*' && m[3] !== 'certified')) {
      throw new AttestdError(
        'MALFORMED',
        `line ${i + 1} is not "fleet/host certified" or "fleet/host EK-digest"`,
        {
          field: `/${i + 1}`,
        },
      );
    }
    return [{ fleet: m[1] as string, host: m[2] as string, ek: m[3] as string }];
  });
}

/** Whether the list approves of a checked response. */
export function isAllowed(list: readonly AllowedHost[], facts: Approval): boolean {
  return list.some(
    (a) =>
      a.fleet === facts.fleet &&
      (a.host === '*' || a.host === facts.host) &&
      (a.ek === 'certified' ? facts.certified : a.ek === facts.ekDigest),
  );
}

/** EK digests that the list names for this host: they need no certificate. */
export const allowedEks = (list: readonly AllowedHost[], fleet: string, host: string): string[] =>
  list.filter((a) => a.fleet === fleet && a.host === host && a.ek !== 'certified').map((a) => a.ek);
