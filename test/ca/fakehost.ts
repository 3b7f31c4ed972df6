/**
 * The host's side of an enrolment in plain node:crypto: a TPM that says whatever a test wants. It is the adversary of
 * these tests: everything honest by default, one thing changed by a wish.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { ekDigest } from '../../src/ca/endorsement.ts';
import { toHex } from '../../src/core/bytes.ts';
import { sha256 } from '../../src/core/hash.ts';
import { creationExtraData, enrolExtraData, KEY_ROLES, keyExtraData } from '../../src/evidence/binding.ts';
import {
  activationMac,
  type EnrolRequest,
  type EnrolResponse,
  enrolmentDigest,
  parseChallenge,
  printRequest,
  printResponse,
} from '../../src/evidence/enrolment.ts';
import { ALG_SHA256 } from '../../src/evidence/tpm/algorithm.ts';
import {
  ATTEST_CERTIFY,
  ATTEST_CREATION,
  ATTEST_MAGIC,
  ATTEST_QUOTE,
  type Attest,
  printAttest,
} from '../../src/evidence/tpm/attest.ts';
import { makeAttributes } from '../../src/evidence/tpm/attributes.ts';
import { type CreationData, creationHash, printCreation } from '../../src/evidence/tpm/creation.ts';
import { RH_ENDORSEMENT } from '../../src/evidence/tpm/names.ts';
import { pcrDigest } from '../../src/evidence/tpm/pcr.ts';
import {
  printPublic,
  publicName,
  publicSpki,
  qualifiedName,
  type TpmPublic,
} from '../../src/evidence/tpm/public.ts';
import { printSignature } from '../../src/evidence/tpm/signature.ts';
import { type Issued, issue, type Keys, type Wish } from '../kit/authority.ts';
import { activate, type EkKind, ekKey, type FakeEk, p256 } from './faketpm.ts';

export const NOW = Date.UTC(2026, 10, 21, 15, 0, 0);

/** One thing made otherwise. */
export interface Wishes {
  readonly kind?: EkKind;
  readonly fleet?: string;
  readonly host?: string;
  readonly ek?: (p: TpmPublic) => TpmPublic;
  readonly storage?: (p: TpmPublic) => TpmPublic;
  readonly ak?: (p: TpmPublic) => TpmPublic;
  /** null: the TPM has no EK certificate. */
  readonly ekCertificate?: Partial<Wish> | null;
  readonly chain?: readonly Uint8Array[];
  readonly creationData?: (c: CreationData) => CreationData;
  readonly creation?: (a: Attest) => Attest;
  readonly quote?: (a: Attest) => Attest;
  /** Signs these with another key than the AK. */
  readonly forged?: 'creation' | 'quote' | 'rotation';
  /** Of a rotation: what the old AK attests, and the log in which the change will stand. */
  readonly rotation?: (a: Attest) => Attest;
  readonly origin?: string;
  /** The old AK as the request shows it. */
  readonly oldAk?: (p: TpmPublic) => TpmPublic;
  readonly request?: (r: EnrolRequest) => EnrolRequest;
  readonly response?: (r: EnrolResponse) => EnrolResponse;
}

/** A vendor: root and issuing CA of EK certificates. */
export interface Vendor {
  readonly root: Issued;
  readonly issuer: Issued;
}

export async function makeVendor(): Promise<Vendor> {
  const root = await issue({ subject: 'Vendor TPM Root', ca: {} });
  const issuer = await issue({ subject: 'Vendor TPM CA 01', issuer: root, ca: { pathLength: 0 } });
  return { root, issuer };
}

export interface FakeHost {
  readonly request: Uint8Array;
  /** Hex digest of the EK. */
  readonly ek: string;
  readonly ekCertificate: Uint8Array | undefined;
  readonly akSpki: Uint8Array;
  respond(challenge: Uint8Array, wishes?: Wishes): Uint8Array;
  /** The same TPM, asking again: same EK, a new AK and nonce. */
  again(wishes: Wishes): Promise<FakeHost>;
  /** The same TPM with a new AK, for which the old one signs. */
  rotated(wishes?: Wishes): Promise<FakeHost>;
}

const OURS = [
  'fixedTPM',
  'fixedParent',
  'sensitiveDataOrigin',
  'userWithAuth',
  'noDA',
  'restricted',
] as const;
const same = <T>(x: T): T => x;

export async function makeHost(vendor: Vendor, wishes: Wishes = {}): Promise<FakeHost> {
  return build(vendor, ekKey(wishes.kind ?? 'p256'), wishes);
}

type Area = ReturnType<typeof p256>;

async function build(
  vendor: Vendor,
  ek: FakeEk,
  wishes: Wishes,
  before?: { readonly storage: Area; readonly ak: Area },
): Promise<FakeHost> {
  const storage = before?.storage ?? p256(makeAttributes(...OURS, 'decrypt'), false);
  const ak = p256(makeAttributes(...OURS, 'sign'), true);
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

  const ekArea = (wishes.ek ?? same)(ek.public);
  const storageArea = printPublic((wishes.storage ?? same)(storage.area));
  const akPublic = (wishes.ak ?? same)(ak.area);
  const akArea = printPublic(akPublic);
  const akName = publicName(akArea);
  const parentName = publicName(storageArea);
  const parentQualifiedName = qualifiedName(RH_ENDORSEMENT, parentName);

  let certificate: Uint8Array | undefined;
  if (wishes.ekCertificate !== null) {
    const key: Keys = { spki: publicSpki(ek.public) } as Keys;
    const made = await issue({
      subject: '',
      issuer: vendor.issuer,
      key,
      keyUsage: 0x20,
      purposes: ['2.23.133.8.1'],
      uris: [],
      notAfter: Date.UTC(9999, 11, 31, 23, 59, 59),
      ...wishes.ekCertificate,
    });
    certificate = made.certificate.der;
  }

  const clockInfo = { clock: 123_456n, resetCount: 7, restartCount: 2, safe: true };
  const frame = {
    magic: ATTEST_MAGIC,
    qualifiedSigner: qualifiedName(parentQualifiedName, akName),
    clockInfo,
    firmwareVersion: 0x2019_1023n,
  };
  const signed = (attest: Attest, forged: boolean, by: Area = ak) => {
    const bytes = printAttest(attest);
    const raw = sign('sha256', bytes, { key: forged ? stranger : by.privateKey, dsaEncoding: 'ieee-p1363' });
    const signature = printSignature({
      alg: 'ecdsa',
      hash: ALG_SHA256,
      r: new Uint8Array(raw.subarray(0, 32)),
      s: new Uint8Array(raw.subarray(32)),
    });
    return { attest: bytes, signature };
  };

  const nonce = new Uint8Array(randomBytes(32));
  const creationData = printCreation(
    (wishes.creationData ?? same)({
      selections: [],
      pcrDigest: new Uint8Array(),
      locality: 1,
      parentNameAlg: ALG_SHA256,
      parentName,
      parentQualifiedName,
      outsideInfo: new Uint8Array(),
    }),
  );
  const creation = signed(
    (wishes.creation ?? same)({
      ...frame,
      type: ATTEST_CREATION,
      extraData: creationExtraData(nonce),
      attested: {
        kind: 'creation',
        objectName: akName,
        creationHash: creationHash(ALG_SHA256, creationData),
      },
    }),
    wishes.forged === 'creation',
  );
  const origin = wishes.origin ?? `${wishes.fleet ?? 'example'}/${wishes.host ?? 'web-1'}/17`;
  const oldName = before === undefined ? new Uint8Array() : publicName(printPublic(before.ak.area));
  const rotates =
    before === undefined
      ? {}
      : {
          rotates: {
            origin,
            public: printPublic((wishes.oldAk ?? same)(before.ak.area)),
            ...signed(
              (wishes.rotation ?? same)({
                ...frame,
                type: ATTEST_CERTIFY,
                qualifiedSigner: qualifiedName(parentQualifiedName, oldName),
                extraData: keyExtraData(KEY_ROLES.ak, origin),
                attested: {
                  kind: 'certify',
                  name: akName,
                  qualifiedName: qualifiedName(parentQualifiedName, akName),
                },
              }),
              wishes.forged === 'rotation',
              before.ak,
            ),
          },
        };
  const request = printRequest(
    (wishes.request ?? same)({
      fleet: wishes.fleet ?? 'example',
      host: wishes.host ?? 'web-1',
      nonce,
      time: new Date(NOW).toISOString(),
      ek: {
        public: printPublic(ekArea),
        ...(certificate === undefined ? {} : { certificate }),
        chain: wishes.chain ?? [vendor.issuer.certificate.der],
      },
      storage: { public: storageArea },
      ak: {
        public: akArea,
        creationData,
        creationAttest: creation.attest,
        creationSignature: creation.signature,
      },
      tpm: { manufacturer: '49465800', vendor: 'SLB9672', firmwareVersion: '538185763', revision: 159 },
      ...rotates,
    }),
  );

  return {
    request,
    ek: toHex(ekDigest(ek.public)),
    ekCertificate: certificate,
    akSpki: publicSpki(ak.area),
    again: (more) => build(vendor, ek, more),
    rotated: (more = {}) => build(vendor, ek, more, { storage, ak }),
    respond(challengeFile, late = wishes) {
      const challenge = parseChallenge(challengeFile);
      const secret = activate(ek, akName, challenge.credentialBlob, challenge.encryptedSecret);
      const digests = [enrolmentDigest(request), enrolmentDigest(challengeFile)] as const;
      const pcrs = { sha256: { '0': toHex(sha256(Uint8Array.of(0))), '7': toHex(sha256(Uint8Array.of(7))) } };
      const selections = [{ hash: ALG_SHA256, pcrs: [0, 7] }];
      const quote = signed(
        (late.quote ?? same)({
          ...frame,
          type: ATTEST_QUOTE,
          extraData: enrolExtraData(...digests),
          attested: { kind: 'quote', selections, pcrDigest: pcrDigest(selections, pcrs, ALG_SHA256) },
        }),
        late.forged === 'quote',
      );
      return printResponse(
        (late.response ?? same)({
          request: digests[0],
          challenge: digests[1],
          mac: activationMac(secret, ...digests),
          quote,
          pcrs,
        }),
      );
    },
  };
}
