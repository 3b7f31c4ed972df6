/**
 * What the AK says about itself: that it was created by this TPM under the storage primary of the endorsement
 * hierarchy (TPM2_CertifyCreation), and that it lives (TPM2_Quote). Which key the words belong to is proven only
 * together with the activated secret: the secret is bound to the AK's Name, and the Name covers every attribute.
 */
import { equal } from '../core/bytes.ts';
import { sha256 } from '../core/hash.ts';
import { creationExtraData, enrolExtraData, KEY_ROLES, keyExtraData } from '../evidence/binding.ts';
import type { EnrolRequest, EnrolResponse } from '../evidence/enrolment.ts';
import { ALG_SHA256 } from '../evidence/tpm/algorithm.ts';
import {
  ATTEST_CERTIFY,
  ATTEST_CREATION,
  ATTEST_MAGIC,
  ATTEST_QUOTE,
  type Attest,
  type Attested,
  type ClockInfo,
  parseAttest,
} from '../evidence/tpm/attest.ts';
import { type CreationData, creationHash, parseCreation } from '../evidence/tpm/creation.ts';
import { RH_ENDORSEMENT } from '../evidence/tpm/names.ts';
import { pcrDigest } from '../evidence/tpm/pcr.ts';
import { publicName, publicSpki, qualifiedName } from '../evidence/tpm/public.ts';
import { ecdsaP1363, parseSignature } from '../evidence/tpm/signature.ts';
import { verifyEcdsa } from '../evidence/x509/signature.ts';
import { refusal } from './condition.ts';
import { readAk, readStorage } from './template.ts';

/** A checked AK. */
export interface AkFacts {
  readonly spki: Uint8Array;
  readonly name: Uint8Array;
  readonly qualifiedName: Uint8Array;
}

type Kind = 'creation' | 'quote' | 'rotation';
const TYPES = { creation: ATTEST_CREATION, quote: ATTEST_QUOTE, rotation: ATTEST_CERTIFY } as const;

/** Checks AK, storage primary and creation of a request. @throws ENROL_REFUSED */
export async function examineAk(request: EnrolRequest): Promise<AkFacts> {
  readStorage(request.storage.public);
  const ak = readAk(request.ak.public);
  const name = publicName(request.ak.public);
  const parentName = publicName(request.storage.public);
  const parentQualified = qualifiedName(RH_ENDORSEMENT, parentName);
  const facts = { spki: publicSpki(ak), name, qualifiedName: qualifiedName(parentQualified, name) };

  const attested = await examine(
    'creation',
    facts,
    request.ak.creationAttest,
    request.ak.creationSignature,
    creationExtraData(request.nonce),
  );
  if (attested.attested.kind !== 'creation') throw refusal('creation-type', 'it attests no creation');
  if (!equal(attested.attested.objectName, name)) {
    throw refusal('creation-name', 'the created object is not the AK');
  }
  if (!equal(attested.attested.creationHash, creationHash(ALG_SHA256, request.ak.creationData))) {
    throw refusal('creation-hash', 'the creation data are not those attested');
  }
  const creation = readCreation(request.ak.creationData);
  if (!equal(creation.parentName, parentName)) {
    throw refusal('creation-parent', 'the parent of the AK is not the storage primary of the request');
  }
  if (!equal(creation.parentQualifiedName, parentQualified)) {
    throw refusal('creation-hierarchy', 'the parent is not a primary of the endorsement hierarchy');
  }
  return facts;
}

/** Checks the enrolment quote. @returns its clockInfo. @throws ENROL_REFUSED */
export async function examineQuote(
  ak: AkFacts,
  response: EnrolResponse,
  requestDigest: Uint8Array,
  challengeDigest: Uint8Array,
): Promise<ClockInfo> {
  const { attested, clockInfo } = await examine(
    'quote',
    ak,
    response.quote.attest,
    response.quote.signature,
    enrolExtraData(requestDigest, challengeDigest),
  );
  if (attested.kind !== 'quote') throw refusal('quote-type', 'it attests no PCRs');
  let digest: Uint8Array;
  try {
    digest = pcrDigest(attested.selections, response.pcrs, ALG_SHA256);
  } catch (cause) {
    throw refusal('quote-pcrs', (cause as Error).message, cause);
  }
  if (!equal(digest, attested.pcrDigest)) {
    throw refusal('quote-pcrs', 'the PCR values do not hash to the quoted digest');
  }
  return clockInfo;
}

/**
 * Checks that an AK of this TPM, by an attestation of its own, hands over to the AK of the request.
 * @returns SHA-256 over the old AK's SubjectPublicKeyInfo; undefined where the request claims no such thing
 * @throws ENROL_REFUSED
 */
export async function examineRotation(request: EnrolRequest, ak: AkFacts): Promise<Uint8Array | undefined> {
  const { rotates } = request;
  if (rotates === undefined) return undefined;
  if (!rotates.origin.startsWith(`${request.fleet}/${request.host}/`)) {
    throw refusal('rotation-origin', 'the log of the change belongs to another host');
  }
  const old = readAk(rotates.public);
  const above = qualifiedName(RH_ENDORSEMENT, publicName(request.storage.public));
  const facts = {
    spki: publicSpki(old),
    name: publicName(rotates.public),
    qualifiedName: qualifiedName(above, publicName(rotates.public)),
  };
  const { attest, signature, origin } = rotates;
  const { attested } = await examine(
    'rotation',
    facts,
    attest,
    signature,
    keyExtraData(KEY_ROLES.ak, origin),
  );
  if (attested.kind !== 'certify') throw refusal('rotation-type', 'it attests no key');
  if (!equal(attested.name, ak.name) || !equal(attested.qualifiedName, ak.qualifiedName)) {
    throw refusal('rotation-name', 'the old AK signs for another key than the AK of the request');
  }
  return sha256(facts.spki);
}

/** What these attestations have in common. The signature comes first: nothing unsigned is reported as a finding. */
async function examine(
  kind: Kind,
  ak: AkFacts,
  attestBytes: Uint8Array,
  signatureBytes: Uint8Array,
  extraData: Uint8Array,
): Promise<Attest & { readonly attested: Attested }> {
  const { attest, raw } = readSigned(kind, attestBytes, signatureBytes);
  if (raw === undefined || !(await verifyEcdsa(ak.spki, 'P-256', 'SHA-256', attestBytes, raw))) {
    throw refusal(`${kind}-signature`, 'it is not signed by the AK with ECDSA and SHA-256');
  }
  if (attest.magic !== ATTEST_MAGIC) throw refusal(`${kind}-magic`, 'no TPM made it');
  if (attest.type !== TYPES[kind]) {
    throw refusal(`${kind}-type`, `the attest type is 0x${attest.type.toString(16)}`);
  }
  if (!equal(attest.qualifiedSigner, ak.qualifiedName)) {
    throw refusal(`${kind}-signer`, 'the qualified signer is not the AK under its storage primary');
  }
  if (!equal(attest.extraData, extraData)) {
    throw refusal(`${kind}-extra-data`, 'it was made for something else');
  }
  return attest;
}

function readSigned(kind: Kind, attestBytes: Uint8Array, signatureBytes: Uint8Array) {
  try {
    const signature = parseSignature(signatureBytes);
    const fits = signature.alg === 'ecdsa' && signature.hash === ALG_SHA256;
    return { attest: parseAttest(attestBytes), raw: fits ? ecdsaP1363(signature, 32) : undefined };
  } catch (cause) {
    throw refusal(`${kind}-malformed`, (cause as Error).message, cause);
  }
}

function readCreation(bytes: Uint8Array): CreationData {
  try {
    return parseCreation(bytes);
  } catch (cause) {
    throw refusal('creation-malformed', (cause as Error).message, cause);
  }
}
