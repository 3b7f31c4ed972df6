/** The host's steps of an enrolment, as the commands that carry files and the one that asks a server share them. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { equal } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import type { Config } from '../daemon/config.ts';
import { layoutOf, readCurrent, writeDurably } from '../daemon/layout.ts';
import { selectionOf } from '../daemon/selection.ts';
import { KEY_ROLES, keyExtraData } from '../evidence/binding.ts';
import { parseCertificateFile } from '../evidence/certfile.ts';
import { parseRequest, type Rotates } from '../evidence/enrolment.ts';
import { parseCertificate } from '../evidence/x509/certificate.ts';
import { certifyKey } from '../tpm/certify.ts';
import { ekOfCertificate, findEks } from '../tpm/ek.ts';
import { checkIssued, makeRequest, respond } from '../tpm/enrol.ts';
import type { Identity } from '../tpm/keys.ts';
import { certificatePath, keepWaitingCertificate, readRotation, waitingKeys } from '../tpm/rotation.ts';
import type { Tpm } from '../tpm/tpm.ts';
import { hostRandom } from './host.ts';
import type { Io } from './io.ts';

/** A host with its TPM open and its keys loaded. */
export interface OpenHost {
  readonly config: Config;
  readonly tpm: Tpm;
  readonly identity: Identity;
}

/** Whether the AK in force has a certificate. */
export const isEnrolled = (config: Config): boolean =>
  existsSync(certificatePath(layoutOf(config.state_dir).identity));

/** The AK that an enrolment is for: the one that waits for its certificate, where there is one, else the one in force. */
async function asking({ config, tpm, identity }: OpenHost) {
  const layout = layoutOf(config.state_dir);
  const rotation = await readRotation(layout.identity);
  const inForce = { identity, rotation: undefined, rotates: undefined };
  if (rotation === undefined || rotation.state === 'logged') return inForce;
  const { ak, akCreation } = waitingKeys(rotation, identity.storage.name);
  if (ak === undefined || akCreation === undefined) return inForce;
  const rotates = async (): Promise<Rotates> => {
    const { origin } = readCurrent(layout);
    const certified = await certifyKey(tpm, identity.ak, ak, keyExtraData(KEY_ROLES.ak, origin));
    return { origin, public: identity.ak.public, ...certified };
  };
  return { identity: { storage: identity.storage, ak, akCreation }, rotation, rotates };
}

const requestPath = (config: Config) => join(layoutOf(config.state_dir).identity, 'request.json');

/**
 * request.json, which is kept beside the keys too, for the response needs it.
 * @param certificate an EK certificate that the TPM does not hold itself
 * @throws ENROL_REFUSED when the TPM has none
 */
export async function requestOf(host: OpenHost, io: Io, certificate?: Uint8Array): Promise<Uint8Array> {
  const { config, tpm } = host;
  const { identity, rotates } = await asking(host);
  const search = await findEks(tpm);
  const ek = certificate === undefined ? search.eks[0] : await ekOfCertificate(tpm, certificate);
  if (ek === undefined) {
    throw new AttestdError(
      'ENROL_REFUSED',
      'this TPM has no endorsement certificate; give one by --ek-certificate',
    );
  }
  const index =
    ek.nvIndex === null ? '' : `, certificate in NV 0x${ek.nvIndex.toString(16).padStart(8, '0')}`;
  io.note(`EK ${ek.kind}${index}`);
  if (rotates !== undefined) io.note('for the AK that waits; the one in force signs for it');
  const { fleet, host: name } = config;
  const { chain } = search;
  const request = await makeRequest(tpm, {
    fleet,
    host: name,
    identity,
    ek,
    chain,
    ...(rotates === undefined ? {} : { rotates: await rotates() }),
    random: hostRandom,
    clock: Date.now,
  });
  writeDurably(requestPath(config), request);
  return request;
}

/** response.json of a challenge for the request that was made last. @throws NOT_ENROLLED, as `respond` */
export async function responseOf(host: OpenHost, challenge: Uint8Array): Promise<Uint8Array> {
  const { config, tpm } = host;
  const { identity } = await asking(host);
  let request: Uint8Array;
  try {
    request = new Uint8Array(readFileSync(requestPath(config)));
  } catch (cause) {
    throw new AttestdError('NOT_ENROLLED', 'this host has made no request', { cause });
  }
  const asked = parseRequest(request);
  const ek =
    (await findEks(tpm)).eks.find((e) => equal(e.public, asked.ek.public)) ??
    (await ekOfCertificate(tpm, asked.ek.certificate ?? new Uint8Array()));
  const selection = selectionOf(config.tpm.pcrs);
  return respond(tpm, { request, challenge, identity, ek, selection, clock: Date.now });
}

/** What an installed certificate says. */
export interface Installed {
  readonly uri: string;
  readonly notAfter: string;
  /** It is for an AK that is put in force when the daemon starts. */
  readonly waits?: true;
}

/**
 * Keeps a certificate file if it names this host and is for its AK: the one in force, or the one that waits, which then
 * is ready to take its place. @throws ENROL_REFUSED, MALFORMED
 */
export async function installCertificate(host: OpenHost, file: Uint8Array): Promise<Installed> {
  const { config, identity } = host;
  const dir = layoutOf(config.state_dir).identity;
  const [leaf] = parseCertificateFile(file).chain as [Uint8Array];
  const certificate = parseCertificate(leaf);
  const uri = `attestd://${config.fleet}/${config.host}`;
  if (!certificate.alternativeNames?.uris.includes(uri)) {
    throw new AttestdError('ENROL_REFUSED', `the certificate does not name ${uri}`);
  }
  const { identity: asked, rotation } = await asking(host);
  const notAfter = new Date(certificate.notAfter).toISOString();
  if (rotation !== undefined && equal(certificate.spki, asked.ak.spki)) {
    checkIssued(leaf, asked);
    await keepWaitingCertificate(dir, rotation, file);
    return { uri, notAfter, waits: true };
  }
  checkIssued(leaf, identity);
  writeDurably(certificatePath(dir), file, 0o644);
  return { uri, notAfter };
}

/** Says that the host is enrolled. */
export function reportInstalled(io: Io, installed: Installed): void {
  const { uri, notAfter, waits } = installed;
  if (io.json) io.out(`${JSON.stringify({ schema: 'attestd.dev/enrolled/v1', ...installed })}\n`);
  else io.note(`enrolled as ${uri} until ${notAfter}`);
  if (waits) io.note('next: restart the daemon; it puts the new AK in force and records that');
}
