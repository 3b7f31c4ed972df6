/**
 * `disclosures`: every opening in the bundle opens exactly one digest of the record, each digest once, and says nothing
 * that the record says otherwise (RFC 9901 §7.1: no name twice in one object). An opening that fits nothing would be
 * a claim that nobody signed. Digests count only where the record format has them, not inside a caller's own values.
 */
import { fromHex, toBase64Url } from '../../core/bytes.ts';
import type { JsonObject } from '../../core/json.ts';
import { disclosureDigest, parseDisclosure } from '../../evidence/disclosure.ts';
import type { Subject } from '../../evidence/statement.ts';
import type { StatementFacts } from '../evidence.ts';
import { attempt, blocked, type CheckDefinition, fail, pass, together } from '../outcome.ts';

/** Where a digest stands: an object with the names taken in it, or an artefact. */
type Place = { readonly names: Set<string> } | { readonly artefact: Subject };

/** Every digest of a disclosure, base64url, with each place where it stands. */
function places({ predicate, artefacts }: StatementFacts): [string, Place][] {
  const out: [string, Place][] = [];
  for (const group of ['inputs', 'parameters', 'outputs'] as const) {
    const members = predicate[group];
    if (members === null || typeof members !== 'object' || Array.isArray(members)) continue;
    const { _sd, ...plain }: JsonObject = members;
    const place = { names: new Set(Object.keys(plain)) };
    if (!Array.isArray(_sd)) continue;
    for (const digest of _sd) if (typeof digest === 'string') out.push([digest, place]);
  }
  for (const artefact of artefacts) {
    if (artefact.annotations?.salted !== true) continue;
    out.push([toBase64Url(fromHex(artefact.digest.sha256)), { artefact }]);
  }
  return out;
}

export const disclosures: CheckDefinition = {
  id: 'disclosures',
  level: 1,
  run: (e) => {
    const parts = together({ record: e.record, given: e.disclosures });
    if (!parts.ok) return blocked(parts);
    const { record, given } = parts.value;
    if (!record.statement.ok) return blocked(record.statement);
    const all = places(record.statement.value);
    const opened = new Set<string>();
    for (const text of given) {
      const opening = attempt(() => parseDisclosure(text));
      if (!opening.ok) return fail(`A disclosure cannot be read: ${opening.why}.`);
      const digest = toBase64Url(disclosureDigest(text));
      const [found, ...more] = all.filter(([d]) => d === digest);
      if (found === undefined || more.length > 0) return fail('A disclosure opens no digest of the record.');
      if (opened.has(digest)) return fail('A disclosure is given twice.');
      opened.add(digest);
      const { name, value } = opening.value;
      const [, place] = found;
      if ('artefact' in place) {
        const fits = name === place.artefact.name && /^sha256:[0-9a-f]{64}$/.test(String(value));
        if (!fits)
          return fail(
            'A disclosure of an artefact is no digest of that artefact.',
            place.artefact.name,
            name,
          );
        continue;
      }
      if (place.names.has(name))
        return fail('A disclosure gives a name another value than the record.', undefined, name);
      place.names.add(name);
    }
    return pass(`${opened.size} of ${all.length} withheld values are disclosed, and each fits its digest.`);
  },
};
