/**
 * What a bundle holds of other logs: bundles of their records, and certificates of hosts whose checkpoints are held as
 * proof of a parent. Packed, taken out again, and redacted with it.
 */
import { equal, fromBase64, toBase64, toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { parseBundle, printBundle } from '../evidence/bundle.ts';
import { readCertificates, readCrls } from '../evidence/certfile.ts';
import { parseDisclosure } from '../evidence/disclosure.ts';
import { recordDigest } from '../evidence/dsse.ts';
import { type Edge, edgesOf } from '../evidence/edges.ts';
import type { Bundle } from '../evidence/schema/bundle.ts';
import { readStatement } from '../evidence/statement.ts';
import { parseCertificate } from '../evidence/x509/certificate.ts';

/** A file that is to be packed, by the name that people know it by. */
export interface Named {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Everything that the record of a bundle, or an entry beside it, names in other logs. */
function namedElsewhere(bundle: Bundle): Edge[] {
  return [bundle.record, ...bundle.related].flatMap(({ entry }) => {
    const { predicate } = readStatement(fromBase64(entry));
    const edges = edgesOf(predicate as unknown as JsonObject);
    return edges.filter(({ log }) => log !== undefined && log !== predicate.log);
  });
}

/** The name of a host in the certificate of its AK, from `attestd://<fleet>/<host>` to `<fleet>/<host>/`. */
const hostIn = (leaf: Uint8Array): string | undefined =>
  parseCertificate(leaf)
    .alternativeNames?.uris.find((u) => u.startsWith('attestd://'))
    ?.slice('attestd://'.length)
    .concat('/');

/** The certificates of another host, without the root, which is the auditor's. */
function chainOf(
  { name, bytes }: Named,
  wanted: readonly Edge[],
): NonNullable<Bundle['foreignChains']>[number] {
  const [leaf, ...rest] = readCertificates(bytes);
  const host = leaf === undefined ? undefined : hostIn(leaf);
  if (leaf === undefined || host === undefined)
    throw new AttestdError('USAGE', `${name} is not the certificate file of a host`, { field: '--foreign' });
  if (!wanted.some(({ log, proof }) => proof !== undefined && log?.startsWith(host)))
    throw new AttestdError('USAGE', `nothing here rests on a checkpoint of the host in ${name}, ${host}`, {
      field: '--foreign',
    });
  const between = rest.filter((der) => {
    const { issuer, subject } = parseCertificate(der);
    return !equal(issuer, subject);
  });
  return { chain: [leaf, ...between].map(toBase64), crls: readCrls(bytes).map(toBase64) };
}

const isPem = ({ bytes }: Named): boolean => bytes[0] === 0x2d;

const identityOf = ({ record }: Bundle): string => {
  const entry = fromBase64(record.entry);
  return `${readStatement(entry).predicate.log} ${toHex(recordDigest(entry))}`;
};

/**
 * The bundle with those of other logs in it.
 * @throws USAGE naming a file whose record nothing here rests on; MALFORMED, TOO_LARGE
 */
export function packForeign(bytes: Uint8Array, files: readonly Named[]): Uint8Array {
  if (files.length === 0) return bytes;
  const { mediaType: _, foreign: had = [], foreignChains = [], ...bundle } = parseBundle(bytes);
  const wanted = namedElsewhere({ ...bundle, mediaType: _ });
  const named = new Set(wanted.map(({ log, digest }) => `${log} ${digest}`));
  const foreign = new Set(had);
  const chains = new Map(foreignChains.map((c) => [c.chain[0], c]));
  for (const file of files) {
    if (isPem(file)) {
      const chain = chainOf(file, wanted);
      chains.set(chain.chain[0], chain);
      continue;
    }
    const identity = identityOf(parseBundle(file.bytes));
    if (!named.has(identity))
      throw new AttestdError('USAGE', `nothing here rests on the record in ${file.name}, ${identity}`, {
        field: '--foreign',
      });
    foreign.add(toBase64(file.bytes));
  }
  const sorted = [...chains.values()].sort((a, b) =>
    (a.chain[0] as string) < (b.chain[0] as string) ? -1 : 1,
  );
  return printBundle({
    ...bundle,
    ...(foreign.size === 0 ? {} : { foreign: [...foreign].sort() }),
    ...(sorted.length === 0 ? {} : { foreignChains: sorted }),
  });
}

/** A bundle and those of other logs in it, the outermost first. */
export function unfold(bundle: Bundle): Bundle[] {
  return [bundle, ...(bundle.foreign ?? []).flatMap((b) => unfold(parseBundle(fromBase64(b))))];
}

/** Withholds every value but those of these names, in the bundles of other logs too. */
export function redacted(bundle: Bundle, keep: ReadonlySet<string>): Uint8Array {
  const { mediaType: _, foreign, ...rest } = bundle;
  const disclosures = rest.disclosures.filter((d) => keep.has(parseDisclosure(d).name));
  const others = foreign?.map((b) => toBase64(redacted(parseBundle(fromBase64(b)), keep)));
  return printBundle({ ...rest, disclosures, ...(others === undefined ? {} : { foreign: others.sort() }) });
}
