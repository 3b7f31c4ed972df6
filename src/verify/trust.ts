/**
 * The trust file: everything that is the auditor's own decision. Which roots, which level at least, which hosts, which
 * PCR values, whether the host's clock counts as time. Nothing in a bundle can widen it.
 */
import { fromBase64, fromBase64Url } from '../core/bytes.ts';
import { type Json, jcsBytes, parseJson } from '../core/json.ts';
import { keyKind, parseEnvelope, policyOf } from '../evidence/appraisal.ts';
import type { NodeKey } from '../evidence/import/node.ts';
import type { AppraisalPolicy, Envelope } from '../evidence/schema/appraisal.ts';
import { type Certificate, parseCertificate } from '../evidence/x509/certificate.ts';
import { type Crl, parseCrl } from '../evidence/x509/crl.ts';
import { arrayOf, decoded, invalid, objectOf, oneOf, textOf } from './shape.ts';
import { readTeeTrust, type TeeTrust } from './tee/trust.ts';
import { readTimestamps, type TimestampTrust } from './timestamptrust.ts';
import type { Level } from './verdict.ts';
import { readWitnessTrust, type WitnessTrust } from './witness.ts';

export const TRUST_SCHEMA = 'attestd.dev/trust/v1';
/** Largest trust file, in bytes; revocation lists are the bulk of it. */
export const MAX_TRUST = 16_777_216;

/** Hardware roots vouch for TPM chips; whatever a software root vouches for is reported as simulated. */
export type RootKind = 'hardware' | 'software';

export interface TrustRoot {
  readonly certificate: Certificate;
  readonly kind: RootKind;
  readonly name?: string;
}

/** One state that the auditor accepts: for each PCR named, the values that may stand in it. */
export interface PcrProfile {
  readonly name: string;
  /** PCR index → allowed values, lower-case hex, at least one each. */
  readonly sha256: ReadonlyMap<number, readonly string[]>;
}

/** A policy with the key that must have signed it; whether it did is for a check. */
export interface TrustedPolicy {
  /** SubjectPublicKeyInfo of its owner, Ed25519 or P-256. */
  readonly key: Uint8Array;
  readonly envelope: Envelope;
  readonly policy: AppraisalPolicy;
}

export interface Trust {
  readonly roots: readonly TrustRoot[];
  readonly minimumLevel: Exclude<Level, 0>;
  /** `attestd://<fleet>/<host>`, compared exactly; absent: every host under the roots. */
  readonly hosts?: readonly string[];
  readonly pcrs: readonly PcrProfile[];
  readonly policies: readonly TrustedPolicy[];
  /** Groups of names of policies: one of each group must accept the machine. */
  readonly appraisals: readonly (readonly string[])[];
  readonly acceptHostTime: boolean;
  readonly crls: readonly Crl[];
  readonly revocation: 'required' | 'if-present';
  /** Seconds that a seal may be old when it is verified; absent: any age. */
  readonly maxAge?: number;
  /** Public keys, base64 SubjectPublicKeyInfo, whose policies count; absent: any, and the report names it. */
  readonly policyKeys?: readonly string[];
  /** Keys of NexArt nodes whose signatures on imported CERs count; absent: any, and the report names it. */
  readonly nodeKeys?: readonly NodeKey[];
  /** Confidential machines; absent: reports of them are not looked at. */
  readonly tee?: TeeTrust;
  readonly timestamps?: TimestampTrust;
  /** Whether everything that a record rests on must be given, in its log and in others. */
  readonly closure?: boolean;
  /** Whether it must be shown who sealed the checkpoints by which records of other logs are known. */
  readonly foreignSeals?: boolean;
  /** Policies, in hexadecimal, of which the record key must be bound to one; absent: any, or none, and the report says. */
  readonly recordKeyPolicies?: readonly string[];
  /** Witnesses; absent: cosignatures prove nothing to this auditor. */
  readonly witnesses?: WitnessTrust;
  /** Whether the daemon must have measured itself without a gap; else that is said and not demanded. */
  readonly selfMeasured: boolean;
  /** Algorithms of the keys that may stand on a path, `EC P-256` or `RSA 3072` (at least so long); absent: any that counts. */
  readonly keys?: readonly KeyRule[];
}

/** A kind of key that the auditor accepts: a curve by name, or RSA of at least so many bits. */
export type KeyRule = { readonly curve: string } | { readonly bits: number };

/** An auditor who trusts nothing and nobody, for reading evidence without judging it. */
export const NO_TRUST: Trust = {
  roots: [],
  minimumLevel: 1,
  pcrs: [],
  policies: [],
  appraisals: [],
  acceptHostTime: false,
  crls: [],
  revocation: 'if-present',
  selfMeasured: false,
};

/** Reads a trust file. @throws MALFORMED naming the field by JSON pointer, TOO_LARGE */
export function parseTrust(bytes: Uint8Array): Trust {
  if (bytes.length > MAX_TRUST) throw invalid('', `more than ${MAX_TRUST} bytes`);
  const required = ['schema', 'roots', 'minimumLevel', 'pcrs', 'acceptHostTime', 'crls', 'revocation'];
  const optional = [
    'hosts',
    'maxAge',
    'tee',
    'policies',
    'appraisals',
    'policyKeys',
    'timestamps',
    'keys',
    'nodeKeys',
    'closure',
    'foreignSeals',
    'recordKeyPolicies',
    'witnesses',
    'selfMeasured',
  ];
  const o = objectOf(parseJson(bytes), '', required, optional);
  oneOf(o.schema, '/schema', [TRUST_SCHEMA]);
  const roots = arrayOf(o.roots, '/roots', 256, readRoot);
  if (roots.length === 0) throw invalid('/roots', 'there is no root to trust');
  const policies = o.policies === undefined ? [] : arrayOf(o.policies, '/policies', 64, readPolicy);
  const trust: Trust = {
    roots,
    minimumLevel: oneOf(o.minimumLevel, '/minimumLevel', [1, 2, 3, 4] as const),
    pcrs: arrayOf(o.pcrs, '/pcrs', 1024, readProfile),
    policies,
    appraisals: readAppraisals(o.appraisals, policies),
    acceptHostTime: oneOf(o.acceptHostTime, '/acceptHostTime', [true, false]),
    crls: arrayOf(o.crls, '/crls', 256, readCrl),
    revocation: oneOf(o.revocation, '/revocation', ['required', 'if-present'] as const),
    selfMeasured: o.selfMeasured !== undefined && oneOf(o.selfMeasured, '/selfMeasured', [true]),
    ...(o.hosts === undefined ? {} : { hosts: arrayOf(o.hosts, '/hosts', 65_536, readHost) }),
    ...(o.maxAge === undefined ? {} : { maxAge: readAge(o.maxAge) }),
    ...(o.policyKeys === undefined
      ? {}
      : { policyKeys: arrayOf(o.policyKeys, '/policyKeys', 64, readPolicyKey) }),
    ...(o.nodeKeys === undefined ? {} : { nodeKeys: arrayOf(o.nodeKeys, '/nodeKeys', 64, readNodeKey) }),
    ...(o.closure === undefined ? {} : { closure: oneOf(o.closure, '/closure', [true, false]) }),
    ...(o.foreignSeals === undefined
      ? {}
      : { foreignSeals: oneOf(o.foreignSeals, '/foreignSeals', [true, false]) }),
    ...(o.recordKeyPolicies === undefined
      ? {}
      : { recordKeyPolicies: readRecordKeyPolicies(o.recordKeyPolicies) }),
    ...(o.tee === undefined ? {} : { tee: readTeeTrust(o.tee, '/tee') }),
    ...(o.timestamps === undefined ? {} : { timestamps: readTimestamps(o.timestamps) }),
    ...(o.witnesses === undefined ? {} : { witnesses: readWitnessTrust(o.witnesses) }),
    ...(o.keys === undefined ? {} : { keys: arrayOf(o.keys, '/keys', 16, readKey) }),
  };
  if (trust.minimumLevel >= 3 && trust.pcrs.length === 0 && policies.length === 0) {
    throw invalid('/pcrs', `level ${trust.minimumLevel} needs at least one accepted state`);
  }
  if (trust.minimumLevel < 3 && trust.selfMeasured) {
    throw invalid('/selfMeasured', 'what a machine runs is its state, so it needs level 3');
  }
  if (trust.minimumLevel < 3 && trust.tee?.required) {
    throw invalid('/tee/required', 'a report speaks of the state of a machine, so it needs level 3');
  }
  return trust;
}

function readRoot(v: Json, field: string): TrustRoot {
  const o = objectOf(v, field, ['certificate', 'kind'], ['name']);
  const at = `${field}/certificate`;
  const certificate = decoded(at, () => parseCertificate(fromBase64(textOf(o.certificate, at, 32_768))));
  const kind = oneOf(o.kind, `${field}/kind`, ['hardware', 'software'] as const);
  return o.name === undefined
    ? { certificate, kind }
    : { certificate, kind, name: textOf(o.name, `${field}/name`, 256) };
}

function readPolicy(v: Json, field: string): TrustedPolicy {
  const o = objectOf(v, field, ['key', 'envelope']);
  const key = decoded(`${field}/key`, () => fromBase64(textOf(o.key, `${field}/key`, 256)));
  decoded(`${field}/key`, () => keyKind(key));
  return decoded(`${field}/envelope`, () => {
    const envelope = parseEnvelope(jcsBytes(o.envelope));
    return { key, envelope, policy: policyOf(envelope) };
  });
}

/** Where the file does not say, any one of its policies will do. */
function readAppraisals(
  v: Json | undefined,
  policies: readonly TrustedPolicy[],
): readonly (readonly string[])[] {
  const names = policies.map((p) => p.policy.name);
  const twice = names.findIndex((n, i) => names.indexOf(n) !== i);
  if (twice >= 0) throw invalid(`/policies/${twice}`, 'another policy has this name');
  if (v === undefined) return names.length === 0 ? [] : [names];
  if (names.length === 0) throw invalid('/appraisals', 'there is no policy');
  const groups = arrayOf(v, '/appraisals', 64, (group, field) => {
    const wanted = arrayOf(group, field, 64, (n, at) => oneOf(n, at, names));
    if (wanted.length === 0) throw invalid(field, 'no policy could accept anything');
    return wanted;
  });
  if (groups.length === 0) throw invalid('/appraisals', 'a list of nothing demands nothing');
  return groups;
}

function readCrl(v: Json, field: string): Crl {
  return decoded(field, () => parseCrl(fromBase64(textOf(v, field, 2_000_000))));
}

function readHost(v: Json, field: string): string {
  const host = textOf(v, field, 600);
  if (!/^attestd:\/\/[a-z0-9.-]+\/[a-z0-9.-]+$/.test(host)) throw invalid(field, 'not attestd://fleet/host');
  return host;
}

function readPolicyKey(v: Json, field: string): string {
  const key = textOf(v, field, 172);
  decoded(field, () => fromBase64(key));
  if (key === '') throw invalid(field, 'not a key');
  return key;
}

function readRecordKeyPolicies(v: Json): string[] {
  const policies = arrayOf(v, '/recordKeyPolicies', 64, readValue);
  if (policies.length === 0) throw invalid('/recordKeyPolicies', 'a list of nothing accepts no key');
  return policies;
}

function readNodeKey(v: Json, field: string): NodeKey {
  const o = objectOf(v, field, ['nodeId', 'kid', 'x']);
  const x = textOf(o.x, `${field}/x`, 43);
  if (decoded(`${field}/x`, () => fromBase64Url(x)).length !== 32)
    throw invalid(`${field}/x`, 'not 32 bytes');
  return { nodeId: textOf(o.nodeId, `${field}/nodeId`, 256), kid: textOf(o.kid, `${field}/kid`, 128), x };
}

function readAge(v: Json): number {
  if (typeof v !== 'number' || !Number.isSafeInteger(v) || v < 1) throw invalid('/maxAge', 'not seconds');
  return v;
}

function readKey(v: Json, field: string): KeyRule {
  const m = /^(?:EC (P-256|P-384|P-521)|RSA ([1-9]\d{3,4}))$/.exec(textOf(v, field));
  if (m === null) throw invalid(field, 'not EC P-256, EC P-384, EC P-521 or RSA and a number of bits');
  const bits = Number(m[2]);
  if (m[1] === undefined && bits < 2048) throw invalid(field, 'RSA of less than 2048 bits never counts');
  return m[1] === undefined ? { bits } : { curve: m[1] };
}

function readProfile(v: Json, field: string): PcrProfile {
  const o = objectOf(v, field, ['name', 'sha256']);
  const at = `${field}/sha256`;
  const indices = Array.from({ length: 24 }, (_, i) => String(i));
  const bank = objectOf(o.sha256, at, [], indices);
  const sha256 = new Map<number, readonly string[]>();
  for (const [index, list] of Object.entries(bank)) {
    const values = arrayOf(list, `${at}/${index}`, 1024, readValue);
    if (values.length === 0) throw invalid(`${at}/${index}`, 'no value is allowed at all');
    sha256.set(Number(index), values);
  }
  if (sha256.size === 0) throw invalid(at, 'a state that names no PCR accepts everything');
  return { name: textOf(o.name, `${field}/name`, 256), sha256 };
}

function readValue(v: Json, field: string): string {
  const value = textOf(v, field);
  if (!/^[0-9a-f]{64}$/.test(value)) throw invalid(field, 'not 32 bytes in lower-case hexadecimal');
  return value;
}
