/**
 * `backup.json`: what a backup holds, file by file. It is read like anything that comes from elsewhere: bounded, one
 * encoding (JCS), and its paths are of the forms that a state directory has, so none leads out of it.
 *
 * Trusted? It shows damage and mistakes. Whoever can write a backup can write this file anew; what holds then is what
 * the TPM sealed, which `attestctl audit` checks.
 */
import { type Static, Type } from 'typebox';
import { Check } from 'typebox/value';
import { AttestdError } from '../../core/errors.ts';
import { jcsBytes, parseJson } from '../../core/json.ts';

export const MANIFEST = 'backup.json';
const MAX_MANIFEST = 64 << 20;
const MAX_FILES = 1 << 18;

const SHA256 = Type.String({ pattern: '^[0-9a-f]{64}$' });
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Origin = Type.String({ pattern: '^[a-z0-9.-]+/[a-z0-9.-]+/[a-z0-9.-]+$', maxLength: 255 });
const closed = { additionalProperties: false };

const ManifestSchema = Type.Object(
  {
    schema: Type.Literal('attestd.dev/backup/v1'),
    /** RFC 3339, by the clock of the host. */
    made: Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$' }),
    /** Of the attestctl that made it. */
    version: Type.String({ maxLength: 64 }),
    /** SHA-256 of attestd.toml as it was; the file itself is not in the backup. */
    config: SHA256,
    /** The log in use. */
    current: Origin,
    logs: Type.Array(
      Type.Object(
        {
          origin: Origin,
          size: Count,
          seal: Type.Optional(Type.Object({ size: Count, seq: Count, digest: SHA256 }, closed)),
        },
        closed,
      ),
      { minItems: 1, maxItems: 4096 },
    ),
    /** Whether what opens records is in it. */
    openings: Type.Boolean(),
    /** Whether the blobs of keys are in it, which only the TPM of this host can load. */
    keys: Type.Boolean(),
    files: Type.Array(
      Type.Object({ path: Type.String({ maxLength: 512 }), bytes: Count, sha256: SHA256 }, closed),
      { minItems: 1, maxItems: MAX_FILES },
    ),
  },
  closed,
);
export type Manifest = Static<typeof ManifestSchema>;

const NAME = '[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}';
const FORMS = {
  evidence: new RegExp(
    '^(?:current\\.json|identity/certificate\\.pem|identity/retired/[0-9a-f]{32}\\.pem' +
      '|log/(?:0|[1-9][0-9]{0,19}|[0-9a-f]{32})/(?:checkpoint|wal/[0-9]{20}-[0-9]{8}\\.wal)' +
      `|(?:pcrs|timestamps|boot-logs|ima)(?:/${NAME}){1,3})$`,
  ),
  keys: /^(?:identity\/(?:identity|counter|note|rotation)\.json|identity\/identity\.auth|keys\/[A-Za-z0-9_-][A-Za-z0-9._-]{0,199})$/,
};

/** Whether a path below a state directory belongs into a backup. */
export function belongs(path: string, keys: boolean): boolean {
  return !path.split('/').includes('..') && (FORMS.evidence.test(path) || (keys && FORMS.keys.test(path)));
}

export function printManifest(m: Manifest): Uint8Array {
  return jcsBytes(m);
}

/** @throws BACKUP_DAMAGED for bytes that `printManifest` would not write, or that name a file which has no place here */
export function parseManifest(bytes: Uint8Array): Manifest {
  const damaged = (why: string, cause?: unknown) =>
    new AttestdError('BACKUP_DAMAGED', `${MANIFEST}: ${why}`, { cause });
  if (bytes.length > MAX_MANIFEST) throw damaged(`${bytes.length} bytes`);
  let value: unknown;
  try {
    value = parseJson(bytes);
  } catch (e) {
    throw damaged((e as Error).message, e);
  }
  if (!Check(ManifestSchema, value)) throw damaged('it does not fit its schema');
  const canonical = jcsBytes(value);
  if (canonical.length !== bytes.length || !canonical.every((b, i) => b === bytes[i]))
    throw damaged('it is not in the one encoding');
  let last = '';
  for (const { path } of value.files) {
    if (!belongs(path, value.keys)) throw damaged(`${JSON.stringify(path)} has no place in a backup`);
    if (path <= last) throw damaged(`${path} is out of order`);
    last = path;
  }
  return value;
}
