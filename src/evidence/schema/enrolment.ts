/** The JSON forms of the enrolment files (enrolment.ts says what they mean). */
import { Type } from 'typebox';

/** Bytes of a host nonce, a CA nonce, an activated secret and a MAC. */
export const ENROLMENT_NONCE_BYTES = 32;

export const REQUEST = 'https://attestd.dev/enrol-request/v1';
export const CHALLENGE = 'https://attestd.dev/enrol-challenge/v1';
export const RESPONSE = 'https://attestd.dev/enrol-response/v1';

const closed = { additionalProperties: false } as const;
const b64 = (maxBytes: number) => Type.String({ minLength: 4, maxLength: Math.ceil(maxBytes / 3) * 4 });
const digest = () => Type.String({ pattern: '^[0-9a-f]{64}$' });
const time = () => Type.String({ minLength: 24, maxLength: 24 });
const segment = () => Type.String({ maxLength: 64, pattern: '^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$' });
const decimal = () => Type.String({ maxLength: 20, pattern: '^(?:0|[1-9][0-9]*)$' });

/** JSON form of request.json. Base64 is standard, padded and canonical. */
export const EnrolRequestSchema = Type.Object(
  {
    schema: Type.Literal(REQUEST),
    fleet: segment(),
    host: segment(),
    nonce: b64(ENROLMENT_NONCE_BYTES),
    time: time(),
    ek: Type.Object(
      {
        public: b64(1024),
        certificate: Type.Optional(b64(8192)),
        chain: Type.Array(b64(8192), { maxItems: 16 }),
      },
      closed,
    ),
    storage: Type.Object({ public: b64(1024) }, closed),
    ak: Type.Object(
      { public: b64(1024), creationData: b64(1024), creationAttest: b64(2048), creationSignature: b64(1024) },
      closed,
    ),
    tpm: Type.Object(
      {
        manufacturer: Type.String({ pattern: '^[0-9a-f]{8}$' }),
        vendor: Type.String({ maxLength: 64 }),
        firmwareVersion: decimal(),
        revision: Type.Integer({ minimum: 0, maximum: 0xffff_ffff }),
      },
      closed,
    ),
    rotates: Type.Optional(
      Type.Object(
        {
          origin: Type.String({ maxLength: 255, pattern: '^[a-z0-9.-]+/[a-z0-9.-]+/[a-z0-9.-]+$' }),
          public: b64(1024),
          attest: b64(2048),
          signature: b64(1024),
        },
        closed,
      ),
    ),
  },
  closed,
);

/** JSON form of challenge.json. */
export const EnrolChallengeSchema = Type.Object(
  {
    schema: Type.Literal(CHALLENGE),
    request: digest(),
    credentialBlob: b64(512),
    encryptedSecret: b64(1024),
    nonce: b64(ENROLMENT_NONCE_BYTES),
    expires: time(),
  },
  closed,
);

/** JSON form of response.json. */
export const EnrolResponseSchema = Type.Object(
  {
    schema: Type.Literal(RESPONSE),
    request: digest(),
    challenge: digest(),
    mac: b64(32),
    quote: Type.Object({ attest: b64(2048), signature: b64(1024) }, closed),
    pcrs: Type.Object(
      {
        sha256: Type.Record(Type.String({ pattern: '^(?:[0-9]|1[0-9]|2[0-3])$' }), digest(), closed),
      },
      closed,
    ),
  },
  closed,
);
