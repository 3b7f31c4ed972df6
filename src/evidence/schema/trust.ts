/**
 * The trust file as a JSON Schema, for editors and other implementations. The verifier reads the file by its own strict
 * reader (verify/trust.ts), which gives better errors; a test holds the two to the same answers.
 */
import { Type } from 'typebox';
import { base64, closed, Hex32, list, oneOf, text } from './field.ts';

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

export const TrustSchema = closed({
  schema: Type.Literal('attestd.dev/trust/v1'),
  roots: Type.Array(Root, { minItems: 1, maxItems: 256 }),
  minimumLevel: Type.Union([Type.Literal(1), Type.Literal(2), Type.Literal(3), Type.Literal(4)]),
  hosts: Type.Optional(
    list(Type.String({ pattern: '^attestd://[a-z0-9.-]+/[a-z0-9.-]+$', maxLength: 600 }), 65_536),
  ),
  pcrs: list(Profile, 1024),
  acceptHostTime: Type.Boolean(),
  crls: list(base64(1_500_000), 256),
  revocation: oneOf('required', 'if-present'),
  maxAge: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
});
