/** Rows of the table of errors for evidence that is kept elsewhere, put back, or removed for its age. */
import { type Row, row } from './row.ts';

export const KEEPING = {
  BACKUP_DAMAGED: row(
    422,
    1,
    'the backup is not as it was made',
    'use another one; attestctl audit says what the logs in this one still show',
  ),
  BACKUP_FOREIGN: row(
    409,
    2,
    'the backup is that of another host',
    'attestctl audit DIR reads it anywhere; restore it where fleet and host are its own',
  ),
  RESTORE_NEWER: row(
    409,
    6,
    'this host has more of the log than the backup',
    'nothing was written; where the log here is lost all the same, move the state directory away first',
  ),
  RESTORE_DISCONTINUOUS: row(
    409,
    6,
    'the counter in the TPM does not agree with the log in the backup',
    'nothing was written; restore it --as-evidence, and go on with attestctl recover --new-epoch',
  ),
  RECORD_REMOVED: row(
    410,
    2,
    'the record was removed for its age',
    'its place in the log is still proven; bundles that were taken out before stay valid',
  ),
  RETENTION_REFUSED: row(
    409,
    6,
    'so much cannot be removed from the log yet',
    'name an index that is sealed, anchored and, where there are witnesses, cosigned; the answer says which',
  ),
} as const satisfies Record<string, Row>;
