/** Bundles of records of other logs inside of a bundle: packed, taken out again, and redacted with it. */
import { fromBase64, toBase64, toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { parseBundle, printBundle } from '../evidence/bundle.ts';
import { parseDisclosure } from '../evidence/disclosure.ts';
import { recordDigest } from '../evidence/dsse.ts';
import { edgesOf } from '../evidence/edges.ts';
import type { Bundle } from '../evidence/schema/bundle.ts';
import { readStatement } from '../evidence/statement.ts';

/** A file that is to be packed, by the name that people know it by. */
export interface Named {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Everything that the record of a bundle, or an entry beside it, names in other logs. */
function namedElsewhere(bundle: Bundle): Set<string> {
  const out = new Set<string>();
  for (const { entry } of [bundle.record, ...bundle.related]) {
    const { predicate } = readStatement(fromBase64(entry));
    for (const { digest, log } of edgesOf(predicate as unknown as JsonObject))
      if (log !== undefined && log !== predicate.log) out.add(`${log} ${digest}`);
  }
  return out;
}

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
  const { mediaType: _, foreign: had = [], ...bundle } = parseBundle(bytes);
  const wanted = namedElsewhere({ ...bundle, mediaType: _ });
  const foreign = new Set(had);
  for (const file of files) {
    const identity = identityOf(parseBundle(file.bytes));
    if (!wanted.has(identity))
      throw new AttestdError('USAGE', `nothing here rests on the record in ${file.name}, ${identity}`, {
        field: '--foreign',
      });
    foreign.add(toBase64(file.bytes));
  }
  return printBundle({ ...bundle, foreign: [...foreign].sort() });
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
