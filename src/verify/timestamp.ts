/**
 * Whether a timestamp token proves that something existed at a time: the trust decision over RFC 3161 tokens. CMS
 * libraries leave most of this to their callers, and a token that any certificate of a trusted root may sign (one for
 * TLS, say) proves nothing. Everything is judged at the time in the token; no clock is read.
 */
import { equal } from '../core/bytes.ts';
import { namesSigner } from '../evidence/timestamp/cms.ts';
import { digestOf } from '../evidence/timestamp/digest.ts';
import { parseToken, type TimestampToken, TST_INFO } from '../evidence/timestamp/token.ts';
import { type Certificate, isCritical, parseCertificate } from '../evidence/x509/certificate.ts';
import type { Crl } from '../evidence/x509/crl.ts';
import { OID } from '../evidence/x509/extension.ts';
import { buildPath, type PathFault } from '../evidence/x509/path.ts';
import { badSince, isCompromise, newestCrl, revocationOf } from '../evidence/x509/revocation.ts';
import type { SignatureVerifier } from '../evidence/x509/signature.ts';

/** id-kp-timeStamping. */
export const EKU_TIMESTAMPING = '1.3.6.1.5.5.7.3.8';

/** A timestamp authority that the auditor believes. */
export interface TimestampAuthority {
  readonly name?: string;
  readonly root: Certificate;
  /** Certificates between root and signer, and the signer's, for tokens that do not carry them. */
  readonly certificates: readonly Certificate[];
  /** Times between which its tokens count, milliseconds since 1970, both inclusive; absent: at any. */
  readonly from?: number;
  readonly until?: number;
}

/** One condition that a token can break. */
export type TokenFault =
  | 'timestamp-malformed'
  | 'timestamp-imprint'
  | 'timestamp-critical-extension'
  | 'timestamp-attributes'
  | 'timestamp-digest'
  | 'timestamp-signer-missing'
  | 'timestamp-signing-certificate'
  | 'timestamp-purpose'
  | 'timestamp-usage'
  | 'timestamp-name'
  | 'timestamp-algorithm'
  | 'timestamp-signature'
  | 'timestamp-certificates'
  | 'timestamp-period'
  | 'timestamp-revoked'
  | 'timestamp-nonce'
  | 'timestamp-policy'
  | `timestamp-path-${PathFault}`;

export interface ProvenTime {
  /** What the token says, milliseconds since 1970. */
  readonly genTime: number;
  /** Latest time at which it can have been made: genTime and its accuracy. */
  readonly latest: number;
  readonly authority: TimestampAuthority;
}

export type TokenVerdict =
  | { readonly ok: true; readonly time: ProvenTime }
  | { readonly ok: false; readonly fault: TokenFault; readonly why: string };

/** What a token is held against. */
export interface TokenQuestion {
  /** DER ContentInfo. */
  readonly token: Uint8Array;
  /** What was stamped. */
  readonly message: Uint8Array;
  /** Content octets of the nonce of the request, where the asker still knows it. */
  readonly nonce?: Uint8Array;
  /** The policy that was asked for. */
  readonly policy?: string;
  readonly authorities: readonly TimestampAuthority[];
  readonly crls: readonly Crl[];
  readonly verify: SignatureVerifier;
}

const bad = (fault: TokenFault, why: string): TokenVerdict & { ok: false } => ({ ok: false, fault, why });

/** Judges a token. Never throws for what it says. */
export async function judgeToken(question: TokenQuestion): Promise<TokenVerdict> {
  let token: TimestampToken;
  let given: Certificate[];
  try {
    token = parseToken(question.token);
    given = token.certificates.map(parseCertificate);
  } catch (e) {
    return bad('timestamp-malformed', (e as Error).message);
  }
  const odd = given.find((c) => c.deviations.length > 0);
  if (odd !== undefined) return bad('timestamp-malformed', `a certificate is not DER: ${odd.deviations[0]}`);
  const content = holdContent(token, question);
  if (content !== undefined) return content;
  const known = [...given, ...question.authorities.flatMap((a) => [a.root, ...a.certificates])];
  // Several certificates may bear the name; that which the signer vouches for by digest is the one.
  const named = known.filter((c) => namesSigner(token.signer, c));
  if (named.length === 0)
    return bad('timestamp-signer-missing', 'the certificate of the signer is not at hand');
  const signer = named.find((c) => vouched(token, c));
  if (signer === undefined) {
    return bad('timestamp-signing-certificate', 'the signed attributes name another certificate');
  }
  return (
    holdSigner(token, signer) ??
    (await holdSignature(token, signer, question.verify)) ??
    judgeChain(token, signer, given, question)
  );
}

function holdContent(token: TimestampToken, q: TokenQuestion): (TokenVerdict & { ok: false }) | undefined {
  const { info, attributes, digest } = token;
  if (!equal(info.imprint.digest, digestOf(info.imprint.hash, q.message))) {
    return bad('timestamp-imprint', 'it is over something else');
  }
  if (q.policy !== undefined && info.policy !== q.policy) {
    return bad('timestamp-policy', `it is under the policy ${info.policy}`);
  }
  if (q.nonce !== undefined && (info.nonce === undefined || !equal(info.nonce, q.nonce))) {
    return bad('timestamp-nonce', 'it answers another request');
  }
  if (info.critical.length > 0) {
    return bad('timestamp-critical-extension', `the extension ${info.critical[0]} is not understood`);
  }
  if (attributes.contentType !== TST_INFO || attributes.messageDigest === undefined) {
    return bad('timestamp-attributes', 'content type and digest are not signed');
  }
  if (attributes.signingCertificates.length === 0) {
    return bad('timestamp-signing-certificate', 'the signer does not name its certificate');
  }
  return equal(attributes.messageDigest, digestOf(digest, token.content))
    ? undefined
    : bad('timestamp-digest', 'the signed digest is not that of the content');
}

/** Whether every ESSCertID of the token is of this certificate (RFC 5816 §2.2.1). */
function vouched(token: TimestampToken, c: Certificate): boolean {
  return token.attributes.signingCertificates.every(
    ({ hash, digest, issuerSerial }) =>
      equal(digest, digestOf(hash, c.der)) &&
      (issuerSerial === undefined ||
        (equal(issuerSerial.issuer, c.issuer) && equal(issuerSerial.serial, c.serial))),
  );
}

function holdSigner(token: TimestampToken, c: Certificate): (TokenVerdict & { ok: false }) | undefined {
  const purposes = c.extendedKeyUsage ?? [];
  const alone = purposes.length === 1 && purposes[0] === EKU_TIMESTAMPING;
  if (!alone || !isCritical(c, OID.extendedKeyUsage)) {
    return bad('timestamp-purpose', 'the certificate is not for timestamps alone, marked critical');
  }
  const usage = c.keyUsage;
  const signs = usage?.every((u) => u === 'digitalSignature' || u === 'nonRepudiation') ?? true;
  if (c.basicConstraints?.ca === true || !signs || usage?.length === 0) {
    return bad('timestamp-usage', 'the certificate is a CA, or its key is for more than signing');
  }
  if (token.info.tsa !== undefined && !equal(token.info.tsa, c.subject)) {
    return bad('timestamp-name', 'the authority named in it is not the subject of the certificate');
  }
  return undefined;
}

async function holdSignature(
  token: TimestampToken,
  c: Certificate,
  verify: SignatureVerifier,
): Promise<(TokenVerdict & { ok: false }) | undefined> {
  const { algorithm } = token;
  if (algorithm.kind === 'refused') return bad('timestamp-algorithm', algorithm.why);
  if (c.key.kind === 'rsa' && c.key.bits < 2048) {
    return bad('timestamp-algorithm', `the signer has an RSA key of ${c.key.bits} bits`);
  }
  const key = { spki: c.spki, facts: c.key };
  return (await verify(key, algorithm, token.signed, token.signature))
    ? undefined
    : bad('timestamp-signature', 'it is not signed by that certificate');
}

/** The chain at the time in the token, to the first authority that it reaches. */
async function judgeChain(
  token: TimestampToken,
  signer: Certificate,
  given: readonly Certificate[],
  q: TokenQuestion,
): Promise<TokenVerdict> {
  const at = token.info.genTime;
  let last: TokenVerdict & { ok: false } = bad(
    'timestamp-path-issuer-missing',
    'no timestamp authority is trusted',
  );
  for (const authority of q.authorities) {
    const intermediates = [...given, ...authority.certificates].filter(
      (c) => !equal(c.der, authority.root.der),
    );
    const question = { leaf: signer, intermediates, roots: [authority.root], verify: q.verify };
    const answer = await buildPath({ ...question, at, purpose: EKU_TIMESTAMPING });
    if (!answer.found) {
      const why = [...new Set(answer.reasons)].join('; ');
      // The name of an issuer that is not there says least.
      if (answer.fault !== 'issuer-missing' || last.fault === 'timestamp-path-issuer-missing') {
        last = bad(`timestamp-path-${answer.fault}`, why);
      }
      continue;
    }
    const spare = given.find((g) => !answer.path.some((p) => equal(p.der, g.der)));
    if (spare !== undefined) {
      last = bad('timestamp-certificates', 'it carries a certificate that is not on the path');
      continue;
    }
    if ((authority.from ?? at) > at || (authority.until ?? at) < at) {
      last = bad('timestamp-period', 'it was made when the trust file does not believe that authority');
      continue;
    }
    const revoked = await revokedBy(answer.path, at, q);
    if (revoked !== undefined) return bad('timestamp-revoked', revoked);
    return { ok: true, time: { genTime: at, latest: at + token.info.accuracy, authority } };
  }
  return last;
}

/** RFC 3161 §4: tokens of a compromised key are void at any time, others from the revocation on. */
async function revokedBy(
  path: readonly Certificate[],
  at: number,
  q: TokenQuestion,
): Promise<string | undefined> {
  for (const [i, issuer] of path.slice(1).entries()) {
    const list = await newestCrl(issuer, q.crls, q.verify);
    const entry = list === undefined ? undefined : revocationOf(list, path[i] as Certificate);
    if (entry === undefined) continue;
    if (isCompromise(entry)) return 'the key of its authority was compromised';
    if (badSince(entry) <= at) return 'its certificate had been revoked';
  }
  return undefined;
}
