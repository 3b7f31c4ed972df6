/** The host's steps of an enrolment, as the commands that carry files and the one that asks a server share them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { equal } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import type { Config } from '../daemon/config.ts';
import { layoutOf, writeDurably } from '../daemon/layout.ts';
import { selectionOf } from '../daemon/selection.ts';
import { parseCertificateFile } from '../evidence/certfile.ts';
import { parseRequest } from '../evidence/enrolment.ts';
import { parseCertificate } from '../evidence/x509/certificate.ts';
import { ekOfCertificate, findEks } from '../tpm/ek.ts';
import { checkIssued, makeRequest, respond } from '../tpm/enrol.ts';
import type { Identity } from '../tpm/keys.ts';
import type { Tpm } from '../tpm/tpm.ts';
import { hostRandom } from './host.ts';
import type { Io } from './io.ts';

/** A host with its TPM open and its keys loaded. */
export interface OpenHost {
  readonly config: Config;
  readonly tpm: Tpm;
  readonly identity: Identity;
}

const requestPath = (config: Config) => join(layoutOf(config.state_dir).identity, 'request.json');

/**
 * request.json, which is kept beside the keys too, for the response needs it.
 * @param certificate an EK certificate that the TPM does not hold itself
 * @throws ENROL_REFUSED when the TPM has none
 */
export async function requestOf(
  { config, tpm, identity }: OpenHost,
  io: Io,
  certificate?: Uint8Array,
): Promise<Uint8Array> {
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
  const { fleet, host } = config;
  const { chain } = search;
  const request = await makeRequest(tpm, {
    fleet,
    host,
    identity,
    ek,
    chain,
    random: hostRandom,
    clock: Date.now,
  });
  writeDurably(requestPath(config), request);
  return request;
}

/** response.json of a challenge for the request that was made last. @throws NOT_ENROLLED, as `respond` */
export async function responseOf(
  { config, tpm, identity }: OpenHost,
  challenge: Uint8Array,
): Promise<Uint8Array> {
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
}

/** Keeps a certificate file if it is for the AK of this host and names this host. @throws ENROL_REFUSED, MALFORMED */
export function installCertificate(
  { config, identity }: Pick<OpenHost, 'config' | 'identity'>,
  file: Uint8Array,
): Installed {
  const [leaf] = parseCertificateFile(file).chain as [Uint8Array];
  const certificate = parseCertificate(leaf);
  const uri = `attestd://${config.fleet}/${config.host}`;
  if (!certificate.alternativeNames?.uris.includes(uri)) {
    throw new AttestdError('ENROL_REFUSED', `the certificate does not name ${uri}`);
  }
  checkIssued(leaf, identity);
  writeDurably(join(layoutOf(config.state_dir).identity, 'certificate.pem'), file, 0o644);
  return { uri, notAfter: new Date(certificate.notAfter).toISOString() };
}

/** Says that the host is enrolled. */
export function reportInstalled(io: Io, { uri, notAfter }: Installed): void {
  if (io.json) io.out(`${JSON.stringify({ schema: 'attestd.dev/enrolled/v1', uri, notAfter })}\n`);
  else io.note(`enrolled as ${uri} until ${notAfter}`);
}
