/**
 * Fields that several formats share, as JSON Schema. Every string and every array is bounded, every object is closed,
 * and where bytes are spelt in text only the canonical spelling fits.
 */
import { type Static, type TProperties, type TSchema, Type } from 'typebox';

/** An object that holds these members and no others. */
export const closed = <P extends TProperties>(properties: P) =>
  Type.Object(properties, { additionalProperties: false });

/** One of these words. */
export const oneOf = <const W extends readonly string[]>(...words: W) => Type.Enum(words);

/** Text of 1 to `max` characters without control characters. */
export const text = (max: number) => Type.String({ pattern: `^[^\\u0000-\\u001f\\u007f]{1,${max}}$` });

/** A list of 0 to `max` items. */
export const list = <T extends TSchema>(item: T, max: number) => Type.Array(item, { maxItems: max });

/** ULID in upper case, 26 characters. */
export const Ulid = Type.String({ pattern: '^[0-7][0-9A-HJKMNP-TV-Z]{25}$' });

/** 64 lower-case hexadecimal digits: a SHA-256. */
export const Hex32 = Type.String({ pattern: '^[0-9a-f]{64}$' });

const SEGMENT = '(?!\\.\\.?/)[a-z0-9.-]{1,253}';
const EPOCH = '(?:0|[1-9][0-9]{0,19}|[0-9a-f]{32})';
/** An epoch: the counter's value at genesis in decimal, or 128 random bits in hexadecimal. */
export const Epoch = Type.String({ pattern: `^${EPOCH}$` });
/** Origin of a log: `<fleet>/<host>/<epoch>`. */
export const Origin = Type.String({ maxLength: 255, pattern: `^${SEGMENT}/${SEGMENT}/${EPOCH}$` });

/** UTC with milliseconds. */
export const Time = Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$' });

/** 16 bytes in base64url. */
export const Salt = Type.String({ pattern: '^[A-Za-z0-9_-]{21}[AQgw]$' });

/** 32 bytes in base64url: the digest of a disclosure. */
export const DisclosureDigest = Type.String({ pattern: '^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$' });

/** A 64-bit unsigned number in decimal, as text, because a JSON number holds 53 bits only. */
export const Decimal64 = Type.String({ pattern: '^(?:0|[1-9][0-9]{0,19})$' });

/** How a tlog-proof begins here: without the line `extra`, which nothing would authenticate. */
export const PROOF = '^c2sp\\.org/tlog-proof@v1\\nindex [0-9]';

/** 32 bytes in base64, as roots and hashes of the log are written. */
export const Hash64 = Type.String({ pattern: '^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$' });

const B64 = '[A-Za-z0-9+/]';
/** 1 to `max` bytes in canonical base64 with padding. */
export const base64 = (max: number) =>
  Type.String({
    minLength: 4,
    maxLength: Math.ceil(max / 3) * 4,
    pattern: `^(?:${B64}{4})*(?:${B64}[AQgw]==|${B64}{2}[AEIMQUYcgkosw048]=)?$`,
  });

/** A whole number from 0 to 2^53 - 1: an index, a size. */
export const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** A 32-bit unsigned number. */
export const Uint32 = Type.Integer({ minimum: 0, maximum: 0xffffffff });
/** A PCR index. */
export const Pcr = Type.Integer({ minimum: 0, maximum: 23 });

/** Another record of this log: its ULID, by which it is found, and its digest, which binds. */
export const Ref = closed({ id: Ulid, digest: Hex32 });
export type Ref = Static<typeof Ref>;

/** Most uses of one grant: the chain of its uses travels in a bundle. */
export const MAX_USES = 1024;

/** A policy set: the name its signer gave it, SHA-256 of its manifest, and what evaluates it. */
export const PolicyRef = closed({ id: text(128), sha256: Hex32, engine: text(64) });

/** SHA-256 bank: PCR index in decimal, value in hexadecimal. */
export const PcrBank = closed({
  sha256: Type.Record(Type.String({ pattern: '^(?:[0-9]|1[0-9]|2[0-3])$' }), Hex32, {
    additionalProperties: false,
  }),
});
