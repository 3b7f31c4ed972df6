/**
 * The trust file as a JSON Schema, for editors and other implementations. The verifier reads the file by its own strict
 * reader (verify/trust.ts), which gives better errors; a test holds the two to the same answers.
 */
import { Type } from 'typebox';
import { EnvelopeSchema } from './appraisal.ts';
import { base64, closed, Hex32, list, oneOf, Time, text } from './field.ts';
import { PinnedNodeKey } from './import.ts';

const Root = closed({
  certificate: base64(16_384),
  kind: oneOf('hardware', 'software'),
  name: Type.Optional(text(256)),
});

const Values = Type.Array(Hex32, { minItems: 1, maxItems: 1024 });
const Profile = closed({
  name: text(256),
  sha256: Type.Record(Type.String({ pattern: '^(?:[0-9]|1[0-9]|2[0-3])$' }), Values, {
    additionalProperties: false,
    minProperties: 1,
  }),
});

const Platform = oneOf('sev-snp', 'tdx', 'nitro');
const Launch = Type.Array(Type.String({ pattern: '^(?:[0-9a-f]{32}|[0-9a-f]{64}|[0-9a-f]{96})$' }), {
  minItems: 1,
  maxItems: 1024,
});
/** Accepted values by register; the first names what was launched and must be among them. */
const launch = (platform: string, [required, ...others]: readonly [string, ...string[]]) =>
  closed({
    name: text(256),
    platform: Type.Literal(platform),
    values: closed({
      [required]: Launch,
      ...Object.fromEntries(others.map((register) => [register, Type.Optional(Launch)])),
    }),
  });
const Version = Type.Optional(Type.Integer({ minimum: 0, maximum: 255 }));

/** Confidential machines. */
const Tee = closed({
  required: Type.Boolean(),
  roots: Type.Array(
    closed({ platform: Platform, certificate: base64(16_384), name: Type.Optional(text(256)) }),
    {
      minItems: 1,
      maxItems: 64,
    },
  ),
  certificates: Type.Optional(list(base64(16_384), 1024)),
  crls: Type.Optional(list(base64(1_500_000), 64)),
  measurements: Type.Array(
    Type.Union([
      launch('sev-snp', ['measurement', 'hostdata', 'idkeydigest', 'authorkeydigest', 'familyid', 'imageid']),
      launch('tdx', [
        'mrtd',
        ...[0, 1, 2, 3].map((i) => `rtmr${i}`),
        'mrseam',
        'mrsignerseam',
        'mrconfigid',
        'mrowner',
        'mrownerconfig',
        'mrservicetd',
      ]),
      launch('nitro', ['pcr0', ...Array.from({ length: 31 }, (_, i) => `pcr${i + 1}`)]),
    ]),
    { minItems: 1, maxItems: 4096 },
  ),
  sevSnp: Type.Optional(
    closed({
      maximumVmpl: Type.Optional(Type.Integer({ minimum: 0, maximum: 3 })),
      minimumTcb: Type.Optional(
        closed({ bootLoader: Version, tee: Version, snp: Version, microcode: Version, fmc: Version }),
      ),
    }),
  ),
  tdx: Type.Optional(
    closed({
      /** Answers of Intel's provisioning service as they are, and the certificate of their signer. */
      collateral: Type.Optional(
        list(closed({ tcbInfo: base64(131_072), qeIdentity: base64(131_072), signer: base64(16_384) }), 64),
      ),
      statuses: Type.Optional(
        list(
          oneOf(
            'UpToDate',
            'SWHardeningNeeded',
            'ConfigurationNeeded',
            'ConfigurationAndSWHardeningNeeded',
            'OutOfDate',
            'OutOfDateConfigurationNeeded',
          ),
          8,
        ),
      ),
    }),
  ),
});

/** A timestamp authority (RFC 3161) that the auditor believes, and when. */
const Authority = closed({
  name: Type.Optional(text(256)),
  root: base64(16_384),
  /** Intermediates, and the signer's own for tokens without it. */
  certificates: Type.Optional(list(base64(16_384), 8)),
  from: Type.Optional(Time),
  until: Type.Optional(Time),
});

/** A policy by which machines are appraised, and the key of its owner. */
const Policy = closed({ key: base64(96), envelope: EnvelopeSchema });
const Group = Type.Array(text(128), { minItems: 1, maxItems: 64 });

export const TrustSchema = closed({
  schema: Type.Literal('attestd.dev/trust/v1'),
  roots: Type.Array(Root, { minItems: 1, maxItems: 256 }),
  minimumLevel: Type.Union([Type.Literal(1), Type.Literal(2), Type.Literal(3), Type.Literal(4)]),
  hosts: Type.Optional(
    list(Type.String({ pattern: '^attestd://[a-z0-9.-]+/[a-z0-9.-]+$', maxLength: 600 }), 65_536),
  ),
  pcrs: list(Profile, 1024),
  policies: Type.Optional(list(Policy, 64)),
  /** Names of policies; one of each group must accept. Absent: any one of all. */
  appraisals: Type.Optional(Type.Array(Group, { minItems: 1, maxItems: 64 })),
  acceptHostTime: Type.Boolean(),
  crls: list(base64(1_500_000), 256),
  revocation: oneOf('required', 'if-present'),
  maxAge: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
  nodeKeys: Type.Optional(list(PinnedNodeKey, 64)),
  /** The daemon must have measured itself, without a gap. */
  selfMeasured: Type.Optional(Type.Literal(true)),
  policyKeys: Type.Optional(list(base64(128), 64)),
  tee: Type.Optional(Tee),
  closure: Type.Optional(Type.Boolean()),
  /** Who sealed the checkpoints by which records of other logs are known must be shown. */
  foreignSeals: Type.Optional(Type.Boolean()),
  /** Policies of which the record key must be bound to one. */
  recordKeyPolicies: Type.Optional(Type.Array(Hex32, { minItems: 1, maxItems: 64 })),
  /** Verifier keys (C2SP signed-note) of type 0x04, each key once. */
  witnesses: Type.Optional(
    closed({
      keys: list(
        Type.String({ maxLength: 512, pattern: '^[^+\\s]{1,255}\\+[0-9a-f]{8}\\+B[A-Za-z0-9+/]{43}$' }),
        64,
      ),
      required: Type.Integer({ minimum: 0, maximum: 64 }),
    }),
  ),
  timestamps: Type.Optional(
    closed({
      authorities: list(Authority, 64),
      required: Type.Integer({ minimum: 0, maximum: 4 }),
      clockRate: Type.Optional(Type.Number({ minimum: 1, maximum: 10 })),
    }),
  ),
  keys: Type.Optional(
    list(
      Type.String({
        pattern:
          '^(?:EC P-(?:256|384|521)|RSA (?:20(?:4[89]|[5-9]\\d)|2[1-9]\\d\\d|[3-9]\\d{3}|[1-9]\\d{4}))$',
      }),
      16,
    ),
  ),
});
