/** Rows of the table of errors for what others answer: an authority, a timestamp authority, a witness, another system. */
import { type Row, row } from './row.ts';

export const OTHERS = {
  // Reference values
  REFERENCE_UNTRUSTED: row(
    422,
    1,
    'nobody whom you trust vouches for these reference values',
    "--key or --root names the signer's; --unsigned takes a file that you have from a trusted hand; --at another time",
  ),
  REFERENCE_UNMAPPED: row(
    422,
    1,
    'the manifest demands what a policy cannot say',
    '--leave-out goes on without what is named, --triple takes one state, --profile reads another profile by the draft',
  ),

  // Enrolment
  ENROL_REFUSED: row(403, 6, 'the authority refuses this enrolment', 'the failed condition is named'),
  CHALLENGE_EXPIRED: row(403, 6, 'the challenge has expired', 'ask the authority for a new challenge'),
  CHALLENGE_USED: row(403, 6, 'the challenge was used already', 'ask the authority for a new challenge'),
  AUTHORITY_LOCKED: row(
    503,
    5,
    'another process is at work in this authority',
    'wait for it; if none runs, remove the file lock in its folder',
  ),
  AUTHORITY_CORRUPT: row(
    503,
    5,
    'the folder of the authority is not as it was left',
    'keep it as it is and compare with a backup; nothing was issued',
  ),
  AUTHORITY_UNAVAILABLE: row(
    503,
    5,
    'the authority does not answer, or not under the roots that were given',
    'check --server and --ca; carrying files works without it: attestctl enroll request',
  ),
  AUTHORITY_UNCERTIFIED: row(
    409,
    5,
    'this authority has no certificate yet',
    'have request.csr signed by the authority above, then attestctl ca install-cert',
  ),
  CERTIFICATE_REFUSED: row(
    422,
    1,
    'this certificate does not make the authority',
    'have request.csr signed with the extensions that it asks for, and give the certificates above it too',
  ),
  PASSPHRASE_WRONG: row(
    403,
    6,
    'the passphrase does not open the root key',
    'give the file or descriptor with the right passphrase',
  ),

  // Timestamps
  TIMESTAMP_UNAVAILABLE: row(
    503,
    5,
    'the timestamp authority does not answer',
    'it is asked again by itself; check the url and the network',
  ),
  TIMESTAMP_REFUSED: row(
    502,
    1,
    'the timestamp authority gives no timestamp that an auditor would accept',
    'check its root, certificates and policy in the configuration; the failed condition is named',
  ),

  WITNESS_UNAVAILABLE: row(
    503,
    5,
    'the witness does not answer',
    'it is asked again by itself; check the url and the network',
  ),
  WITNESS_REFUSED: row(
    502,
    1,
    'the witness does not cosign this log',
    'give the witness the key of this log, and check its own key in the configuration; the reason is named',
  ),

  // Records of others
  IMPORT_REFUSED: row(
    422,
    1,
    'what was to be imported does not hold',
    'the failed condition is named; nothing was recorded',
  ),
} as const satisfies Record<string, Row>;
