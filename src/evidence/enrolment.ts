/**
 * The four files by which a host earns its AK certificate (credential activation, TPM 2.0 Part 1 §24): request.json →
 * challenge.json → response.json → certificate file. They can cross an air gap, so each later file names the earlier
 * ones by digest. Pure formats: parse ⇄ print, digests and the MAC; no trust decisions. The JSON files are exactly
 * RFC 8785 bytes with no newline at the end, and every digest here is SHA-256 over the exact file bytes.
 */
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import type { Static } from 'typebox';
import { concat, fromHex, toBase64, toHex, utf8 } from '../core/bytes.ts';
import { sha256 } from '../core/hash.ts';
import { fieldReader, parseFile, printFile, readTime } from './jsonfile.ts';
import {
  CHALLENGE,
  ENROLMENT_NONCE_BYTES,
  EnrolChallengeSchema,
  EnrolRequestSchema,
  EnrolResponseSchema,
  REQUEST,
  RESPONSE,
} from './schema/enrolment.ts';

/** Largest request, challenge or response file, bytes. */
export const MAX_ENROLMENT_FILE = 262_144;
export { ENROLMENT_NONCE_BYTES };

const MAC_TAG = utf8('attestd/activate/v1');

/** What the host asks for and shows (request.json). */
export interface EnrolRequest {
  /** First two segments of the origin, `[a-z0-9.-]+` with a letter or digit at both ends, at most 64 characters. */
  readonly fleet: string;
  readonly host: string;
  /** 32 random bytes; CertifyCreation's extraData is `creationExtraData(nonce)`. */
  readonly nonce: Uint8Array;
  /** The host's clock, RFC 3339 with milliseconds; informative. */
  readonly time: string;
  readonly ek: {
    /** TPMT_PUBLIC, without the TPM2B size. */
    readonly public: Uint8Array;
    /** DER as read from NV or file, padding cut off; absent where the TPM has none. */
    readonly certificate?: Uint8Array;
    /** Certificates of NV 0x01c00100–1ff, DER, in NV order; hints for path building, never trusted. */
    readonly chain: readonly Uint8Array[];
  };
  /** TPMT_PUBLIC of the storage primary (endorsement hierarchy), parent of the AK. */
  readonly storage: { readonly public: Uint8Array };
  readonly ak: {
    /** TPMT_PUBLIC. */
    readonly public: Uint8Array;
    /** TPMS_CREATION_DATA, without the TPM2B size. */
    readonly creationData: Uint8Array;
    /** TPMS_ATTEST of TPM2_CertifyCreation of the AK by itself, and its TPMT_SIGNATURE. */
    readonly creationAttest: Uint8Array;
    readonly creationSignature: Uint8Array;
  };
  /** Fixed properties as the TPM states them; unauthenticated, for the operator's eyes. */
  readonly tpm: TpmIdentity;
  /** Present where this AK takes over from one that has a certificate. */
  readonly rotates?: Rotates;
}

/** The certified AK signs for the one that takes over (TPM2_Certify). */
export interface Rotates {
  /** Of the log in which the change will stand; its first two segments are fleet and host. */
  readonly origin: string;
  /** TPMT_PUBLIC of the old AK. */
  readonly public: Uint8Array;
  /** TPMS_ATTEST over the new AK by the old one, extraData `keyExtraData(KEY_ROLES.ak, origin)`; its TPMT_SIGNATURE. */
  readonly attest: Uint8Array;
  readonly signature: Uint8Array;
}

/** TPM_PT_* values: manufacturer as 8 hex digits, vendor strings joined without NULs, firmware version decimal. */
export type TpmIdentity = Static<typeof EnrolRequestSchema>['tpm'];

/** What the authority answers (challenge.json). */
export interface EnrolChallenge {
  /** SHA-256 of request.json. */
  readonly request: Uint8Array;
  /** TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET, each with its own u16 size in front. */
  readonly credentialBlob: Uint8Array;
  readonly encryptedSecret: Uint8Array;
  /** 32 random bytes of the authority: no two challenges have one digest. */
  readonly nonce: Uint8Array;
  /** After this time (authority's clock) the challenge is dead. */
  readonly expires: string;
}

/** PCR values of the quote, lower-case hexadecimal by decimal index; the selection is in the attest. */
export type EnrolPcrs = Static<typeof EnrolResponseSchema>['pcrs'];

/** What the host proves (response.json). */
export interface EnrolResponse {
  /** SHA-256 of request.json and of challenge.json. */
  readonly request: Uint8Array;
  readonly challenge: Uint8Array;
  /** `activationMac(secret, request, challenge)`. */
  readonly mac: Uint8Array;
  /** Quote by the AK, extraData = `enrolExtraData(request, challenge)`. */
  readonly quote: { readonly attest: Uint8Array; readonly signature: Uint8Array };
  readonly pcrs: EnrolPcrs;
}

/** SHA-256 over the exact bytes of an enrolment file. */
export const enrolmentDigest = (file: Uint8Array): Uint8Array => sha256(file);

/** HMAC-SHA-256(secret, "attestd/activate/v1" ‖ SHA-256(request) ‖ SHA-256(challenge)), 32 bytes. */
export function activationMac(
  secret: Uint8Array,
  requestDigest: Uint8Array,
  challengeDigest: Uint8Array,
): Uint8Array {
  return hmac(nobleSha256, secret, concat(MAC_TAG, requestDigest, challengeDigest));
}

/** request.json of a request. @throws MALFORMED when a field does not fit the schema */
export function printRequest(r: EnrolRequest): Uint8Array {
  const { certificate } = r.ek;
  return printFile('enrolment request', EnrolRequestSchema, {
    schema: REQUEST,
    fleet: r.fleet,
    host: r.host,
    nonce: toBase64(r.nonce),
    time: r.time,
    ek: {
      public: toBase64(r.ek.public),
      ...(certificate === undefined ? {} : { certificate: toBase64(certificate) }),
      chain: r.ek.chain.map(toBase64),
    },
    storage: { public: toBase64(r.storage.public) },
    ak: {
      public: toBase64(r.ak.public),
      creationData: toBase64(r.ak.creationData),
      creationAttest: toBase64(r.ak.creationAttest),
      creationSignature: toBase64(r.ak.creationSignature),
    },
    tpm: r.tpm,
    ...(r.rotates === undefined
      ? {}
      : {
          rotates: {
            origin: r.rotates.origin,
            public: toBase64(r.rotates.public),
            attest: toBase64(r.rotates.attest),
            signature: toBase64(r.rotates.signature),
          },
        }),
  });
}

/** Strict inverse of `printRequest`. @throws MALFORMED naming the field, TOO_LARGE */
export function parseRequest(file: Uint8Array): EnrolRequest {
  const j = parseFile('enrolment request', EnrolRequestSchema, file, MAX_ENROLMENT_FILE);
  readTime('enrolment request', '/time', j.time);
  const bytes = fieldReader('enrolment request');
  return {
    fleet: j.fleet,
    host: j.host,
    nonce: bytes('/nonce', j.nonce, ENROLMENT_NONCE_BYTES),
    time: j.time,
    ek: {
      public: bytes('/ek/public', j.ek.public),
      ...(j.ek.certificate === undefined ? {} : { certificate: bytes('/ek/certificate', j.ek.certificate) }),
      chain: j.ek.chain.map((c, i) => bytes(`/ek/chain/${i}`, c)),
    },
    storage: { public: bytes('/storage/public', j.storage.public) },
    ak: {
      public: bytes('/ak/public', j.ak.public),
      creationData: bytes('/ak/creationData', j.ak.creationData),
      creationAttest: bytes('/ak/creationAttest', j.ak.creationAttest),
      creationSignature: bytes('/ak/creationSignature', j.ak.creationSignature),
    },
    tpm: j.tpm,
    ...(j.rotates === undefined
      ? {}
      : {
          rotates: {
            origin: j.rotates.origin,
            public: bytes('/rotates/public', j.rotates.public),
            attest: bytes('/rotates/attest', j.rotates.attest),
            signature: bytes('/rotates/signature', j.rotates.signature),
          },
        }),
  };
}

/** challenge.json of a challenge. @throws MALFORMED when a field does not fit the schema */
export function printChallenge(c: EnrolChallenge): Uint8Array {
  return printFile('enrolment challenge', EnrolChallengeSchema, {
    schema: CHALLENGE,
    request: toHex(c.request),
    credentialBlob: toBase64(c.credentialBlob),
    encryptedSecret: toBase64(c.encryptedSecret),
    nonce: toBase64(c.nonce),
    expires: c.expires,
  });
}

/** Strict inverse of `printChallenge`. @throws MALFORMED naming the field, TOO_LARGE */
export function parseChallenge(file: Uint8Array): EnrolChallenge {
  const j = parseFile('enrolment challenge', EnrolChallengeSchema, file, MAX_ENROLMENT_FILE);
  readTime('enrolment challenge', '/expires', j.expires);
  const bytes = fieldReader('enrolment challenge');
  return {
    request: fromHex(j.request),
    credentialBlob: bytes('/credentialBlob', j.credentialBlob),
    encryptedSecret: bytes('/encryptedSecret', j.encryptedSecret),
    nonce: bytes('/nonce', j.nonce, ENROLMENT_NONCE_BYTES),
    expires: j.expires,
  };
}

/** response.json of a response. @throws MALFORMED when a field does not fit the schema */
export function printResponse(r: EnrolResponse): Uint8Array {
  return printFile('enrolment response', EnrolResponseSchema, {
    schema: RESPONSE,
    request: toHex(r.request),
    challenge: toHex(r.challenge),
    mac: toBase64(r.mac),
    quote: { attest: toBase64(r.quote.attest), signature: toBase64(r.quote.signature) },
    pcrs: r.pcrs,
  });
}

/** Strict inverse of `printResponse`. @throws MALFORMED naming the field, TOO_LARGE */
export function parseResponse(file: Uint8Array): EnrolResponse {
  const j = parseFile('enrolment response', EnrolResponseSchema, file, MAX_ENROLMENT_FILE);
  const bytes = fieldReader('enrolment response');
  return {
    request: fromHex(j.request),
    challenge: fromHex(j.challenge),
    mac: bytes('/mac', j.mac, 32),
    quote: {
      attest: bytes('/quote/attest', j.quote.attest),
      signature: bytes('/quote/signature', j.quote.signature),
    },
    pcrs: j.pcrs,
  };
}
